"""From a database's error to the right reaction (design 6.5, 6.6).

What an error means is told by its SQLSTATE, which is the same in every language. The words that the
server says are shown beside it, and decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from job_trigger_worker.domain.truncation import truncate
from job_trigger_worker.errors import (
    ConnectionLost,
    FatalError,
    Locked,
    NotTaken,
    Refusal,
    Refused,
    Transient,
    TriggerWorkerError,
    Unknown,
    ViewRaised,
)
from job_trigger_worker.storage.db.prepared_statements import RaisedByValues

_OF_THE_ROW = ("09", "21", "22", "23", "27", "2F", "38", "39", "44", "54", "P0")
"""Classes that a row's values may raise, also in a function or trigger of the platform."""
_NO_RIGHT = "42501"
"""No grant; and what row level security says of a row that is written."""
_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58", "XX")
_TRANSIENT_STATES = {
    "25006",  # the server is read-only for now: a failover, a full disk
    "25P03",  # idle in transaction for too long: we were frozen
    "25P04",  # transaction_timeout
}
_DAMAGED = ("XX001", "XX002")
"""A page or an index that cannot be read: other rows may be."""
_LOCK_TIMEOUT = "55P03"
_STRUCTURE = ("42", "28", "3D", "3F", "0A")
_SESSION_ENDS = {
    *("57P01", "57P02", "57P03", "57P05", "25P03", "25P04"),
    "26000",  # it lacks what was prepared in it: somebody cleared it, or it is another one
    "42P05",  # it has what we are about to prepare: it is another one, and a pooler lends it
}
_UNFIT = ("22001", "22021", "22P05")
"""A value that is too long, or has characters that the database cannot hold."""
_RAISED = ("P0001", "P0004")
_RAISING = ("exec_stmt_raise", "exec_stmt_assert")
"""The server's routines for PL/pgSQL's `raise` and `assert`, whatever SQLSTATE they give."""
_LATER = ("08", "40", "55P03", "57")
"""What may be raised on purpose to say: try it again."""
_ROW_SECURITY = "ExecWithCheckOptions"
_CHECK_TABLES = "Check `trigger-worker migrate current`, and the grants in deploy/sql/roles.sql."
_CHECK_LOGIN = (
    "The worker needs a login in the role trigger_worker, the console one in trigger_console. If "
    "it is one, run deploy/sql/roles.sql again: tables that were made since lack its grants."
)
LOST_GRANTS = (
    "Run deploy/sql/roles.sql again: a view that was dropped and made again has lost its grants."
)
"""What helps where a view may not be read by a login that may read it."""
_WRITE_REMEDIES = {
    "0A000": "`trigger-worker platform check` names what cannot be written, and what to do.",
}
_CANNOT_SERVE = "The database cannot serve this process"
_TRIGGER_REMEDY = (
    "Grant the {role}'s role what the view and its trigger need, as deploy/sql/roles.sql does, "
    "or make the trigger's function `security definer`."
)
_FUNCTION_REMEDY = (
    "Grant the worker's role what this function needs, or make it `security definer`."
)
_MOST_SAID = 500
_LISTED = "docs/platform.md lists its columns and their types."
_VIEW_REMEDIES = {
    "42P01": "Define it over the platform's tables, or run `trigger-worker migrate`; where it is "
    f"in another schema, have search_path name that and grant usage on it. {_LISTED}",
    "42703": f"Give it every column that preflight reads; {_LISTED}",
    _NO_RIGHT: LOST_GRANTS,
}
_REMEDIES = {_NO_RIGHT: _CHECK_LOGIN}


@contextmanager
def translate_read_errors(view: str | None = None, *, fits: bool = False) -> Iterator[None]:
    """Translate what a read raises: a view that raises is `Unknown`, never a finding.

    With the name of the `view` that is read, an error says so, and is a `ViewRaised` where a row's
    values may have raised it: whatever it is where the statement is known to fit the view.
    """
    with _translated(is_write=False, view=view, fits=fits):
        yield


@contextmanager
def translate_write_errors() -> Iterator[None]:
    """Turn what a write raises into ours: values that the database refuses are `Refused`."""
    with _translated(is_write=True, view=None):
        yield


@contextmanager
def translate_row_errors() -> Iterator[None]:
    """As `translate_write_errors`, for rows that row level security may refuse one by one."""
    try:
        with translate_write_errors():
            yield
    except FatalError as stop:
        error = stop.__cause__
        if isinstance(error, DBAPIError) and lacks_right(stop):
            refusal = _refusal(error, _NO_RIGHT)
            raise Refused(stop.message, refusal, remedy=stop.remedy) from error
        raise


def lacks_right(stop: FatalError) -> bool:
    """True where a statement was refused because this login may not run it."""
    error = stop.__cause__
    return isinstance(error, DBAPIError) and _state(error) == _NO_RIGHT


def in_a_trigger(error: DBAPIError, relation: str) -> FatalError | None:
    """What to raise where the platform's trigger may not do what an update of jobs asks of it.

    None for what no function raised. The server says in which one it was, in its own language.
    """
    function = _function(error)
    if not function:
        return None
    return FatalError(
        f"{relation} does not save what a job shows ({_state(error)}): {_words(error)} "
        f"[{function}].",
        remedy=_TRIGGER_REMEDY.format(role="worker"),
    )


