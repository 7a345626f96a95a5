"""A viewer's own way through the table, after a break or when they are slow."""

from __future__ import annotations

from dataclasses import dataclass

from job_trigger_worker.console.failures.live.recent import Batch, bounded
from job_trigger_worker.domain.read_models import EVERYTHING, AsOf, Scope
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.read import failure_feed

PAGE = 200
"""Failures that are sent at once, at most."""


@dataclass(slots=True)
class Viewer:
    """Somebody who watches: what they may see, and the position behind what they have.

    With `newest` they want only so many of what is new at a time, the newest ones, as a page does
    that shows no more.
    """

    scope: Scope
    position: int
    newest: int | None = None


def end_of_table(pool: Pool, as_of: AsOf) -> int:
    """The position behind everything that has settled."""
    with pool.snapshot() as connection:
        return failure_feed.newest_failures(connection, EVERYTHING, as_of, limit=1).position


def from_table(pool: Pool, as_of: AsOf, viewer: Viewer, floor: int) -> Batch:
    """The next batch of a viewer, read from the table.

    Everything up to `floor` had settled before: where nothing more is behind the viewer's position,
    they are at `floor` at least.
    """
    with pool.snapshot() as connection:
        if viewer.newest is not None:
            begun = failure_feed.newest_failures(
                connection, viewer.scope, as_of, limit=viewer.newest
            )
            rows = [bounded(row) for row in reversed(begun.rows) if row.id > viewer.position]
            return Batch(tuple(rows), max(begun.position, viewer.position, floor))
        found = failure_feed.failures_after(
            connection, viewer.scope, as_of, viewer.position, limit=PAGE
        )
    if found.position == viewer.position:
        return Batch((), max(viewer.position, floor))
    return Batch(tuple(map(bounded, found.rows)), found.position, is_all=False)
