"""`trigger-worker show ID`: whatever an id names, whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.text import Text
from sqlalchemy import Connection

from job_trigger_worker.commands.common import at, plain, sender, session, status, words
from job_trigger_worker.commands.output import as_json, finish, noted
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.domain.read_models import (
    EVERYTHING,
    AsOf,
    IdMatch,
    JobListRow,
    Kind,
    Outcome,
    RecordDetail,
)
from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.read import executions, jobs
from job_trigger_worker.storage.read.id_lookup import find


@click.command("show")
@click.argument("written", metavar="ID")
@as_json
def command(*, written: str, as_json: bool) -> None:
    """Show what ID names: a job, a record, a trigger or an execution.

    A number can name a job and a record: then both are shown. Exit status 1 when it names nothing.
    """
    with session() as (connection, as_of):
        found = find(connection, EVERYTHING, written.strip())
        shown = [_read(connection, as_of, named) for named in found]
    if not shown and not as_json:
        raise FatalError(f"No job, record, trigger or execution has the id {words(written).plain}.")
    finish(
        {"id": written, "found": [_told(named, what) for named, what in shown]},
        as_json=as_json,
        show=lambda out: _show(out, shown),
        is_good=bool(shown),
    )


_What = tuple[JobListRow | None, Sequence[Outcome]] | RecordDetail | None


def _read(connection: Connection, as_of: AsOf, named: IdMatch) -> tuple[IdMatch, _What]:
    """What is known of a job (None of one that is gone), or a record."""
    if named.record_id is not None:
        return named, executions.get_record(connection, EVERYTHING, as_of, named.record_id)
    outcomes = jobs.last_outcomes(connection, EVERYTHING, as_of, [named.job_id])
    job = jobs.get_job(connection, EVERYTHING, as_of, named.job_id)
    return named, (job, outcomes.get(named.job_id, ()))


def _told(named: IdMatch, what: _What) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": str(named.kind), "job_id": str(named.job_id)}
    if isinstance(what, tuple):
        return {**told, "job": plain(what[0]), "last_outcomes": plain(tuple(what[1]))}
    return {**told, "record": plain(what)}


def _show(out: Console, shown: Sequence[tuple[IdMatch, _What]]) -> None:
    for place, (named, what) in enumerate(shown):
        if place:
            out.print()
        if isinstance(what, tuple):
            _show_job(out, named, *what)
        elif what is not None:
            _show_record(out, named, what)


def _say(out: Console, name: str, said: Text | str | None) -> None:
    if said:
        text = said if isinstance(said, Text) else words(said)
        out.print(Text(f"{name:<12} ").append_text(text), soft_wrap=True)


def _show_job(
    out: Console, named: IdMatch, job: JobListRow | None, outcomes: Sequence[Outcome]
) -> None:
    if job is None:
        _say(out, "job", f"{named.job_id}, which is gone; `history {named.job_id}` has its records")
        return
    _say(out, "job", noted(f"{job.id} {job.name or ''}".rstrip(), job.job_type))
    _say(out, "status", status(job.status))
    if job.newest is not None:
        _say(out, "message", job.newest.message)
        _say(out, "record", str(job.newest.id))
    if job.failing_since is not None:
        _say(out, "failing", f"{job.consecutive_failures} in a row since {at(job.failing_since)}")
    _say(out, "last success", at(job.last_success_at))
    _say(out, "last slot", at(job.last_scheduled_at))
    _say(out, "schedule", f"{job.schedule} {job.timezone or 'UTC'}" if job.schedule else "none")
    _say(out, "enabled", "yes" if job.is_enabled else "no")
    _say(out, "owner", noted(job.owner_name or "unknown", job.owner_id))
    _say(out, "automation", noted(job.automation_name or "unknown", job.target_id))
    _say(out, "last ones", " ".join(str(outcome.status) for outcome in outcomes))


def _show_record(out: Console, named: IdMatch, detail: RecordDetail) -> None:
    record = detail.record
    by = f", by {sender(record)}" if record.triggered_by else ""
    gone = "" if detail.has_job else ", which is gone"
    if named.kind is not Kind.RECORD:
        _say(out, str(named.kind), "of this record")
    _say(out, "record", str(record.id))
    _say(out, "job", f"{record.job_id} {record.job_name or ''}{gone}")
    _say(out, "status", status(record.status))
    for finding in detail.findings:
        _say(out, "finding", str(finding.get("message", "")))
    if detail.findings_omitted:
        _say(out, "finding", f"and {detail.findings_omitted:,} more")
    if not detail.findings:
        _say(out, "message", record.message)
    _say(out, "kind", f"{record.kind}{by}" if record.kind else None)
    _say(out, "slot", at(record.scheduled_at))
    _say(out, "decided", at(record.decided_at))
    if record.run is not None:
        _say(out, "run", record.run.message or record.run.status)
        _say(out, "accepted", at(record.run.accepted_at))
        _say(out, "started", at(record.run.started_at))
        _say(out, "ended", at(record.run.ended_at))
        if record.run.other_ends:
            ends = pluralize(record.run.other_ends, "other end")
            _say(out, "contradicted", f"{ends} told, the last: {record.run.other_end}")
    _say(out, "repeats", str(record.duplicate_count or ""))
    _say(out, "trigger", str(record.trigger_id or ""))
    _say(out, "execution", str(record.execution_id or ""))
    if detail.topic is not None:
        _say(out, "origin", f"{detail.topic} {detail.partition} {detail.offset}")
    _say(out, "trace", detail.trace_id)
    _say(out, "before", str(detail.previous_id or ""))
    _say(out, "after", str(detail.next_id or ""))
