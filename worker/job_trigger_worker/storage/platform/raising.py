"""Rows for which a view raises: found by halving, and named by their keys."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from job_trigger_worker.domain.platform_views import Column
from job_trigger_worker.errors import ViewRaised
from job_trigger_worker.storage.platform.report import MOST_NAMED, Finding, PlatformProblem, named
from job_trigger_worker.storage.platform.values import Rows, key_of, read

_MOST_READS = 300
"""Statements for one view; what takes more is not told apart to the end."""


class _Halving:
    """Reads parts of a view until the rows are found that raise."""

    def __init__(self, connection: Connection, rows: Rows, columns: Sequence[Column]) -> None:
        self._connection = connection
        self._rows = rows
        self._columns = columns
        self._left = _MOST_READS
        self.raised: list[tuple[str, ViewRaised]] = []
        self.unread: list[str] = []

    def read(self, keys: Sequence[str]) -> None:
        """Find those of these keys whose rows raise."""
        if self._left == 0:
            self.unread += keys
            return
        self._left -= 1
        try:
            with self._connection.begin_nested():
                read(self._connection, self._rows.only(keys), self._columns)
        except ViewRaised as error:
            if len(keys) == 1:
                self.raised.append((keys[0], error))
                return
            middle = len(keys) // 2
            self.read(keys[:middle])
            self.read(keys[middle:])


def raising(
    connection: Connection, rows: Rows, columns: Sequence[Column], error: ViewRaised
) -> tuple[list[Finding], Rows | None]:
    """The rows that raise, once one of them did (`error`), and those that can be read.

    None where there are none of these. Leaves the transaction as it was.
    """
    view = rows.view
    try:
        with connection.begin_nested():
            found = rows.select(connection, f"{key_of(view)} as key")
    except ViewRaised as of_keys:
        return [unreadable(of_keys)], None
    keys = list(dict.fromkeys(row["key"] for row in found))
    halving = _Halving(connection, rows, columns)
    halving.read(keys)
    if not halving.raised or len(halving.raised) + len(halving.unread) == len(keys):
        return [unreadable(error)], None
    by_words: dict[str, list[str]] = {}
    for key, raised in halving.raised:
        by_words.setdefault(f"{raised.sqlstate}: {raised.words}", []).append(key)
    more = " There may be others: too many raise to name them all." if halving.unread else ""
    findings = [
        Finding(
            PlatformProblem.RAISING_ROW,
            view.name,
            f"The view {view.name} raises ({words}) for {named(ids[:MOST_NAMED], len(ids))}.{more}",
            rows=len(ids),
            ids=tuple(ids[:MOST_NAMED]),
        )
        for words, ids in by_words.items()
    ]
    return findings, rows.without([key for key, _ in halving.raised] + halving.unread)


def unreadable(error: ViewRaised) -> Finding:
    """The finding about a view that cannot be read at all."""
    return Finding(PlatformProblem.UNREADABLE, error.view, error.message)
