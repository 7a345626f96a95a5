"""Rows of records as values, and the columns that they are made of."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import RowMapping

from job_trigger_worker.domain.read_models import (
    MOST_CAUSES_LISTED,
    NO_FINDINGS,
    Findings,
    RecordRow,
    Run,
    Status,
)
from job_trigger_worker.storage.read.run_states import STATUS

_FIRST = 3


def first_findings(record: str) -> str:
    """Columns of the first findings of a failed record, and how many it has."""
    has_some = f"{record}.trigger_status = 2 and jsonb_typeof({record}.findings) = 'array'"
    return f"""
    case when {has_some} then jsonb_path_query_array({record}.findings, '$[0 to {_FIRST - 1}]') end
        as first_findings,
    case when {has_some} then
        jsonb_array_length({record}.findings) + coalesce({record}.findings_omitted, 0)
    end as finding_count
    """


COLUMNS = f"""
    r.id, r.job_id, r.job_name, r.job_type, {STATUS} as status, r.trigger_status,
    r.trigger_code as code, nullif(r.trigger_message, '') as message,
    r.causes[1:{MOST_CAUSES_LISTED}] as causes,
    r.trigger_kind as kind, r.triggered_by, r.triggered_by_verified,
    cast(r.execution_id as text) as execution_id, cast(r.trigger_id as text) as trigger_id,
    r.scheduled_at, r.fired_at, r.decided_at, r.duplicate_count, e.status as run_status,
    e.message as run_message, e.accepted_at, e.started_at, e.ended_at,
    e.platform_url as run_url, {first_findings("r")},
    case when e.status is not null then (
        select jsonb_build_array(c.ends, c.status) from awp_execution_contradiction c
        where c.execution_id = r.execution_id) end as other_ends
"""
"""Of a record `r` with its run `e`; reads the parameters of `run_states.moment`."""

NAMED = f"""
    {COLUMNS.replace("r.job_name,", "coalesce(r.job_name, cast(named.name as text)) as job_name,")}
"""
"""The same, with the job's present name for a record that has none; joined by `NAME`."""

NAME = """
    left join console_job named on r.job_name is null and named.job_id = r.job_id
"""


def record(row: RowMapping) -> RecordRow:
    """A record from its columns."""
    return RecordRow(
        id=row["id"],
        job_id=row["job_id"],
        job_name=row["job_name"],
        job_type=row["job_type"],
        status=Status(row["status"]),
        trigger_status=row["trigger_status"],
        code=row["code"],
        message=row["message"],
        causes=tuple(row["causes"] or ()),
        kind=row["kind"],
        triggered_by=row["triggered_by"],
        execution_id=_uuid(row["execution_id"]),
        trigger_id=_uuid(row["trigger_id"]),
        scheduled_at=row["scheduled_at"],
        fired_at=row["fired_at"],
        decided_at=row["decided_at"],
        duplicate_count=row["duplicate_count"],
        run=_run(row),
        findings=findings_of(row),
        triggered_by_verified=row["triggered_by_verified"],
    )


def findings_of(row: RowMapping) -> Findings:
    """What the columns of `first_findings` say."""
    findings = tuple(each for each in row["first_findings"] or () if isinstance(each, dict))
    return Findings(findings, row["finding_count"]) if findings else NO_FINDINGS


def _uuid(written: str | None) -> UUID | None:
    return None if written is None else UUID(written)


def _run(row: RowMapping) -> Run | None:
    """The joined run; None where there is none, which has no status and no times."""
    told = (row["run_status"], row["run_message"], row["accepted_at"], row["started_at"])
    if all(value is None for value in (*told, row["ended_at"])):
        return None
    return Run(*told, row["ended_at"], row["run_url"], *(row["other_ends"] or (0, None)))
