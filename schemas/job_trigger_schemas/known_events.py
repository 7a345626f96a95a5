"""Which events have been handled already, so that a repeat is not handled again.

A repeat carries the `event_id` of the first one. It comes after a crash of the reader or of the
worker, and when the worker's database has forgotten its last commits: then as far back as it went.
"""

from __future__ import annotations

import sqlite3
import time
from collections import OrderedDict
from pathlib import Path
from typing import Protocol, Self
from uuid import UUID

_DAY_S = 86_400
_SWEEP_EVERY = 10_000
_LOCKED_S = 10.0


class KnownEvents(Protocol):
    """What was handled. Yours may be a table with a unique key, shared by several readers."""

    def __contains__(self, event_id: UUID, /) -> bool:
        """Whether this event has been handled."""

    def add(self, event_id: UUID, /) -> None:
        """Note it; called after its handler has returned."""


class RecentEvents:
    """The newest ids, in memory: what was handled before the process started is not known."""

    def __init__(self, most: int = 100_000) -> None:
        """Keep `most` ids, some 150 bytes each."""
        self._most = most
        self._ids: OrderedDict[UUID, None] = OrderedDict()

    def __contains__(self, event_id: UUID, /) -> bool:
        return event_id in self._ids

    def add(self, event_id: UUID, /) -> None:
        """Note it, and forget the oldest one where there are too many."""
        self._ids[event_id] = None
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)


class KnownEventsFile:
    """Ids in a file (SQLite), which outlives the process. For one process at a time.

    A crash of the process loses nothing; a power cut may lose the last ids, which means a repeat.
    """

    def __init__(self, path: Path | str, *, keep_days: float = 90.0) -> None:
        """Open the file, or make it. What is older than `keep_days` is forgotten.

        Raises `sqlite3.Error` for a file that cannot be used.
        """
        self._keep_s = keep_days * _DAY_S
        self._until_sweep = 0
        self._opened = sqlite3.connect(
            path, timeout=_LOCKED_S, isolation_level=None, check_same_thread=False
        )
        self._opened.execute("pragma journal_mode = wal")
        self._opened.execute("pragma synchronous = normal")
        self._opened.execute(
            "create table if not exists known_event"
            " (event_id blob primary key, handled_at real not null) without rowid"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def __contains__(self, event_id: UUID, /) -> bool:
        found = self._opened.execute(
            "select 1 from known_event where event_id = ?", (event_id.bytes,)
        )
        return found.fetchone() is not None

    def add(self, event_id: UUID, /) -> None:
        """Note it, and now and then forget what is too old."""
        now = time.time()
        if self._until_sweep == 0:
            self._until_sweep = _SWEEP_EVERY
            self._opened.execute(
                "delete from known_event where handled_at < ?", (now - self._keep_s,)
            )
        self._until_sweep -= 1
        self._opened.execute(
            "insert or ignore into known_event values (?, ?)", (event_id.bytes, now)
        )
