"""Connections of the console: shared by its requests, each with a short deadline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.pool import QueuePool

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import Transient
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.engine import find_tables, open_engine

log = logger(__name__)

_STATEMENT_MS = 5_000
_LOCK_MS = 2_000
_CONNECT_S = 2
_WAIT_S = 2.0
_RENEWED_S = 300
"""How old a connection gets: each asks anew of what types the platform's views are."""
_SESSION = {
    "jit": "off",  # short reads gain nothing from being compiled
    "statement_timeout": _STATEMENT_MS,
    "lock_timeout": _LOCK_MS,
    "idle_in_transaction_session_timeout": _STATEMENT_MS,
}
_CONNECTIONS = 12


class Pool:
    """At most twelve connections. A person waits seconds, not minutes: then it is `Transient`.

    What is raised are our errors (`storage.errors`); a statement's values never stand in them.
    """

    def __init__(self, settings: Settings) -> None:
        self._engine = find_tables(
            open_engine(
                settings.database_url.get_secret_value(),
                application="trigger-worker console",
                session=_SESSION,
                connect_timeout_s=_CONNECT_S,
                silence_ms=_STATEMENT_MS,
                pool_size=_CONNECTIONS,
                max_overflow=0,
                pool_timeout=_WAIT_S,
                pool_pre_ping=True,
                pool_recycle=_RENEWED_S,
            )
        )
        self._reader = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """One REPEATABLE READ READ ONLY transaction: what a page shows belongs together."""
        with (
            _freely(),
            errors.translate_read_errors(),
            self._reader.connect() as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One READ COMMITTED transaction, committed at the end, rolled back on any error."""
        with _freely(), errors.translate_write_errors(), self._engine.begin() as connection:
            yield connection

    def check(self) -> None:
        """Raise `FatalError` where waiting would not help to get a connection."""
        try:
            with self.snapshot():
                pass
        except Transient as away:
            log.warning("wait", reason=away)

    @property
    def in_use(self) -> int:
        """How many connections are in use."""
        pool = self._engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    def close(self) -> None:
        """End the connections that are not in use."""
        self._engine.dispose()


@contextmanager
def _freely() -> Iterator[None]:
    try:
        yield
    except NoneFree:
        raise Transient(f"No connection became free within {_WAIT_S:.0f} s.") from None
