"""Run a job now (R9), and follow what becomes of it.

Noting the run and sending its trigger cannot be one transaction. So it is noted first that somebody
asked for it, with the trigger's id, and then sent: a note without a record says honestly that it is
not known whether the brokers have it, and a trigger without a note cannot be. The trigger refers to
the note by a signature, so the worker knows who asked, and need not believe what the message says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from job_trigger_schemas import JobTrigger
from job_trigger_worker.console.jobs.visible_job import get_visible_job
from job_trigger_worker.console.shared import problems, refusals
from job_trigger_worker.console.shared.dependencies import scope_of
from job_trigger_worker.console.shared.state import Console
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.read_models import AsOf, RecordDetail, RecordFilter
from job_trigger_worker.domain.trigger import TriggerKind, Uuid, early_key, run_id, trigger_key
from job_trigger_worker.storage.read import executions
from job_trigger_worker.storage.write import changes, replay_notes

_is_traceparent = re.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch


@dataclass(frozen=True, slots=True)
class FollowedRun:
    """A run that was asked for: its record, None as long as the worker has not written one."""

    trigger_id: Uuid
    login: str | None
    asked_at: datetime | None
    record: RecordDetail | None


def run(
    console: Console,
    who: Principal,
    at: AsOf,
    job_id: int,
    *,
    key: str,
    is_confirmed: bool,
    traceparent: str | None = None,
) -> Uuid:
    """Send a manual trigger of a job; its id, the same for the same person, job and key.

    Asked again it is sent again, and runs once: the worker recognises it. Raises a refusal for a
    job that one may not see, that is switched off (unless confirmed) or was run too often, and
    `BrokersAway` when they do not have it: then the same may be asked again.
    """
    wait_s = console.run_limit.take(who.login)
    if wait_s:
        raise problems.too_many(wait_s)
    with console.pool.transaction() as connection:
        trigger_id = run_id(who.login, job_id, key, replay_notes.secret(connection))
        job = get_visible_job(connection, who, at, job_id)
        if not job.is_enabled and not is_confirmed:
            raise refusals.is_off()
        changes.advisory_lock(connection, f"run {trigger_id}")
        if changes.find_run(connection, trigger_id, object_id=str(job_id)) is None:
            changes.write(
                connection,
                login=who.login,
                object_kind="job",
                object_id=str(job_id),
                action="run",
                after={"trigger_id": trigger_id},
            )
        note = replay_notes.write_note(connection, who.login, 1)
    trigger = JobTrigger.model_validate(
        {
            "trigger_id": trigger_id,
            "job_id": str(job_id),
            "fired_at": at.now,
            "kind": "manual",
            "triggered_by": who.login,
        }
    )
    console.sender.send([trigger], traceparent=trace_of(traceparent), note=note)
    return trigger_id


def follow(
    console: Console, who: Principal, at: AsOf, job_id: int, trigger_id: Uuid
) -> FollowedRun:
    """What became of a run; raises 'not found' where nobody asked for one that they may see."""
    scope = scope_of(who)
    key = trigger_key(TriggerKind.MANUAL, job_id, trigger_id)
    with console.pool.snapshot() as connection:
        row = executions.records_of_triggers(connection, scope, at, [key]).get(key)
        if row is None:
            get_visible_job(connection, who, at, job_id)
        asked = changes.find_run(connection, trigger_id, object_id=str(job_id))
        if row is None and asked is None:
            raise problems.not_found()
        record = executions.get_record(connection, scope, at, row.id) if row else None
    login, asked_at = (asked.login, asked.at) if asked else (None, None)
    return FollowedRun(trigger_id, login, asked_at, record)


def find(console: Console, who: Principal, at: AsOf, trigger_id: Uuid) -> FollowedRun:
    """What became of a trigger of any kind, by its id alone."""
    scope = scope_of(who)
    with console.pool.snapshot() as connection:
        rows = [
            row
            for each in (trigger_id, early_key(trigger_id))  # it may have been too early
            for row in executions.list_records(
                connection, scope, at, wanted=RecordFilter(trigger_id=UUID(each)), size=1
            ).rows
        ]
        record = executions.get_record(connection, scope, at, rows[0].id) if rows else None
        asked = changes.find_run(connection, trigger_id)
        if record is None:
            if asked is None:
                raise problems.not_found()
            get_visible_job(connection, who, at, int(asked.object_id))
    login, asked_at = (asked.login, asked.at) if asked else (None, None)
    return FollowedRun(trigger_id, login, asked_at, record)


def trace_of(header: str | None) -> str | None:
    """A `traceparent` header to pass on; None for an invalid one (W3C Trace Context)."""
    return header if header and _is_traceparent(header) else None
