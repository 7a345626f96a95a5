"""Execution records for tests of what people read, written as the worker leaves them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from tests.support.platform import Platform

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""The moment at which these tests look."""


class FrozenClock:
    """A clock that stands at `NOW`, unless a test turns it."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOW).total_seconds()


class FastClock(FrozenClock):
    """The same to look at, and a minute on whenever somebody waits: no rate limit is ever met."""

    def __init__(self) -> None:
        super().__init__()
        self._turns = 0

    def monotonic(self) -> float:
        self._turns += 1
        return self._turns * 60.0


class History:
    """Writes records; every method returns the record's id."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def failed(
        self,
        job_id: int,
        *findings: Mapping[str, Any],
        causes: Sequence[str] = ("server_not_found:server=7",),
        **columns: Any,
    ) -> int:
        """A trigger that failed preflight; by default server 7 is gone."""
        found = findings or (
            {
                "code": "server_not_found",
                "message": "Server 7 (10.0.0.7) does not exist.",
                "server_id": "7",
                "ip": "10.0.0.7",
            },
        )
        return self._write(
            job_id,
            {
                "trigger_status": 2,
                "trigger_code": found[0]["code"],
                "trigger_message": " ".join(each["message"] for each in found)[:1000],
                "findings": json.dumps(found),
                "causes": list(causes),
            }
            | columns,
        )

    def dispatched(self, job_id: int, run: str | None = None, **columns: Any) -> int:
        """A trigger that passed; `run` is the status of its execution, none by default."""
        message = columns.pop("run_message", None)
        execution_id = columns.setdefault("execution_id", str(uuid.uuid4()))
        record_id = self._write(job_id, {"trigger_status": 1} | columns)
        if run is not None:
            table = f"awp_{columns.get('job_type', 'action')}_execution"
            self.connection.execute(
                text(
                    f"insert into {table} (execution_id, status, message, accepted_at, started_at)"
                    " values (:execution_id, :status, :message, :at, :at)"
                ),
                {"execution_id": execution_id, "status": run, "message": message, "at": NOW},
            )
        return record_id

    def foreign(self, job_id: int, **columns: Any) -> int:
        """A row that the platform wrote without us (R11)."""
        names = {"job_id": job_id, "job_type": "action", "execution_id": str(uuid.uuid4())}
        return self._insert("awp_job_execution", names | columns)

    def _write(self, job_id: int, columns: dict[str, Any]) -> int:
        slot = columns.pop("slot", NOW - timedelta(minutes=5))
        row = {
            "job_id": job_id,
            "job_type": "action",
            "trigger_id": str(uuid.uuid4()),
            "trigger_kind": "schedule",
            "triggered_by": "common-job",
            "scheduled_at": slot,
            "fired_at": slot,
            "decided_at": slot + timedelta(seconds=1),
            "job_name": "log-backup",
            "owner_id": 1,
            "target_id": 1,
        } | columns
        row.setdefault("execution_id", str(uuid.uuid4()))
        row.setdefault("idempotency_key", row["execution_id"])
        record_id = self._insert("awp_job_execution", row)
        self.connection.execute(
            text(
                """
                update awp_automcation_job set trigger_status = :status, trigger_message = :message,
                    last_execution_id = :id, last_scheduled_at = :slot,
                    consecutive_failures =
                        case when :status = 2 then consecutive_failures + 1 else 0 end,
                    failing_since = case when :status = 2 then coalesce(failing_since, :slot) end
                where id = :job_id and :id = (
                    select id from awp_job_execution
                    where job_id = :job_id and trigger_kind is distinct from 'canary'
                      and trigger_code is distinct from 'too_early'
                    order by least(scheduled_at, decided_at) desc nulls last, id desc limit 1)
                """
            ),
            {
                "status": row["trigger_status"],
                "message": row.get("trigger_message"),
                "id": record_id,
                "slot": slot,
                "job_id": job_id,
            },
        )
        return record_id

    def _insert(self, table: str, row: dict[str, Any]) -> int:
        values = ", ".join(
            f"cast(:{name} as {_TYPES[name]})" if name in _TYPES else f":{name}" for name in row
        )
        statement = f"insert into {table} ({', '.join(row)}) values ({values}) returning id"
        return int(self.connection.execute(text(statement), row).scalar_one())


_TYPES = {
    "execution_id": "uuid",
    "trigger_id": "uuid",
    "idempotency_key": "uuid",
    "findings": "jsonb",
    "targets": "jsonb",
    "causes": "text[]",
}


@contextmanager
def writing(database: str) -> Iterator[tuple[Platform, History]]:
    """A platform and its history, committed at the end of the block."""
    engine = create_engine(database, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            yield Platform(connection), History(connection)
    finally:
        engine.dispose()


def change_job(database: str, job_id: int, **columns: Any) -> None:
    """Set columns of a job, as the platform does."""
    engine = create_engine(database, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            assignments = ", ".join(f"{name} = :{name}" for name in columns)
            connection.execute(
                text(f"update awp_automcation_job set {assignments} where id = :id"),
                {"id": job_id, **columns},
            )
    finally:
        engine.dispose()
