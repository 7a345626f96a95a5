"""Execution records, their repeats, and what a job shows of its newest one (R2, R3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, text

from worker.domain.inventory import Job
from worker.domain.record import FAILED, SUCCEEDED, Record
from worker.domain.trigger import Origin, Trigger, TriggerKind, Uuid
from worker.storage.arrays import bigints, booleans, texts, timestamps, uuids
from worker.storage.prepared import every_batch

_INSERT = every_batch(
    """
    insert into awp_job_execution (
        job_id, job_type, execution_id, trigger_id, idempotency_key, trigger_kind, triggered_by,
        triggered_by_verified, scheduled_at, fired_at, decided_at, trigger_status, trigger_code,
        trigger_message, findings, causes, job_name, owner_id, target_id, targets, ledger_id,
        origin_offset, trace_id)
    select
        b.job_id, b.job_type, b.idempotency_key, b.trigger_id, b.idempotency_key, b.trigger_kind,
        b.triggered_by, b.triggered_by_verified, b.scheduled_at, b.fired_at,
        cast(:decided_at as timestamptz), b.status, b.code, b.message, b.findings,
        cast(b.causes as text[]), b.job_name, b.owner_id, b.target_id, b.targets, b.ledger_id,
        b.origin_offset, b.trace_id
    from unnest(
        cast(:job_id as bigint[]), cast(:job_type as text[]),
        cast(:trigger_id as uuid[]), cast(:idempotency_key as uuid[]),
        cast(:trigger_kind as text[]), cast(:triggered_by as text[]),
        cast(:scheduled_at as timestamptz[]),
        cast(:fired_at as timestamptz[]), cast(:status as int[]), cast(:code as text[]),
        cast(:message as text[]), cast(:findings as jsonb[]), cast(:causes as text[]),
        cast(:job_name as text[]), cast(:owner_id as bigint[]), cast(:target_id as bigint[]),
        cast(:targets as jsonb[]), cast(:ledger_id as int[]), cast(:origin_offset as bigint[]),
        cast(:trace_id as text[]), cast(:triggered_by_verified as boolean[])
    ) as b (job_id, job_type, trigger_id, idempotency_key, trigger_kind,
            triggered_by, scheduled_at, fired_at, status, code, message, findings, causes,
            job_name, owner_id, target_id, targets, ledger_id, origin_offset, trace_id,
            triggered_by_verified)
    on conflict (idempotency_key) do nothing
    returning id, cast(idempotency_key as text)
    """
)
_COUNT_REPEATS = every_batch(
    """
    update awp_job_execution r set duplicate_count = r.duplicate_count + b.repeats
    from unnest(cast(:key as uuid[]), cast(:repeats as int[])) as b (key, repeats)
    where r.idempotency_key = b.key
    """
)
_PROJECT = every_batch(
    """
    update awp_automcation_job j set
        trigger_status = b.status,
        trigger_message = b.message,
        last_execution_id = b.record_id,
        last_scheduled_at = b.scheduled_at,
        consecutive_failures = case when b.status = 1 then 0 else (
            select count(*) from unnest(cast(b.failing as timestamptz[])) s
            where j.last_scheduled_at is null or s >= j.last_scheduled_at
        ) + case when b.succeeded_at >= j.last_scheduled_at then 0
            else j.consecutive_failures end end,
        failing_since = case when b.status = 1 then null
            when j.failing_since is null or b.succeeded_at >= j.last_scheduled_at then (
                select min(s) from unnest(cast(b.failing as timestamptz[])) s
                where j.last_scheduled_at is null or s >= j.last_scheduled_at)
            else j.failing_since end
    from unnest(
        cast(:job_id as bigint[]), cast(:record_id as bigint[]),
        cast(:scheduled_at as timestamptz[]), cast(:status as int[]), cast(:message as text[]),
        cast(:failing as text[]), cast(:succeeded_at as timestamptz[])
    ) as b (job_id, record_id, scheduled_at, status, message, failing, succeeded_at)
    where j.id = b.job_id
      and (j.last_scheduled_at is null
           or (j.last_scheduled_at, j.last_execution_id) < (b.scheduled_at, b.record_id))
    """
)
_FAIL = text(
    """
    update awp_job_execution set
        trigger_status = 2, trigger_code = :code, trigger_message = :message,
        findings = cast(:findings as jsonb), causes = cast(:causes as text[])
    where idempotency_key = cast(:key as uuid) and trigger_status = 1
    returning id
    """
)
_FAIL_JOB = text(
    """
    update awp_automcation_job set
        trigger_status = 2, trigger_message = :message,
        consecutive_failures = consecutive_failures + 1,
        failing_since = coalesce(failing_since, last_scheduled_at)
    where last_execution_id = :record_id
    """
)


Columns = dict[str, object]
"""Records as they are sent: a literal a column."""


def columns(records: Sequence[Record]) -> Columns:
    """What `insert` sends of these records, at least one, in the order of their keys.

    No two of them may have the same key.
    """
    rows = sorted(records, key=_idempotency_key)
    record = _transposed(Record, rows)
    trigger = _transposed(Trigger, record.trigger)
    origin = _transposed(Origin, trigger.origin)
    job = _transposed(Job, [verdict.job or _NO_JOB for verdict in record.verdict])
    return {
        "decided_at": rows[0].decided_at,
        "job_id": bigints(trigger.job_id),
        "job_type": texts(job.job_type),
        "trigger_id": uuids(trigger.trigger_id),
        "idempotency_key": uuids(trigger.idempotency_key),
        "trigger_kind": texts(trigger.kind),
        "triggered_by": texts(trigger.triggered_by),
        "scheduled_at": timestamps(trigger.scheduled_at),
        "fired_at": timestamps(trigger.fired_at),
        "status": bigints(row.status for row in rows),
        "code": texts(record.code),
        "message": texts(record.message),
        "findings": texts(record.findings),
        "causes": texts(None if causes is None else texts(causes) for causes in record.causes),
        "job_name": texts(job.name),
        "owner_id": bigints(job.owner_id),
        "target_id": bigints(job.target_id),
        "targets": texts(record.targets),
        "ledger_id": bigints(origin.ledger_id),
        "origin_offset": bigints(origin.offset),
        "trace_id": texts(trigger.trace_id),
        # A column that is shorter than the others goes on with nulls.
        "triggered_by_verified": booleans(trigger.triggered_by_verified)
        if any(verified is not None for verified in trigger.triggered_by_verified)
        else "{}",
    }


def insert(connection: Connection, rows: Columns) -> dict[str, int]:
    """Write those records whose idempotency key is new.

    Returns the ids of the rows written, by that key, which is their `execution_id` too; a record
    that is not in it was sent before.
    """
    written = _INSERT.rows(connection, rows)
    return {key: record_id for record_id, key in written}


def _transposed(kind: Any, rows: Sequence[Any]) -> Any:
    """Named tuples of one kind as one of its columns, which is how they are sent."""
    return kind(*zip(*rows, strict=True))


_NO_JOB = (None,) * len(Job._fields)


def count_repeats(connection: Connection, repeats: Counter[str]) -> None:
    """Raise `duplicate_count` of the records with these idempotency keys."""
    keys = sorted(repeats)
    _COUNT_REPEATS.count(
        connection,
        {
            "key": "{" + ",".join(keys) + "}",
            "repeats": bigints(repeats[key] for key in keys),
        },
    )


def project(connection: Connection, records: Sequence[Record], ids: Mapping[str, int]) -> None:
    """Show on each job its newest record, if that is newer than what the job shows (R3).

    Newest is the greatest (`scheduled_at`, record id). An older slot that arrives late changes
    nothing, a canary never counts. `ids` is what `insert` returned for `records`.
    """
    by_job: dict[int, list[tuple[Record, int]]] = {}
    for record in records:
        record_id = ids.get(record.trigger.idempotency_key)
        if record_id is not None and record.trigger.kind is not TriggerKind.CANARY:
            by_job.setdefault(record.trigger.job_id, []).append((record, record_id))
    if not by_job:
        return
    newest: list[tuple[Record, int]] = []
    failing: list[str] = []
    succeeded_at: list[datetime | None] = []
    jobs = sorted(by_job)
    for job_id in jobs:
        history = by_job[job_id]
        if len(history) > 1:
            history.sort(key=_slot)
        newest.append(history[-1])
        if history[-1][0].status == SUCCEEDED:
            failing.append("{}")
            succeeded_at.append(None)
            continue
        last_good = next((r for r, _ in reversed(history) if r.status == SUCCEEDED), None)
        run: list[Record] = []
        for record, _ in reversed(history):
            if record.status != FAILED:
                break
            run.append(record)
        failing.append(timestamps(record.trigger.scheduled_at for record in run))
        succeeded_at.append(None if last_good is None else last_good.trigger.scheduled_at)
    _PROJECT.count(
        connection,
        {
            "job_id": bigints(jobs),
            "record_id": bigints(record_id for _, record_id in newest),
            "scheduled_at": timestamps(record.trigger.scheduled_at for record, _ in newest),
            "status": bigints(record.status for record, _ in newest),
            "message": texts(record.message for record, _ in newest),
            "failing": texts(failing),
            "succeeded_at": timestamps(succeeded_at),
        },
    )


_idempotency_key = attrgetter("trigger.idempotency_key")


def _slot(entry: tuple[Record, int]) -> tuple[object, int]:
    record, record_id = entry
    return (record.trigger.scheduled_at, record_id)


def fail(
    connection: Connection,
    execution_id: Uuid,
    *,
    code: str,
    message: str,
    findings: str,
    causes: Sequence[str],
) -> None:
    """Turn a dispatched record into a failed one: no broker would take its dispatch.

    `findings` is JSON text. The job follows if this is still its newest record.
    """
    values = {
        "key": execution_id,
        "code": code,
        "message": message,
        "findings": findings,
        "causes": texts(causes),
    }
    record_id = connection.execute(_FAIL, values).scalar_one_or_none()
    if record_id is not None:
        connection.execute(_FAIL_JOB, {"message": message, "record_id": record_id})
