"""From a database's error to what has to be done about it (DESIGN section 6: waiting, poison)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from worker.errors import ConnectionLost, Refused, Stop, Transient, TriggerWorkerError, Unknown

_DATA_CLASSES = ("22", "23")
_PROGRAM_LIMIT = "54000"
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
_TRANSIENT_STATES = {
    "55P03",  # lock_timeout
    "25006",  # the server is read-only for now: a failover, a full disk
    "25P03",  # idle in transaction for too long: we were frozen
    "25P04",  # transaction_timeout
    "XX000",  # an internal error of the server: seen while it shuts down
}
_SESSION_ENDS = {
    *("57P01", "57P02", "57P03", "57P05", "25P03", "25P04"),
    "26000",  # it lacks what was prepared in it: somebody cleared it, or it is another one
}
_STALE_PLAN = "cached plan must not change result type"  # a view was redefined: plan it anew
_ADDRESS = "Correct TRIGGER_WORKER_DATABASE_URL."
_SERVERS = (
    "Its certificate has expired, or no authority in sslrootcert has signed it: have it renewed, "
    "or correct sslrootcert in TRIGGER_WORKER_DATABASE_URL."
)
_OURS = (
    "Name a client certificate that is valid there, and its key, as sslcert and sslkey in "
    "TRIGGER_WORKER_DATABASE_URL."
)
_HOPELESS_CONNECTS = {
    "password authentication failed": _ADDRESS,
    "no password supplied": _ADDRESS,
    "root certificate file": "Correct sslrootcert in TRIGGER_WORKER_DATABASE_URL.",
    "does not exist": _ADDRESS,
    "no pg_hba.conf entry": _ADDRESS,
    "certificate verify failed": _SERVERS,
    "does not match host name": "Name the host as its certificate does, in "
    "TRIGGER_WORKER_DATABASE_URL.",
    "server does not support SSL": "Have it talk TLS, or correct sslmode in "
    "TRIGGER_WORKER_DATABASE_URL.",
    "requires a valid client certificate": _OURS,
    "certificate authentication failed": _OURS,
    "alert unknown ca": _OURS,
    "alert certificate": _OURS,
    "alert bad certificate": _OURS,
    "could not read certificate file": _OURS,
    "private key file": "Correct sslkey in TRIGGER_WORKER_DATABASE_URL, or its sslpassword.",
    "invalid dsn": _ADDRESS,
    "invalid sslmode value": _ADDRESS,
    "is not permitted to log in": _ADDRESS,
    "permission denied for database": _ADDRESS,
}
"""What no waiting mends, in the words of libpq and the server, and what does."""


@contextmanager
def reading() -> Iterator[None]:
    """Turn what a read raises into ours: a view that raises is `Unknown`, never a finding."""
    with _translated(is_write=False):
        yield


@contextmanager
def writing() -> Iterator[None]:
    """Turn what a write raises into ours: values that the database refuses are `Refused`."""
    with _translated(is_write=True):
        yield


@contextmanager
def _translated(*, is_write: bool) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise classify(error, is_write=is_write) from error
    except ValueError as error:
        # The driver refuses NUL and lone surrogates before the server sees them.
        if is_write:
            raise Refused(f"A value cannot be sent to PostgreSQL: {error}.") from error
        raise


def classify(error: DBAPIError, *, is_write: bool) -> TriggerWorkerError:
    """Say what a database error means for the caller, by its SQLSTATE."""
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    words = _words(error)
    if state is None:
        return _without_state(error, words)
    if state in _SESSION_ENDS or state.startswith("08") or _STALE_PLAN in words:
        return ConnectionLost(f"The database ended the session ({state}): {words}.")
    if state in _TRANSIENT_STATES or state.startswith(_TRANSIENT_CLASSES):
        return Transient(f"The database cannot do it now ({state}): {words}.")
    if is_write and (state.startswith(_DATA_CLASSES) or state == _PROGRAM_LIMIT):
        return Refused(f"The database refused a value ({state}): {words}.")
    if not is_write and not state.startswith(("42", "28", "3D", "3F", "0A")):
        return Unknown(f"A fact could not be read ({state}): {words}.")
    return Stop(
        f"The database cannot serve the worker ({state}): {words}.",
        remedy="Check `trigger-worker migrate current`, and the grants in deploy/sql/roles.sql.",
    )


def _without_state(error: DBAPIError, words: str) -> TriggerWorkerError:
    refusal = hopeless(error)
    if refusal is not None:
        return refusal
    if isinstance(error, OperationalError | InterfaceError):
        return ConnectionLost(f"The database is away: {words}.")
    return ConnectionLost(f"The database session broke: {words}.")


def hopeless(error: DBAPIError) -> Stop | None:
    """What to raise for a connection that waiting will not bring about, None for any other error.

    A host has several addresses, and a database several hosts: each has a line of its own, and one
    that was refused tells more than one where nobody listens.
    """
    for line in str(error.orig).splitlines():
        said = line.strip().rstrip(".")
        for words, remedy in _HOPELESS_CONNECTS.items():
            if words in said:
                return Stop(f"The database refuses the connection: {said}.", remedy=remedy)
    return None


def _words(error: DBAPIError) -> str:
    """The server's first line, without the statement and its values."""
    diagnosis = getattr(error.orig, "diag", None)
    primary = getattr(diagnosis, "message_primary", None) or str(error.orig)
    return primary.strip().splitlines()[0].rstrip(".") if primary.strip() else "no reason given"
