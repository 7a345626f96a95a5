"""Tables that the worker writes to, and that somebody has changed so that it cannot any more."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from migrations import prerequisites
from worker.storage.platform.report import Fault, Finding


def unfit(connection: Connection) -> Iterator[Finding]:
    """What would keep the worker from writing: a column that has to be given or a foreign key."""
    for row in connection.execute(text(prerequisites.PROBLEMS)):
        if row.place != prerequisites.OF_THE_USER:
            yield Finding(Fault.UNFIT_TABLE, row.relation, f"{row.message} {row.remedy}")
