"""Switch a job on or off: always possible, whatever preflight says and whatever is gone."""

from __future__ import annotations

from typing import NamedTuple

from job_trigger_worker.console.jobs.visible_job import get_visible_job
from job_trigger_worker.console.shared import refusals
from job_trigger_worker.console.shared.state import Console
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.read_models import AsOf
from job_trigger_worker.storage.write import changes, job_edits

_TRIES = 5


class SwitchResult(NamedTuple):
    """The job's version afterwards; `has_changed` is False where it was so already."""

    version: int
    has_changed: bool


def switch(
    console: Console,
    who: Principal,
    at: AsOf,
    job_id: int,
    *,
    on: bool,
    expected: tuple[int, ...] | None = None,
) -> SwitchResult:
    """Enable or disable a job; done twice it changes nothing.

    `expected` are versions that it must have, any where None: which way it is switched does not
    depend on the rest of the job. Raises a refusal for a job that one may not see, that can only be
    changed on the platform, or that has another version.
    """
    with console.pool.transaction() as connection:
        get_visible_job(connection, who, at, job_id)
        for _ in range(_TRIES):
            saved = job_edits.read(connection, job_id)
            if saved is None:
                raise refusals.read_only()
            if expected is not None and saved.version not in expected:
                theirs = {"enabled": saved.is_enabled}
                raise refusals.overtaken({"enabled": on}, theirs, saved.version)
            if saved.is_enabled is on:
                return SwitchResult(saved.version, has_changed=False)
            version = job_edits.update(connection, job_id, saved.version, {"enabled": on})
            if version is not None:
                changes.write(
                    connection,
                    login=who.login,
                    object_kind="job",
                    object_id=str(job_id),
                    action="enable" if on else "disable",
                    before={"enabled": not on},
                    after={"enabled": on},
                )
                return SwitchResult(version, has_changed=True)
    raise refusals.busy()
