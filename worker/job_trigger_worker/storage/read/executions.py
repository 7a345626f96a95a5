"""Execution records: the history of a job or of all, and one record whole (R7, R8)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import (
    AsOf,
    Page,
    RecordDetail,
    RecordFilter,
    RecordRow,
    Scope,
)
from job_trigger_worker.storage.db.arrays import uuids
from job_trigger_worker.storage.read import paging, run_states
from job_trigger_worker.storage.read.record_selection import OF_EXECUTION, of_records
from job_trigger_worker.storage.read.records import NAME, NAMED, record
from job_trigger_worker.storage.read.run_states import RUN
from job_trigger_worker.storage.read.scope import may_see, viewer


def list_records(
    connection: Connection,
    scope: Scope,
    as_of: AsOf,
    *,
    wanted: RecordFilter | None = None,
    after: str | None = None,
    size: int = 50,
) -> Page[RecordRow]:
    """A page of records, the newest written first. Raises `UsageError` for a wrong `after`."""
    wanted = wanted or RecordFilter()
    below = None if after is None else paging.place("records", after, {"id": 0})["id"]
    stream = of_records(connection, scope, wanted, size=size)
    window = stream.window(connection, below) if stream.is_bounded else None
    conditions, values = stream.range(below, window)
    rows = connection.execute(
        text(
            f"""
            with page as (
                select r.id from {stream.source} r {RUN if stream.reads_runs else ""}
                where {stream.condition} and {conditions}
                order by r.id desc limit :size
            )
            select {NAMED} from page join awp_job_execution r on r.id = page.id {RUN} {NAME}
            order by r.id desc
            """
        ),
        {**stream.values, **values, **run_states.moment(as_of), "size": size + 1},
    )
    found = tuple(map(record, rows.mappings()))
    told = None if window is None else window.told
    if len(found) > size:
        return Page(found[:size], _cursor(found[size - 1].id), told)
    if window is not None and not window.is_complete:
        return Page(found, _cursor(window.floor), told)
    return Page(found, None, told)


def _cursor(record_id: int) -> str:
    return paging.cursor("records", {"id": record_id})


_DETAIL = f"""
    select {NAMED}, coalesce(r.owner_id, named.owner_id) as owner_id, r.target_id, r.findings,
        coalesce(r.findings_omitted, 0) as findings_omitted, r.causes as all_causes,
        r.targets, l.topic, l."partition", r.origin_offset, r.trace_id,
        (select p.id from awp_job_execution p where p.job_id = r.job_id and p.id < r.id
         order by p.id desc limit 1) as previous_id,
        (select n.id from awp_job_execution n where n.job_id = r.job_id and n.id > r.id
         order by n.id limit 1) as next_id,
        named.job_id is not null as has_job
    from awp_job_execution r {RUN}
    left join console_job named on named.job_id = r.job_id
    left join awp_trigger_ledger l on l.id = r.ledger_id
"""


def get_record(
    connection: Connection, scope: Scope, as_of: AsOf, record_id: int
) -> RecordDetail | None:
    """One record; None where there is none that the viewer may see."""
    return _detail(connection, scope, as_of, "r.id = :record_id", {"record_id": record_id})


def get_record_of_execution(
    connection: Connection, scope: Scope, as_of: AsOf, execution_id: UUID
) -> RecordDetail | None:
    """The record of an execution; None where there is none that the viewer may see."""
    values = {"execution_id": str(execution_id)}
    return _detail(connection, scope, as_of, OF_EXECUTION, values)


def _detail(
    connection: Connection,
    scope: Scope,
    as_of: AsOf,
    condition: str,
    wanted: Mapping[str, object],
) -> RecordDetail | None:
    statement = f"""
        {_DETAIL} where {condition} and {may_see(scope, "r.job_id")} order by r.id desc limit 1
    """
    values = {**wanted, **viewer(scope), **run_states.moment(as_of)}
    row = connection.execute(text(statement), values).mappings().one_or_none()
    if row is None:
        return None
    return RecordDetail(
        record=replace(record(row), causes=tuple(row["all_causes"] or ())),
        owner_id=row["owner_id"],
        target_id=row["target_id"],
        findings=_listed(row["findings"]),
        findings_omitted=row["findings_omitted"],
        targets=_listed(row["targets"]),
        topic=row["topic"],
        partition=row["partition"],
        offset=row["origin_offset"],
        trace_id=row["trace_id"],
        previous_id=row["previous_id"],
        next_id=row["next_id"],
        has_job=row["has_job"],
    )


def _listed(stored: Any) -> tuple[dict[str, Any], ...]:
    """Findings or targets as stored, without entries that are not objects."""
    if not isinstance(stored, list):
        return ()
    return tuple(entry for entry in stored if isinstance(entry, dict))


def records_of_triggers(
    connection: Connection, scope: Scope, as_of: AsOf, keys: Collection[str]
) -> dict[str, RecordRow]:
    """The records of triggers just sent, by idempotency key: for a page that follows them."""
    rows = connection.execute(
        text(
            f"""
            select cast(r.idempotency_key as text) as key, {NAMED}
            from awp_job_execution r {RUN} {NAME}
            where r.idempotency_key = any(cast(:keys as uuid[]))
              and {may_see(scope, "r.job_id")}
            """
        ),
        {"keys": uuids(keys), **viewer(scope), **run_states.moment(as_of)},
    )
    return {row["key"]: record(row) for row in rows.mappings()}
