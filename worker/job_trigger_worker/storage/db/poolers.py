"""Connection poolers: whether a server session belongs to us alone while our connection lasts.

Deadlines, prepared statements, locks of a session and the ledger's epoch live in one session of
the server. A pooler that lends sessions for a connection's length (session pooling) is as good as
none. One that lends them for a transaction or a statement puts every transaction into another
session, and ours into other clients': that is refused before anything is set.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any

from psycopg2.extensions import POLL_OK, POLL_READ

from job_trigger_worker.errors import FatalError

_ROUNDS = 4
_TIMEOUT_S = 3.0
_PID = "select pg_backend_pid()"

Connect = Callable[..., Any]
"""Opens a connection like the one that is looked at; keywords are added to its own."""


def check(connection: Any, connect: Connect) -> None:
    """Raise `FatalError` where a pooler lends `connection` a session for a transaction at a time.

    Costs one round trip where there is no pooler, some milliseconds where there is one.
    """
    process = _process(connection)
    if process != connection.info.backend_pid and _is_lent(connection, process, connect):
        raise FatalError(
            "The connection pooler in front of the database lends a session for one transaction "
            "at a time, and the worker needs sessions of its own (for its deadlines, locks and "
            "prepared statements).",
            remedy="Have the pooler use session pooling for this database or user (PgBouncer: "
            "pool_mode=session), or name the database itself in TRIGGER_WORKER_DATABASE_URL.",
        )


def _is_lent(connection: Any, process: int, connect: Connect) -> bool:
    """Whether two connections that are open at once share sessions.

    A pooler gives the session that was last returned to whoever asks next, or another one each
    time. Where a session pool has none left, a second one is not had, and nothing is shown.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    other = connect(async_=1)
    try:
        if not _is_done(other, deadline):
            return False
        cursor = other.cursor()
        for _ in range(_ROUNDS):
            cursor.execute(_PID)
            if not _is_done(other, deadline):
                return False
            if cursor.fetchone() == (process,):
                return True
            # Twice, for a pooler whose sessions take turns, and that has two of them.
            if _process(connection) != process or _process(connection) != process:
                return True
    finally:
        other.close()
    return False


def _process(connection: Any) -> int:
    """The server's process that answers, in a transaction of one statement."""
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(_PID)
            ((process,),) = cursor.fetchall()
    finally:
        if not connection.closed:
            connection.autocommit = False
    return int(process)


def _is_done(connection: Any, deadline: float) -> bool:
    """Wait for an asynchronous connection; False when the deadline passes. Raises as psycopg2."""
    while (state := connection.poll()) != POLL_OK:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return False
        waiting = select.poll()
        waiting.register(
            connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT
        )
        waiting.poll(left_s * 1000)
    return True
