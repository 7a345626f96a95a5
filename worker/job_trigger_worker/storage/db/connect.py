"""Opening PostgreSQL sessions, and what a failure means: wait, or stop and say why.

What a server says is told by its SQLSTATE, which is the same in every language; its words are shown
beside ours. Only what no server has said is told by words: those are of libpq and OpenSSL, in this
process, which sets no language for messages, so they are English whatever the server speaks.
"""

from __future__ import annotations

import re
import time
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn
from sqlalchemy import Engine, event

from job_trigger_worker.errors import ConnectionLost, FatalError, TriggerWorkerError
from job_trigger_worker.storage.db import libpq, poolers
from job_trigger_worker.storage.db.libpq import ServerMessage

_ENCODING = "UTF8"
_LEAST_S = 0.5
_DEFAULT_S = 10
_HOPELESS = ("0A", "22", "28", "3D", "42", "55000")
"""SQLSTATEs, or their classes, of a server that no waiting changes."""
_ADDRESS = "Correct TRIGGER_WORKER_DATABASE_URL."
_MEANINGS = {
    "28P01": ("the password is wrong", _ADDRESS),
    "28000": (
        "this user may not sign in from here like this",
        f"{_ADDRESS[:-1]} (user, sslmode, sslcert, sslkey), or have its pg_hba.conf let it in.",
    ),
    "3D000": ("there is no such database", _ADDRESS),
    "42501": (
        "this user may not connect to the database",
        "Grant it connect on the database, or correct TRIGGER_WORKER_DATABASE_URL.",
    ),
    "55000": ("the database accepts no connections", _ADDRESS),
}
_OTHERWISE = ("it refuses what the address asks for", _ADDRESS)
_SERVERS = (
    "Its certificate has expired, or no authority in sslrootcert has signed it: have it renewed, "
    "or correct sslrootcert in TRIGGER_WORKER_DATABASE_URL."
)
_OURS = (
    "Name a client certificate that is valid there, and its key, as sslcert and sslkey in "
    "TRIGGER_WORKER_DATABASE_URL."
)
_OF_THE_CLIENT = {
    "no password supplied": _ADDRESS,
    "root certificate file": "Correct sslrootcert in TRIGGER_WORKER_DATABASE_URL.",
    "certificate verify failed": _SERVERS,
    "does not match host name": "Name the host as its certificate does, in "
    "TRIGGER_WORKER_DATABASE_URL.",
    "server does not support SSL": "Make it speak TLS, or correct sslmode in "
    "TRIGGER_WORKER_DATABASE_URL.",
    "alert unknown ca": _OURS,
    "alert certificate": _OURS,
    "alert bad certificate": _OURS,
    "could not read certificate file": _OURS,
    "private key file": "Correct sslkey in TRIGGER_WORKER_DATABASE_URL, or its sslpassword.",
}
"""What waiting does not fix, in the words of libpq and OpenSSL, and what does."""
_PROTOCOL = "08P01"
_OF_A_POOLER = {
    "unsupported startup parameter": "Have the pooler let it through, or take it out of "
    "TRIGGER_WORKER_DATABASE_URL.",
    "authentication failed": _ADDRESS,
    "login rejected": _ADDRESS,
    "no such user": "Name the user to the pooler (PgBouncer: auth_file, auth_query), or correct "
    "TRIGGER_WORKER_DATABASE_URL.",
    "no such database": "Name the database to the pooler (PgBouncer: [databases]), or correct "
    "TRIGGER_WORKER_DATABASE_URL.",
    "bouncer config error": "Look into the pooler's log.",
}
"""What waiting does not fix, in PgBouncer's words, and what does: it has one SQLSTATE for nearly
everything, outages included, and one language."""
_is_bad_option = re.compile(r'invalid \w+ value: "|invalid port number').search


def attend(engine: Engine) -> Engine:
    """Make an engine open its connections here; returns the engine.

    What is raised is ours: `ConnectionLost` for a database that is away, `FatalError` for one that
    does not let us in, whose encoding is not UTF8, or whose sessions a pooler lends by the
    transaction.
    """
    event.listen(engine, "do_connect", _connect)
    return engine


def _connect(dialect: Any, _: object, arguments: Any, options: dict[str, Any]) -> Any:
    began = time.monotonic()
    try:
        connection = dialect.connect(*arguments, **options)
    except psycopg2.ProgrammingError as error:  # what no connection can be asked for
        raise _refused(_words(error), _ADDRESS) from error
    except (psycopg2.Error, UnicodeDecodeError) as error:
        limit_s = int(options.get("connect_timeout", _DEFAULT_S))
        left_s = max(limit_s - (time.monotonic() - began), _LEAST_S)
        said = libpq.why_refused(make_dsn(*arguments, **options), left_s)
        raise _meaning(said, _words(error)) from error
    try:
        _check_encoding(connection)
        poolers.check(connection, lambda **more: dialect.connect(*arguments, **options, **more))
    except BaseException:
        connection.close()
        raise
    return connection


def _check_encoding(connection: Any) -> None:
    encoding = connection.get_parameter_status("server_encoding")
    if encoding not in {_ENCODING, None}:  # some poolers do not say
        raise FatalError(
            f"The database's encoding is {encoding}; the worker needs {_ENCODING}.",
            remedy="Copy it into a database that was made with encoding 'UTF8' (pg_dump, "
            "createdb -E UTF8 -T template0, pg_restore).",
        )


def _meaning(said: list[ServerMessage], words: str) -> TriggerWorkerError:
    """The error to raise for a connection that failed.

    A host has several addresses, and a database several hosts, each with a line of its own: one
    that was refused tells more than one where nobody listens.
    """
    by_client = [line.words for line in said if line.sqlstate is None] or [words]
    refused = _by_server(said) or _by_client(by_client)
    if refused is not None:
        return refused
    for line in said:
        if line.sqlstate is not None:
            return ConnectionLost(f"The database is away ({line.sqlstate}): {line.words}.")
    return ConnectionLost(f"The database is away: {by_client[0]}.")


def _by_server(said: list[ServerMessage]) -> FatalError | None:
    for line in said:
        if line.sqlstate is not None and line.sqlstate.startswith(_HOPELESS):
            meaning, remedy = _MEANINGS.get(line.sqlstate, _OTHERWISE)
            return _refused(f"{meaning} ({line.sqlstate}: {line.words})", remedy)
        if line.sqlstate == _PROTOCOL:
            for pattern, remedy in _OF_A_POOLER.items():
                if pattern in line.words:
                    return _refused(f"{line.words} ({line.sqlstate})", remedy)
    return None


def _by_client(lines: list[str]) -> FatalError | None:
    for each in lines:
        for pattern, remedy in _OF_THE_CLIENT.items():
            if pattern in each:
                return _refused(each, remedy)
        if _is_bad_option(each):
            return _refused(each, _ADDRESS)
    return None


def _refused(what: str, remedy: str) -> FatalError:
    return FatalError(f"The database refuses the connection: {what}.", remedy=remedy)


def _words(error: Exception) -> str:
    """The first line of what psycopg2 says."""
    said = error.object if isinstance(error, UnicodeDecodeError) else str(error).encode()
    lines = said.strip().splitlines()
    return libpq.decoded(lines[0]) if lines else "no reason given"
