"""Execution records and their repeats (R2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, text

from job_trigger_worker.domain.inventory import Job
from job_trigger_worker.domain.record import FAILED, SUCCEEDED, Record
from job_trigger_worker.domain.trigger import Origin, Trigger, Uuid
from job_trigger_worker.domain.verdict import Verdict
from job_trigger_worker.storage.db.arrays import bigints, booleans, texts, timestamps, uuids
from job_trigger_worker.storage.db.prepared_statements import prepared
from job_trigger_worker.storage.write import reprojections
from job_trigger_worker.storage.write.projection import reproject

_INSERT = prepared(
    """
    insert into awp_job_execution (
        job_id, job_type, execution_id, trigger_id, idempotency_key, trigger_kind, triggered_by,
        triggered_by_verified, scheduled_at, fired_at, decided_at, trigger_status, trigger_code,
        trigger_message, findings, findings_omitted, causes, job_name, owner_id, target_id, targets,
        ledger_id, origin_offset, trace_id)
    select
        b.job_id, b.job_type, b.idempotency_key, b.trigger_id, b.idempotency_key, b.trigger_kind,
        b.triggered_by, b.triggered_by_verified, b.scheduled_at, b.fired_at,
        cast(:decided_at as timestamptz), b.status, b.code, b.message, b.findings,
        b.findings_omitted, cast(b.causes as text[]), b.job_name, b.owner_id, b.target_id,
        b.targets, b.ledger_id, b.origin_offset, b.trace_id
    from unnest(
        cast(:job_id as bigint[]), cast(:job_type as text[]),
        cast(:trigger_id as uuid[]), cast(:idempotency_key as uuid[]),
        cast(:trigger_kind as text[]), cast(:triggered_by as text[]),
        cast(:scheduled_at as timestamptz[]),
        cast(:fired_at as timestamptz[]), cast(:status as int[]), cast(:code as text[]),
        cast(:message as text[]), cast(:findings as jsonb[]),
        cast(:findings_omitted as int[]), cast(:causes as text[]),
        cast(:job_name as text[]), cast(:owner_id as bigint[]), cast(:target_id as bigint[]),
        cast(:targets as jsonb[]), cast(:ledger_id as int[]), cast(:origin_offset as bigint[]),
        cast(:trace_id as text[]), cast(:triggered_by_verified as boolean[])
    ) as b (job_id, job_type, trigger_id, idempotency_key, trigger_kind,
            triggered_by, scheduled_at, fired_at, status, code, message, findings,
            findings_omitted, causes, job_name, owner_id, target_id, targets, ledger_id,
            origin_offset, trace_id, triggered_by_verified)
    on conflict (idempotency_key) do nothing
    returning id, cast(idempotency_key as text)
    """
)
_COUNT_REPEATS = prepared(
    """
    update awp_job_execution r set duplicate_count = r.duplicate_count + b.repeats
    from unnest(cast(:key as uuid[]), cast(:repeats as int[])) as b (key, repeats)
    where r.idempotency_key = b.key
    """
)
_FAIL = text(
    """
    update awp_job_execution set
        trigger_status = 2, trigger_code = :code, trigger_message = :message,
        findings = cast(:findings as jsonb), causes = cast(:causes as text[])
    where idempotency_key = cast(:key as uuid) and trigger_status = 1
    returning job_id
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
        "status": bigints([SUCCEEDED if code is None else FAILED for code in record.code]),
        "code": texts(record.code),
        "message": texts(record.message),
        "findings": texts(record.findings),
        "findings_omitted": _omitted(record.verdict),
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


def _omitted(verdicts: Sequence[Verdict]) -> str:
    """How many findings were left out; an array that is too short goes on with nulls."""
    if not any(verdict.omitted for verdict in verdicts):
        return "{}"
    return bigints(verdict.omitted or None for verdict in verdicts)


def insert(connection: Connection, rows: Columns) -> dict[str, int]:
    """Write the records whose idempotency key is new.

    Returns the ids of the rows written, by that key, which is their `execution_id` too; a record
    that is not in it was sent before.
    """
    written = _INSERT.rows(connection, rows)
    return {key: record_id for record_id, key in written}


def _transposed(kind: Any, rows: Sequence[Any]) -> Any:
    """Named tuples of one kind as one of its columns, which is how they are sent."""
    return kind(*zip(*rows, strict=True))


_NO_JOB = (None,) * len(Job._fields)


def count_repeats(connection: Connection, repeats: Mapping[str, int]) -> None:
    """Raise `duplicate_count` of the records with these idempotency keys."""
    keys = sorted(repeats)
    _COUNT_REPEATS.count(
        connection,
        {
            "key": "{" + ",".join(keys) + "}",
            "repeats": bigints(repeats[key] for key in keys),
        },
    )


_idempotency_key = attrgetter("trigger.idempotency_key")


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

    `findings` is JSON text. Its job's columns follow.
    """
    values = {
        "key": execution_id,
        "code": code,
        "message": message,
        "findings": findings,
        "causes": texts(causes),
    }
    job_id = connection.execute(_FAIL, values).scalar_one_or_none()
    if job_id is not None:
        reprojections.note(connection, reproject(connection, [job_id]).locked)
