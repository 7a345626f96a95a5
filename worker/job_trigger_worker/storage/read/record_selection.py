"""Which records a list goes through, by what its viewer may see and its filter means.

A filter that an index serves is part of the stream; any other is asked of each record of a window.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import EVERYTHING, JobFilter, RecordFilter, Scope, Status
from job_trigger_worker.domain.trigger import MAX_ID
from job_trigger_worker.storage.db.arrays import bigints
from job_trigger_worker.storage.read.record_scan import OrderedRecordScan
from job_trigger_worker.storage.read.run_states import STATUS
from job_trigger_worker.storage.read.scope import (
    FEW,
    SOME,
    escaped,
    few_jobs,
    may_see,
    narrows,
    viewer,
    where_scanned,
)

RARE = 2_000
"""Records that are sorted at once; of more, the newest are gone through."""

_GLANCED = 1_000

_ABOUT = 10_000
"""Records within which ids and times of decision may differ in order: transactions overlap."""

OF_EXECUTION = """
    (r.idempotency_key = cast(:execution_id as uuid)
     or r.execution_id = cast(:execution_id as uuid) and r.idempotency_key is null)
"""
"""A condition: record `r` is of the execution `execution_id`. An index serves our rows, another one
those that the platform wrote itself."""

TRIGGER = """
    r.id in (
        select t.id from awp_job_execution t where t.idempotency_key = cast(:trigger_id as uuid)
          and t.trigger_id = t.idempotency_key
        union all
        select t.id from awp_job_execution t where t.trigger_id = cast(:trigger_id as uuid)
          and t.trigger_id <> t.idempotency_key)
"""
"""A condition: record `r` is of the trigger `trigger_id`; two indexes serve it."""


def of_records(
    connection: Connection, scope: Scope, wanted: RecordFilter, *, size: int
) -> OrderedRecordScan:
    """The stream of a list. At most two statements, to see how much a filter leaves."""
    parts = _Parts()
    _add_outcome(connection, wanted, parts)
    _add_fields(wanted, parts)
    job_ids = _add_jobs(connection, scope, wanted, parts)
    reads_runs = wanted.status not in {None, Status.TRIGGER_FAILED}
    if reads_runs:
        parts.rest.append(f"{STATUS} = :status")
        parts.values["status"] = str(wanted.status)
    return OrderedRecordScan(
        base=" and ".join(parts.base),
        condition=" and ".join([*parts.base, *parts.rest]),
        values=parts.values,
        is_bounded=bool(parts.rest),
        reads_runs=reads_runs,
        asks_jobs=wanted.job_id is None and "job_ids" not in parts.values and _asks(scope, wanted),
        is_wide=reads_runs or wanted.kind is not None or bool(wanted.text),
        job_ids=job_ids,
        size=size,
    )


def _asks(scope: Scope, wanted: RecordFilter) -> bool:
    return narrows(scope, replace(wanted.job, job_type=None))


class _Parts:
    """A condition as it grows: what an index serves, what is asked of each record, parameters."""

    def __init__(self) -> None:
        self.base = ["true"]
        self.rest: list[str] = []
        self.values: dict[str, Any] = {}


def _add_outcome(connection: Connection, wanted: RecordFilter, parts: _Parts) -> None:
    """Failed triggers, by code and by cause."""
    if wanted.status is Status.TRIGGER_FAILED:
        parts.base.append("r.trigger_status = 2")
    if wanted.code:
        parts.base.append("r.trigger_status = 2 and r.trigger_code = :code")
        parts.values["code"] = wanted.code
    if wanted.cause:
        has = "trigger_status = 2 and {}.causes @> array[cast(:cause as text)]"
        parts.values["cause"] = wanted.cause
        parts.base.append("r.trigger_status = 2")
        if wanted.job_id is None and _is_rare(connection, wanted.cause):
            hits = f"select f.id from awp_job_execution f where f.{has.format('f')}"
            parts.base.append(f"r.id in ({hits})")
        else:
            parts.rest.append(f"r.{has.format('r')}")


def _add_fields(wanted: RecordFilter, parts: _Parts) -> None:
    """What a record says of itself."""
    if wanted.since is not None or wanted.until is not None:
        parts.base.append(_times(wanted, parts.values))
    if wanted.trigger_id is not None:
        parts.base.append(TRIGGER)
        parts.values["trigger_id"] = str(wanted.trigger_id)
    if wanted.kind is not None:
        parts.rest.append("r.trigger_kind = :kind")
        parts.values["kind"] = wanted.kind
    if wanted.job.job_type is not None:
        parts.rest.append("r.job_type = :record_type")
        parts.values["record_type"] = wanted.job.job_type
    if wanted.text:
        parts.rest.append(
            "(r.job_name ilike :pattern or r.trigger_message ilike :pattern"
            " or cast(r.job_id as text) = :text)"
        )
        parts.values |= {"pattern": f"%{escaped(wanted.text)}%", "text": wanted.text}


def _add_jobs(
    connection: Connection, scope: Scope, wanted: RecordFilter, parts: _Parts
) -> tuple[int, ...] | None:
    """Whose records: those of one job, of a few that are returned, or of all that may be seen."""
    of_jobs = replace(wanted.job, job_type=None)
    if wanted.job_id is not None:
        seen = may_see(scope, "cast(:of_job as bigint)")
        parts.base.append(f"r.job_id = :of_job and {seen}")
        parts.values |= {"of_job": wanted.job_id, **viewer(scope)}
        if narrows(EVERYTHING, of_jobs):
            parts.rest.append(_of_jobs(EVERYTHING, of_jobs, parts.values))
        return None
    if not narrows(scope, of_jobs):
        return None
    some = few_jobs(connection, scope, of_jobs, SOME)
    if some is None:
        parts.rest.append(_of_jobs(scope, of_jobs, parts.values))
        return None
    parts.rest.append("r.job_id = any(cast(:job_ids as bigint[]))")
    parts.values["job_ids"] = bigints(some)
    return tuple(some) if len(some) <= FEW else None


def _of_jobs(scope: Scope, wanted: JobFilter, values: dict[str, Any]) -> str:
    """A condition: the record's job may be seen and is meant."""
    if not narrows(EVERYTHING, wanted):
        values |= viewer(scope)
        return may_see(scope, "r.job_id")
    condition, more = where_scanned(scope, wanted)
    values |= more
    return f"exists (select from console_job c where c.job_id = r.job_id and {condition} offset 0)"


