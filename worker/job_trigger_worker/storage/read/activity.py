"""What happened lately, for people who watch: the newest failures, and outcomes by code."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from job_trigger_worker.storage.db.arrays import bigints

_LATEST = text(
    """
    select decided_at, job_id, coalesce(job_name, '') as job_name, trigger_code as code,
        coalesce(trigger_message, '') as message
    from awp_job_execution where trigger_status = 2
    order by id desc limit :count
    """
)
_BY_CODE = text(
    """
    select trigger_code, count(*) as triggers
    from awp_job_execution
    where ledger_id = any(cast(:ledger_ids as int[])) and trigger_status = 2
    group by trigger_code order by triggers desc, trigger_code
    """
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A trigger that failed. `decided_at` is aware UTC; `job_name` is empty for an unknown job."""

    decided_at: datetime
    job_id: int
    job_name: str
    code: str
    message: str


def latest_failures(connection: Connection, count: int) -> list[Failure]:
    """The newest failed triggers, newest first."""
    return [Failure(*row) for row in connection.execute(_LATEST, {"count": count})]


def failures_by_code(connection: Connection, ledger_ids: Collection[int]) -> dict[str, int]:
    """How many triggers of these ledger rows failed, by code, the most frequent first."""
    found = connection.execute(_BY_CODE, {"ledger_ids": bigints(ledger_ids)})
    return {row.trigger_code: row.triggers for row in found}
