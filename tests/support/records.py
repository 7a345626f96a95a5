"""Records and runs for tests of what is read: written by SQL, and projected as the worker does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import AsOf

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""The moment that tests look from."""

AS_OF = AsOf(NOON)


def before(minutes: float) -> datetime:
    """A moment so many minutes before noon."""
    return NOON - timedelta(minutes=minutes)


class History:
    """Writes records; every method returns the record's id. The caller commits."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def passed(self, job_id: int, slot: datetime | None, **columns: Any) -> int:
        """A dispatched trigger."""
        return self.record(job_id, slot, status=1, **columns)

    def failed(
        self,
        job_id: int,
        slot: datetime | None,
        *causes: str,
        code: str | None = None,
        message: str = "Server 7 (10.0.0.7, db-07) does not exist.",
        **columns: Any,
    ) -> int:
        """A trigger that failed preflight, by default because server 7 is gone."""
        causes = causes or ("server_not_found:server=7",)
        code = code or causes[0].split(":")[0]
        findings = [{"code": code, "message": message, "server_id": "7"}]
        return self.record(
            job_id,
            slot,
            status=2,
            trigger_code=code,
            trigger_message=message,
            causes=list(causes),
            **({"findings": json.dumps(findings)} | columns),
        )

    def without_us(self, job_id: int, **columns: Any) -> int:
        """A row that the platform wrote itself (R11)."""
        return self.insert(job_id=job_id, **{"job_type": "action"} | columns)

    def record(
        self,
        job_id: int,
        slot: datetime | None,
        *,
        status: int | None,
        decided_at: datetime | None = None,
        is_projected: bool = True,
        **columns: Any,
    ) -> int:
        """A record of ours, and the job as it shows it."""
        given = {
            "job_type": "action",
            "trigger_kind": "schedule",
            "job_name": f"job {job_id}",
        } | columns
        given.setdefault("execution_id", str(uuid4()))
        given.setdefault("idempotency_key", given["execution_id"])
        given.setdefault("trigger_id", given["idempotency_key"])
        record_id = self.insert(
            job_id=job_id,
            trigger_status=status,
            scheduled_at=slot,
            fired_at=slot,
            decided_at=decided_at or slot,
            **given,
        )
        if is_projected and given["trigger_kind"] != "canary":
            self._project(job_id, record_id, slot, status, columns.get("trigger_message"))
        return record_id

    def insert(self, **columns: Any) -> int:
        """A row as it is given."""
        names = ", ".join(columns)
        values = ", ".join(f":{name}" for name in columns)
        statement = f"insert into awp_job_execution ({names}) values ({values}) returning id"
        return int(self.connection.execute(text(statement), columns).scalar_one())

    def run(self, record_id: int, status: str | None, *, table: str = "action") -> None:
        """What the action or orch service tells of a record's run."""
        self.connection.execute(
            text(
                f"""
                insert into awp_{table}_execution (execution_id, status, started_at)
                select execution_id, :status, decided_at from awp_job_execution where id = :id
                """
            ),
            {"status": status, "id": record_id},
        )

    def _project(
        self,
        job_id: int,
        record_id: int,
        slot: datetime | None,
        status: int | None,
        message: str | None,
    ) -> None:
        self.connection.execute(
            text(
                """
                update awp_automcation_job set trigger_status = :status, trigger_message = :message,
                    last_execution_id = :record_id, last_scheduled_at = :slot,
                    consecutive_failures = case when :status = 2
                        then consecutive_failures + 1 else 0 end,
                    failing_since = case when :status = 2
                        then coalesce(failing_since, :slot) end
                where id = :job_id and :record_id = (
                    select id from awp_job_execution
                    where job_id = :job_id and trigger_kind is distinct from 'canary'
                      and trigger_code is distinct from 'too_early'
                    order by least(scheduled_at, decided_at) desc nulls last, id desc limit 1)
                """
            ),
            {
                "job_id": job_id,
                "record_id": record_id,
                "slot": slot,
                "status": status,
                "message": message,
            },
        )