def _times(wanted: RecordFilter, values: dict[str, Any]) -> str:
    """A condition by times of decision, and by the ids that they reach over, for the index."""
    conditions = []
    if wanted.since is not None:
        values["since"] = wanted.since
        conditions.append(f"r.id >= {_first(':since')}")
        conditions.append("(r.decided_at is null or r.decided_at >= :since)")
    if wanted.until is not None:
        values["until"] = wanted.until
        conditions.append(f"""r.id <= greatest({_first(":until")}, (
            select max(near.id) from (
                select b.id from awp_job_execution b where b.decided_at < :until
                order by b.decided_at desc limit {_ABOUT}) as near))""")
        conditions.append(
            f"(r.decided_at < :until or r.decided_at is null and r.id < {_first(':until')})"
        )
    return " and ".join(conditions)


def _first(moment: str) -> str:
    """SQL of the smallest id of a record decided at that moment or later."""
    return f"""(
        select coalesce(min(near.id), {MAX_ID}) from (
            select b.id from awp_job_execution b where b.decided_at >= {moment}
            order by b.decided_at limit {_ABOUT}) as near)"""


COMMON = f"""
    (select count(*) = {_GLANCED}
        and count(*) filter (where causes @> array[cast(:cause as text)]) > {_GLANCED // 10}
     from (select n.causes from awp_job_execution n where n.trigger_status = 2
           order by n.id desc limit {_GLANCED}) as newest)
"""
"""SQL: the newest failures show that a cause is not rare. The index of causes reads all of one."""


def _is_rare(connection: Connection, cause: str) -> bool:
    found = connection.execute(
        text(
            f"""
            select case when {COMMON} then false else (
                select count(*) from (
                    select from awp_job_execution r where r.trigger_status = 2
                      and r.causes @> array[cast(:cause as text)] limit {RARE + 1}) as hits
            ) <= {RARE} end
            """
        ),
        {"cause": cause},
    )
    return bool(found.scalar_one())
