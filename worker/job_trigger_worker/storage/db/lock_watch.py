"""Notices which of our sessions wait for somebody else's lock, and says whose.

A session that waits cannot look, and a probe must not wait with it. So a thread looks, on a
connection of its own, once a transaction has been open for longer than a batch takes; without such
a one it asks the database nothing.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.errors import TriggerWorkerError
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.db import lock_holders
from job_trigger_worker.storage.db.lock_holders import Wait

log = logger(__name__)

_EVERY_S = 0.2
_LOOK_AFTER_S = 1.0
"""How long a transaction may be open before it is looked at."""

_SHARE = 1 / 3
"""Of `lock_timeout`, where that is short: who is waited for has to be known before it ends."""

_SAY_AGAIN_S = 30.0
_KEEP_OPEN_S = 10.0
_LAST_WAIT_S = 2.0


class LockWatch:
    """The waits of a process's sessions. Looks from `start` on, until `close`."""

    def __init__(self, engine: Engine, lock_timeout_s: float) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._after_s = min(_LOOK_AFTER_S, lock_timeout_s * _SHARE)
        self._running: dict[int, float] = {}
        self._waits: dict[int, Wait] = {}
        self._said: dict[int, tuple[tuple[object, ...], float]] = {}
        self._connection: Connection | None = None
        self._looked_at = 0.0
        self._is_closed = Event()
        self._thread = Thread(target=self._serve, name="lock watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._is_closed.set()
        self._thread.join(_LAST_WAIT_S)

    @contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        """A block in which the session of that backend has a transaction open."""
        self._waits.pop(pid, None)
        self._running[pid] = time.monotonic()
        try:
            yield
        finally:
            self._running.pop(pid, None)

    def last_wait(self, pid: int) -> Wait | None:
        """What a session was seen waiting for in its last transaction."""
        return self._waits.get(pid)

    def why_waiting(self) -> str | None:
        """Whom a session waits for now, a sentence; None while none does."""
        for pid, wait in list(self._waits.items()):
            if pid in self._running:
                return f"the worker waits for a lock. {wait}"
        return None

    def _serve(self) -> None:
        while not self._is_closed.wait(_EVERY_S):
            try:
                self._look()
            except (DBAPIError, TriggerWorkerError) as error:
                # The sessions say themselves what is wrong with the database.
                log.debug("lock_watch_failed", reason=error)
                self._disconnect()
        self._disconnect()

    def _look(self) -> None:
        now = time.monotonic()
        late = [pid for pid, began in list(self._running.items()) if now - began > self._after_s]
        if not late:
            if self._connection is not None and now - self._looked_at > _KEEP_OPEN_S:
                self._disconnect()
            self._tell_ended(())
            return
        if now - self._looked_at < self._after_s / 2:
            return
        if self._connection is None:
            self._connection = self._engine.connect()
        self._looked_at = now
        found = lock_holders.waits(self._connection, late)
        for pid in late:
            if pid in found and pid in self._running:
                self._waits[pid] = found[pid]
                self._tell(pid, found[pid], now)
        self._tell_ended(found)

    def _tell(self, pid: int, wait: Wait, now: float) -> None:
        what = (wait.table, wait.row, wait.holder.pid)
        said, said_at = self._said.get(pid, ((), 0.0))
        if said == what and now - said_at < _SAY_AGAIN_S:
            return
        self._said[pid] = (what, now)
        log.warning(
            "lock_blocked",
            table=wait.table,
            row=wait.row,
            pid=pid,
            waited_s=round(wait.waited_s, 1),
            holder=wait.holder,
        )

    def _tell_ended(self, waiting: Collection[int]) -> None:
        for pid in [
            each for each in self._said if each not in waiting and each not in self._running
        ]:
            table, row, _ = self._said.pop(pid)[0]
            log.info("lock_released", table=table, row=row, pid=pid)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close()
        except DBAPIError:
            connection.invalidate()
