"""What an id names."""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import IdMatch, Kind, Scope
from job_trigger_worker.domain.trigger import MAX_ID, early_key
from job_trigger_worker.storage.read.record_selection import OF_EXECUTION, TRIGGER
from job_trigger_worker.storage.read.scope import may_see, viewer

_NUMBER = re.compile(r"[0-9]{1,19}")
_MOST = 20


def find(connection: Connection, scope: Scope, written: str) -> tuple[IdMatch, ...]:
    """Everything of that id that the viewer may see: a number names a job, a record or both.

    A uuid names an execution or a trigger. Anything else names nothing. A job that is gone is
    named as long as it has records.
    """
    if _NUMBER.fullmatch(written):
        return _of_number(connection, scope, int(written))
    try:
        uuid = str(UUID(written))
    except ValueError:
        return ()
    # What was too early stands under another id, because this one is its trigger's at its time.
    return _of_uuid(connection, scope, uuid) or _of_uuid(connection, scope, early_key(uuid))


def _of_number(connection: Connection, scope: Scope, number: int) -> tuple[IdMatch, ...]:
    if not 0 < number <= MAX_ID:
        return ()
    rows = connection.execute(
        text(
            f"""
            select '{Kind.JOB}' as kind, cast(:number as bigint) as job_id, null as record_id
            where (exists (select from console_job c where c.job_id = :number)
                   or exists (select from awp_job_execution r where r.job_id = :number))
              and {may_see(scope, "cast(:number as bigint)")}
            union all
            select '{Kind.RECORD}', r.job_id, r.id from awp_job_execution r
            where r.id = :number and {may_see(scope, "r.job_id")}
            """
        ),
        {"number": number, **viewer(scope)},
    )
    return tuple(IdMatch(Kind(row.kind), row.job_id, row.record_id) for row in rows)


def _of_uuid(connection: Connection, scope: Scope, uuid: str) -> tuple[IdMatch, ...]:
    rows = connection.execute(
        text(
            f"""
            select '{Kind.EXECUTION}' as kind, r.job_id, r.id from awp_job_execution r
            where {OF_EXECUTION} and {may_see(scope, "r.job_id")}
            union all
            (select '{Kind.TRIGGER}', r.job_id, r.id from awp_job_execution r
             where {TRIGGER} and r.idempotency_key <> cast(:trigger_id as uuid)
               and {may_see(scope, "r.job_id")} order by r.id desc limit {_MOST})
            """
        ),
        {"execution_id": uuid, "trigger_id": uuid, **viewer(scope)},
    )
    return tuple(IdMatch(Kind(row.kind), row.job_id, row.id) for row in rows)