@contextmanager
def translate_edit_errors(view: str) -> Iterator[None]:
    """Translate what an edit through a view of the platform raises.

    What the platform refuses is `NotTaken`: all that its functions raise on purpose, whatever the
    SQLSTATE, and what its constraints, casts and policies do not let through. A value that is too
    long, or cannot be stored at all, is `Refused` as everywhere.
    """
    try:
        with translate_write_errors():
            yield
    except TriggerWorkerError as found:
        error = found.__cause__
        if isinstance(error, DBAPIError):
            raise _of_an_edit(error, found, view) from error
        raise


@contextmanager
def _translated(*, is_write: bool, view: str | None, fits: bool = False) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise classify(error, is_write=is_write, view=view, fits=fits) from error
    except UnicodeDecodeError as error:
        raise ConnectionLost(
            "The database ended the session, in words that are not UTF-8."
        ) from error
    except ValueError as error:
        # The driver refuses NUL and lone surrogates before the server sees them.
        if is_write:
            raise Refused(
                f"A value cannot be sent to PostgreSQL: {error}.", Refusal(None)
            ) from error
        raise


def classify(
    error: DBAPIError, *, is_write: bool, view: str | None = None, fits: bool = False
) -> TriggerWorkerError:
    """Say what a database error means for the caller, by its SQLSTATE.

    `fits` where a statement is known to fit what it reads.
    """
    state, words = _state(error), _words(error)
    if state is None:
        return ConnectionLost(f"The database session broke: {words}.")
    if state in _SESSION_ENDS or error.connection_invalidated:
        return ConnectionLost(f"The database ended the session ({state}): {words}.")
    if state in _TRANSIENT_STATES or (
        state.startswith(_TRANSIENT_CLASSES) and (is_write or state not in _DAMAGED)
    ):
        what = "The database cannot do it now" if view is None else f"The view {view} is away"
        kind = Locked if state == _LOCK_TIMEOUT else Transient
        return kind(f"{what} ({state}): {words}.")
    if is_write:
        return _of_a_write(error, state, words)
    fits = (fits or isinstance(error, RaisedByValues)) and state != _NO_RIGHT
    return _of_a_read(state, words, view, is_structure=state.startswith(_STRUCTURE) and not fits)


def _of_a_write(error: DBAPIError, state: str, words: str) -> TriggerWorkerError:
    if state.startswith(_OF_THE_ROW):
        return Refused(f"The database refused a value ({state}): {words}.", _refusal(error, state))
    function = _function(error)
    where = f" [{function}]" if function else ""
    usual = _FUNCTION_REMEDY if function else _REMEDIES.get(state, _CHECK_TABLES)
    remedy = _WRITE_REMEDIES.get(state, usual)
    return FatalError(f"{_CANNOT_SERVE} ({state}): {words}{where}.", remedy=remedy)


def _of_an_edit(error: DBAPIError, found: TriggerWorkerError, view: str) -> TriggerWorkerError:
    state, words, routine = _state(error) or "", _words(error), _routine(error)
    is_raised = routine in _RAISING and not state.startswith(_LATER)
    if not is_raised:
        if isinstance(found, Transient) or state.startswith(_UNFIT):
            return found
        if isinstance(found, FatalError) and routine != _ROW_SECURITY:
            message = f"The view {view} does not save an edit ({state}): {words}."
            return FatalError(message, remedy=_TRIGGER_REMEDY.format(role="console"))
    said = truncate(words, _MOST_SAID) if is_raised or state in _RAISED else None
    message = f"The view {view} does not take an edit ({state}): {words}."
    return NotTaken(message, sqlstate=state, said=said)


def _of_a_read(
    state: str, words: str, view: str | None, *, is_structure: bool
) -> TriggerWorkerError:
    if view is None:
        if is_structure:
            remedy = _REMEDIES.get(state, _CHECK_TABLES)
            return FatalError(f"{_CANNOT_SERVE} ({state}): {words}.", remedy=remedy)
        return Unknown(f"A fact could not be read ({state}): {words}.")
    if is_structure:
        remedy = _VIEW_REMEDIES.get(state, f"Correct its definition; {_LISTED}")
        return FatalError(f"The view {view} cannot be read ({state}): {words}.", remedy=remedy)
    return ViewRaised(view, state, words)


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)


def _routine(error: DBAPIError) -> str | None:
    """Where in the server it was raised."""
    return getattr(getattr(error.orig, "diag", None), "source_function", None)


def _function(error: DBAPIError) -> str:
    """The outermost function that raised it; '' if none did."""
    context = getattr(getattr(error.orig, "diag", None), "context", None) or ""
    return "".join(context.strip().splitlines()[-1:])


def _refusal(error: DBAPIError, state: str) -> Refusal:
    diagnosis = getattr(error.orig, "diag", None)
    return Refusal(
        state,
        getattr(diagnosis, "constraint_name", None) or getattr(diagnosis, "datatype_name", None),
        getattr(diagnosis, "table_name", None),
        getattr(diagnosis, "column_name", None),
    )


def _words(error: DBAPIError) -> str:
    """The server's first line, without the statement and its values."""
    diagnosis = getattr(error.orig, "diag", None)
    primary = getattr(diagnosis, "message_primary", None) or str(error.orig)
    return primary.strip().splitlines()[0].rstrip(".") if primary.strip() else "no reason given"
