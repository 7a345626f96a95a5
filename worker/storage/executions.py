"""Where dispatched runs stand: the histories of the action and orch services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from worker.storage.arrays import texts, timestamps
from worker.storage.prepared import Prepared, every_batch


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of one run: its furthest status, and when it got where."""

    execution_id: str
    status: str
    message: str | None
    accepted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


def _upsert(table: str) -> Prepared:
    return every_batch(
        f"""
        insert into {table} as e
            (execution_id, status, message, accepted_at, started_at, ended_at)
        select * from unnest(
            cast(:execution_id as uuid[]), cast(:status as text[]), cast(:message as text[]),
            cast(:accepted_at as timestamptz[]), cast(:started_at as timestamptz[]),
            cast(:ended_at as timestamptz[]))
        on conflict (execution_id) do update set
            status = case when {_rank("excluded")} > {_rank("e")}
                then excluded.status else e.status end,
            message = case when {_rank("excluded")} > {_rank("e")}
                then excluded.message else e.message end,
            accepted_at = coalesce(e.accepted_at, excluded.accepted_at),
            started_at = coalesce(e.started_at, excluded.started_at),
            ended_at = coalesce(e.ended_at, excluded.ended_at)
        """
    )


def _rank(row: str) -> str:
    return (
        f"(case when {row}.status is null then 0 when {row}.status = 'accepted' then 1 "
        f"when {row}.status = 'running' then 2 else 3 end)"
    )


_UPSERTS = {
    "action": _upsert("awp_action_execution"),
    "workflow": _upsert("awp_workflow_execution"),
}
TYPES = tuple(_UPSERTS)
"""Job types with a history of runs."""


def apply(connection: Connection, job_type: str, rows: Sequence[Progress]) -> None:
    """Move runs of one type forward; the first end stands, an unknown run is inserted.

    No two rows may name the same run.
    """
    ordered = sorted(rows, key=lambda row: row.execution_id)
    _UPSERTS[job_type].count(
        connection,
        {
            "execution_id": texts(row.execution_id for row in ordered),
            "status": texts(row.status for row in ordered),
            "message": texts(row.message for row in ordered),
            "accepted_at": timestamps(row.accepted_at for row in ordered),
            "started_at": timestamps(row.started_at for row in ordered),
            "ended_at": timestamps(row.ended_at for row in ordered),
        },
    )
