"""Finding the rows that the database refuses, so that their neighbours go on (promise 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from worker.errors import Refused, Stop
from worker.storage import errors

Row = TypeVar("Row")

_FUSE_SHARE = 0.05
_FUSE_LEAST = 10


def write_isolated(
    connection: Connection, rows: Sequence[Row], write: Callable[[Sequence[Row]], None]
) -> list[tuple[Row, str]]:
    """Call `write` with all rows but those that the database refuses; return these with reasons.

    Halves the rows around each refusal, with a savepoint a step: n refusals among m rows cost about
    n * log2(m) calls more. What `write` keeps beside the database it keeps when it returns.
    """
    try:
        with errors.writing(), connection.begin_nested():
            write(rows)
    except Refused as reason:
        if len(rows) == 1:
            return [(rows[0], reason.message)]
    else:
        return []
    middle = len(rows) // 2
    return [
        *write_isolated(connection, rows[:middle], write),
        *write_isolated(connection, rows[middle:], write),
    ]


def check_fuse(refused: Sequence[tuple[object, str]], total: int) -> None:
    """Raise `Stop` when so many of a batch's rows were refused that it is not the rows.

    More than 5% and more than ten; the transaction is rolled back, and nothing is written.
    """
    if len(refused) > max(_FUSE_LEAST, total * _FUSE_SHARE):
        raise Stop(
            f"The database refused {len(refused)} of {total} rows of one batch, "
            f"the first because: {refused[0][1]}",
            remedy="Nothing was written. Compare the tables with `trigger-worker migrate "
            "current`; a constraint or a trigger of the platform may be in the way.",
        )


def not_a_row(error: Refused) -> Stop:
    """What to raise when the database refuses something that no message brought."""
    return Stop(
        f"The database refused a row that is no message's: {error.message}",
        remedy="Nothing was written. Compare the tables with `trigger-worker migrate current`.",
    )
