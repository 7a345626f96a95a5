"""What the worker writes to, and what of it cannot be written: tables, and a view of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, text

from migrations import prerequisites
from worker.storage.platform.report import Fault, Finding

_PROBLEMS = text(prerequisites.PROBLEMS)


def unfit(connection: Connection) -> Iterator[Finding]:
    """What would keep the worker from writing: a column that has to be given or a foreign key."""
    for row in connection.execute(_PROBLEMS):
        if row.place != prerequisites.OF_THE_USER:
            yield _finding(row)


def unwritable_jobs(connection: Connection) -> Iterator[Finding]:
    """Why no job can show its records (R3): the platform's view of them takes no such update."""
    for row in connection.execute(_PROBLEMS):
        if row.relation == prerequisites.JOBS and row.place in prerequisites.NOT_WRITABLE:
            yield _finding(row)


def _finding(row: Row[Any]) -> Finding:
    return Finding(Fault.UNFIT_TABLE, row.relation, f"{row.message} {row.remedy}")
