"""Sessions of the worker with PostgreSQL, with a deadline on everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidRequestError
from sqlalchemy.pool import NullPool

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import ConnectionLost, Locked, UsageError
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.db import (
    connect,
    dsn,
    errors,
    idle_sessions,
    search_path,
    session_settings,
    view_casts,
)
from job_trigger_worker.storage.db.lock_watch import LockWatch

log = logger(__name__)

_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_LONGEST_STATEMENT_MS = 60_000
_LONGEST_LOCK_MS = 6_000
"""A lock that is held for longer is no batch's; who waits for it says so, and tries again."""


def open_engine(
    address: str,
    *,
    application: str,
    session: Mapping[str, object],
    connect_timeout_s: int,
    silence_ms: int | None = None,
    **pool: Any,
) -> Engine:
    """An engine of SQLAlchemy whose sessions get the settings of `session`, which is verified.

    `silence_ms` is how long a peer may be silent before its connection counts as lost. A
    statement's values never stand in what is raised. Raises `UsageError` for an address that is
    none; a session raises `FatalError` when the server or a pooler does not let it be what it has
    to be.
    """
    silence = {} if silence_ms is None else {**_KEEPALIVES, "tcp_user_timeout": silence_ms}
    try:
        url, given = dsn.parse(address)
        engine = create_engine(
            url,
            hide_parameters=True,
            connect_args={
                "connect_timeout": connect_timeout_s,
                "application_name": application,
                "client_encoding": session_settings.ENCODING,
                **silence,
            },
            **pool,
        )
    except (ArgumentError, InvalidRequestError, ImportError):
        raise UsageError(
            "TRIGGER_WORKER_DATABASE_URL is not the address of a PostgreSQL database.",
            remedy="Write it as postgresql+psycopg2://user:password@host:port/database.",
        ) from None
    encoding = {"client_encoding": session_settings.ENCODING} if session else {}
    session_settings.ask_and_check(engine, {**session, **encoding}, given)
    return connect.attend(engine)


def find_tables(engine: Engine) -> Engine:
    """Have each session find the worker's tables, and the types of the platform's views."""
    search_path.attend(engine)
    view_casts.attend(engine)
    return engine


def make_engine(settings: Settings) -> Engine:
    """An engine of the worker: each of its waits ends before half of the poll interval.

    lock_timeout < idle_in_transaction_session_timeout < statement_timeout < half of
    max.poll.interval.ms, and likewise for connecting and for a silent peer. See `open_engine` for
    what is raised; a session whose `search_path` passes by the worker's tables raises `FatalError`,
    too.
    """
    limit_ms = _limit_ms(settings)
    return find_tables(
        open_engine(
            settings.database_url.get_secret_value(),
            application="trigger-worker",
            session={
                "lock_timeout": lock_timeout_ms(settings),
                "idle_in_transaction_session_timeout": limit_ms * 2 // 3,
                "statement_timeout": limit_ms,
                "plan_cache_mode": "force_generic_plan",
            },
            connect_timeout_s=min(10, max(2, limit_ms // 1000)),
            silence_ms=limit_ms,
            poolclass=NullPool,
        )
    )


def watch_locks(settings: Settings, engine: Engine) -> LockWatch:
    """Who looks for which locks the sessions of an engine wait."""
    return LockWatch(engine, lock_timeout_ms(settings) / 1000)


def lock_timeout_ms(settings: Settings) -> int:
    """How long a statement waits for a lock."""
    return min(_LONGEST_LOCK_MS, _limit_ms(settings) // 3)


def _limit_ms(settings: Settings) -> int:
    return min(_LONGEST_STATEMENT_MS, settings.max_poll_interval_ms * 45 // 100)


class Session:
    """Two connections of one loop: one reads snapshots, one writes.

    Each is opened when first used, and may be used in a thread of its own. A lost connection is
    opened anew by the next use; the caller takes its partitions again first, whichever it was (an
    epoch belongs to a session). One that ended while nobody used it (idle_session_timeout, a
    firewall) is opened anew at once: nothing was in doubt, if it is still the same database.
    What is raised for a lock that was waited for in vain says who holds it, where there is a
    `watch`.
    """

    def __init__(self, engine: Engine, watch: LockWatch | None = None) -> None:
        self._writer = engine
        self._watch = watch
        self._reader = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._connections: dict[Engine, Connection] = {}
        self._databases: dict[Engine, str] = {}
        self._pids: dict[Engine, int] = {}
        self._busy: set[Engine] = set()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """One REPEATABLE READ READ ONLY transaction; what it raises is a read's error."""
        with errors.translate_read_errors(), self._transaction(self._reader) as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One READ COMMITTED transaction, committed at the end, rolled back on any error.

        An error of the commit itself is `ConnectionLost`: whether it happened is not known.
        """
        with errors.translate_write_errors(), self._transaction(self._writer) as connection:
            yield connection

    def close(self) -> None:
        """End both connections; the next use opens new ones.

        One that still waits for an answer in its thread is left to it: its end would wait, too.
        """
        for engine in (self._reader, self._writer):
            if engine not in self._busy:
                self._end(engine)

    def _end(self, engine: Engine) -> None:
        connection = self._connections.pop(engine, None)
        if connection is None:
            return
        try:
            connection.close()
        except DBAPIError:
            connection.invalidate()

    def _opened(self, engine: Engine) -> Connection:
        connection = self._connections.get(engine)
        if connection is None or connection.invalidated:
            return self._open(engine)
        reason = idle_sessions.why_ended(connection)
        if reason is None:
            return connection
        before = self._databases[engine]
        connection.invalidate()  # it is not to be asked for anything more
        connection = self._open(engine)
        if self._databases[engine] != before:
            self._end(engine)
            raise ConnectionLost("The database was started again, or is another one now.")
        log.info("reconnected", reason=reason)
        return connection

    def _open(self, engine: Engine) -> Connection:
        self._end(engine)
        connection = self._connections[engine] = engine.connect()
        self._databases[engine], self._pids[engine] = idle_sessions.database_of(connection)
        return connection

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        self._busy.add(engine)
        try:
            connection = self._opened(engine)
            with self._watching(engine), connection.begin():
                yield connection
        except DBAPIError as error:
            problem = errors.classify(error, is_write=True)
            if isinstance(problem, ConnectionLost):
                self._end(engine)
            if isinstance(problem, Locked):
                self._name(engine, problem)
                raise problem from error
            raise
        except Locked as problem:
            self._name(engine, problem)
            raise
        except (ConnectionLost, UnicodeDecodeError):
            self._end(engine)
            raise
        finally:
            self._busy.discard(engine)

    def _watching(self, engine: Engine) -> AbstractContextManager[None]:
        return nullcontext() if self._watch is None else self._watch.watching(self._pids[engine])

    def _name(self, engine: Engine, problem: Locked) -> None:
        """Have an error say who is waited for, where that was seen."""
        wait = None if self._watch is None else self._watch.last_wait(self._pids[engine])
        if wait is not None:
            problem.add(str(wait))
