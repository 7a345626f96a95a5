"""Edit a job (R6): name, schedule, time zone, targets. Never fails when what it names is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from job_trigger_worker.console.jobs.edit import draft
from job_trigger_worker.console.jobs.edit.draft import Edits, ServerList
from job_trigger_worker.console.jobs.visible_job import get_visible_job
from job_trigger_worker.console.shared.live_preflight import LivePreflightResult, PendingPreflight
from job_trigger_worker.console.shared.state import Console
from job_trigger_worker.domain.inventory import Job
from job_trigger_worker.domain.parameter import parse
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.read_models import AsOf, JobListRow
from job_trigger_worker.storage.write import changes, job_edits
from job_trigger_worker.storage.write.job_edits import Column, Editable

_MOST_NOTED = 50


@dataclass(frozen=True, slots=True)
class OpenedEdit:
    """A job as it can be edited. `lists` is None where its targets cannot be edited here."""

    job: JobListRow
    saved: Editable
    lists: tuple[ServerList, ...] | None


@dataclass(frozen=True, slots=True)
class RequestedEdit:
    """What somebody wants a job to be. Schedule and zone are '' for none."""

    name: str
    schedule: str
    timezone: str
    edits: Edits = field(default_factory=Edits)


def open_job(
    console: Console, who: Principal, at: AsOf, job_id: int
) -> tuple[JobListRow, OpenedEdit | None]:
    """A job, and how it can be edited; None where the platform does not let us.

    Raises 'not found' for one that one may not see.
    """
    with console.pool.snapshot() as connection:
        job = get_visible_job(connection, who, at, job_id)
        saved = job_edits.read(connection, job_id)
    if saved is None:
        return job, None
    return job, OpenedEdit(job, saved, draft.parse(job.job_type, saved.parameter))


def as_saved(saved: Editable) -> RequestedEdit:
    """The edit of somebody who changes nothing."""
    return RequestedEdit(saved.name, saved.schedule or "", saved.timezone or "")


def begin(console: Console, who: Principal, opened: OpenedEdit, edits: Edits) -> PendingPreflight:
    """Start the preflight that would result, with nothing saved, for `preflight.finish`.

    A job that is switched off is looked at as if it were on: everything else is worth knowing.
    """
    parameter = _put_together(opened, edits)

    def edited(job: Job) -> Job:
        return job._replace(parameter=parameter, enabled=True)

    return console.preflight.begin(opened.saved.job_id, who, edited)


def _put_together(
    opened: OpenedEdit, edits: Edits, ips: Mapping[int, str | None] | None = None
) -> str | None:
    """The parameter with edits, and with new ids as the platform has them."""
    saved = opened.saved
    return draft.apply(
        opened.job.job_type, saved.parameter, edits, ips, are_ids_text=saved.are_ids_text
    )


def columns(
    opened: OpenedEdit, wanted: RequestedEdit, live: LivePreflightResult
) -> dict[Column, str | bool | None]:
    """What would be written: only what is another value than before."""
    servers = live.facts.servers if live.facts else {}
    ips = {number: server.ip for number, server in servers.items()}
    saved = opened.saved
    found: dict[Column, str | bool | None] = {}
    if wanted.name != saved.name:
        found["name"] = wanted.name
    if wanted.schedule != (saved.schedule or ""):
        found["schedule"] = wanted.schedule or None
    if wanted.timezone != (saved.timezone or ""):
        found["timezone"] = wanted.timezone
    if wanted.edits:
        parameter = _put_together(opened, wanted.edits, ips)
        if parameter != saved.parameter:
            found["paramter"] = parameter
    return found


def save(
    console: Console,
    who: Principal,
    opened: OpenedEdit,
    changed: Mapping[Column, str | bool | None],
) -> int | None:
    """Save it with its note, in one transaction; the new version, None when it was overtaken."""
    saved = opened.saved
    with console.pool.transaction() as connection:
        version = job_edits.update(connection, saved.job_id, saved.version, dict(changed))
        if version is None:
            return None
        before, after = _noted(opened, changed)
        changes.write(
            connection,
            login=who.login,
            object_kind="job",
            object_id=str(saved.job_id),
            action="edit",
            before=console.masker.value(before),
            after=console.masker.value(after),
        )
    return version


def _noted(
    opened: OpenedEdit, changed: Mapping[Column, str | bool | None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Before and after, of what has changed: of targets those that went and those that came."""
    saved = opened.saved._asdict()
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for column, value in changed.items():
        if column == "paramter":
            old = _targets(opened.job.job_type, opened.saved.parameter)
            new = _targets(opened.job.job_type, None if value is None else str(value))
            before["targets"] = _only(old, new)
            after["targets"] = _only(new, old)
            before["target_count"], after["target_count"] = len(old), len(new)
        else:
            before[column], after[column] = saved[column], value
    return before, after


def target_changes(opened: OpenedEdit, edits: Edits) -> tuple[list[str], list[str]]:
    """The targets that would go, and those that would come, at most fifty each."""
    if not edits:
        return [], []
    old = _targets(opened.job.job_type, opened.saved.parameter)
    new = _targets(opened.job.job_type, _put_together(opened, edits))
    return _only(old, new), _only(new, old)


def _targets(job_type: str, parameter: str | None) -> list[str]:
    """Every entry as `node / server account`: what can be read of them, and nothing else."""
    lists = draft.parse(job_type, parameter)
    if lists is None:
        return [f"{each.server_id} {each.account}" for each in parse(job_type, parameter).targets]
    return [
        f"{each.node_id} / {row.server} {row.account}"
        if each.node_id
        else f"{row.server} {row.account}"
        for each in lists
        for row in each.rows
    ]


def _only(these: list[str], those: list[str]) -> list[str]:
    """What is in the first and not in the second, in order."""
    left = Counter(these)
    left.subtract(those)
    found = []
    for each in these:
        if left[each] > 0:
            left[each] -= 1
            found.append(each)
    return found[:_MOST_NOTED]
