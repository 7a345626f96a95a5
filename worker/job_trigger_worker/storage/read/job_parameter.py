"""What a job was saved with, for one page: quick, and without delaying the rest of the page."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text

from job_trigger_worker.storage.platform.inventory import select_jobs

_LIMIT = text("select set_config('statement_timeout', cast(:limit_ms as text), true)")
_TARGETS = text(
    """
    select cast(node_id as text), cast(server_id as bigint), cast(account as text)
    from console_job_target where job_id = :job_id limit :most
    """
)


class SavedTarget(NamedTuple):
    """A row of `console_job_target`."""

    node_id: str | None
    server_id: int | None
    account: str | None


def limit_statements(connection: Connection, limit_ms: int) -> None:
    """Let no statement of this transaction take longer; the next transaction has its own limit."""
    connection.execute(_LIMIT, {"limit_ms": limit_ms})


def read_parameter(connection: Connection, job_id: int) -> str | None:
    """The parameter as saved, as JSON text; None where there is none, or no job."""
    job = select_jobs(connection, [job_id]).get(job_id)
    return None if job is None else job.parameter


def read_targets(connection: Connection, job_id: int, *, most: int) -> tuple[SavedTarget, ...]:
    """The targets as the platform lists them, where the parameter itself cannot be read."""
    rows = connection.execute(_TARGETS, {"job_id": job_id, "most": most})
    return tuple(SavedTarget(*row) for row in rows)
