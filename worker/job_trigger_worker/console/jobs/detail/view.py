"""What is there now of what a job was saved with: decided once, shown by page and API (R5)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from job_trigger_worker.console.shared.live_preflight import LivePreflightResult
from job_trigger_worker.domain.inventory import UNCLEAR_TYPE, Automation, Owner, ServerState
from job_trigger_worker.preflight.invalid import is_unclear


class State(StrEnum):
    """What has become of an action, a workflow or an owner since the job was saved."""

    OK = "ok"
    OFF = "off"
    """Switched off, disabled."""
    GONE = "gone"
    NO_PERMISSION = "no_permission"
    """It may be there; whoever asks may not see it (R10)."""
    NOT_CHECKED = "not_checked"
    """The inventory did not answer in time, or its row cannot be read."""
    UNREADABLE = "unreadable"
    """The job does not say clearly which one it is."""
    NOT_SET = "not_set"


class There(NamedTuple):
    """A state, and the name that the inventory knows; '' where it knows none, or none is shown."""

    state: State
    name: str = ""


def automation(live: LivePreflightResult) -> There:
    """The action or workflow; its name where the viewer may use it, too."""
    job = live.verdict.job if live.verdict else None
    if live.facts is None or job is None or live.may_see_automation is None:
        return There(State.NOT_CHECKED)
    if not live.may_see_automation:
        return There(State.NO_PERMISSION)
    if is_unclear(job.unclear, "job_type") or is_unclear(job.unclear, "target_id"):
        return There(State.UNREADABLE)
    if job.target_id is None:
        return There(State.NOT_SET)
    automations = live.facts.automations
    found = automations.get((job.job_type, job.target_id))
    return _of_row(found or automations.get((UNCLEAR_TYPE, job.target_id)))


def owner(live: LivePreflightResult) -> There:
    """The owner as the platform knows them now."""
    job = live.verdict.job if live.verdict else None
    if live.facts is None or job is None:
        return There(State.NOT_CHECKED)
    if is_unclear(job.unclear, "owner_id"):
        return There(State.UNREADABLE)
    if job.owner_id is None:
        return There(State.NOT_SET)
    return _of_row(live.facts.owners.get(job.owner_id))


def server(live: LivePreflightResult, server_id: int) -> ServerState | State:
    """What the inventory says of a server, or that it was not asked or has none."""
    if live.facts is None:
        return State.NOT_CHECKED
    found = live.facts.servers.get(server_id)
    return State.GONE if found is None else found.state


def _of_row(row: Automation | Owner | None) -> There:
    """What a row's flag says; one that says neither true nor false is a finding of its own."""
    if row is None:
        return There(State.GONE)
    if row.unclear:
        return There(State.NOT_CHECKED)
    return There(State.OK if row.enabled else State.OFF, row.name)
