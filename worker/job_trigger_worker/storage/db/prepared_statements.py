"""Statements of every batch, planned once a session instead of once a batch.

A small batch spends more on parsing, planning and SQLAlchemy's result objects than on its rows. A
statement made by `prepared` is prepared when a session first runs it and executed by name from
then on, with a generic plan (array literals of any length then go through the same indexes), on the
driver's own cursor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from psycopg2 import Error
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_CANNOT = ("0A000", "42883", "42804")
"""What a plan raises whose view was redefined: other columns come, or ids are of another type."""

_NO_RIGHT = "42501"
_OF_DEFINITIONS = ("42", "0A")
"""Classes of what a plan raises that does not fit, and that a row's value may raise, too: NaN that
is cast to a whole number, a name of what does not exist that is cast to `regclass`."""

_KNOWN = "trigger_worker_prepared"
_TRUSTED = "trigger_worker_trusted_plans"
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")

Rows = list[tuple[Any, ...]]


class RaisedByValues(DBAPIError):
    """A view raised what a plan raises that does not fit, though the plan is as new as the view."""


class PreparedStatement:
    """One statement; `preparation` and `call` are what the server is sent."""

    __slots__ = ("call", "name", "preparation", "reads_view", "statement")

    def __init__(self, statement: str, *, reads_view: bool = False) -> None:
        self.statement = statement
        self.reads_view = reads_view
        self.name = f"tw_{sha256(statement.encode()).hexdigest()[:16]}"
        parameters = list(dict.fromkeys(_PARAMETER.findall(statement)))
        numbers = {parameter: f"${place}" for place, parameter in enumerate(parameters, 1)}
        body = _PARAMETER.sub(lambda match: numbers[match[1]], statement)
        self.preparation = f"prepare {self.name} as {body}"
        self.call = f"execute {self.name} ({', '.join(f'%({name})s' for name in parameters)})"

    def rows(self, connection: Connection, values: Mapping[str, object]) -> Rows:
        """Run it in the connection's transaction; every row that it returns."""
        return self._run(connection, values, returns_rows=True)[0]

    def count(self, connection: Connection, values: Mapping[str, object]) -> int:
        """Run it in the connection's transaction; how many rows it changed."""
        return self._run(connection, values, returns_rows=False)[1]

    def _run(
        self, connection: Connection, values: Mapping[str, object], *, returns_rows: bool
    ) -> tuple[Rows, int]:
        """Raises `DBAPIError` like a statement of SQLAlchemy's, without the values.

        A plan that does not fit its view any more ends the session: in a new one, what cannot be
        planned is told while it is prepared, and what a plan just made raises comes from values.
        """
        known: set[str] = connection.info.setdefault(_KNOWN, set())
        cursor: Any = connection.connection.cursor()
        is_known = self.name in known
        try:
            if not is_known:
                cursor.execute(self.preparation)
                known.add(self.name)
            cursor.execute(self.call, values)
            return (cursor.fetchall() if returns_rows else []), cursor.rowcount
        except Error as error:
            fault: Any = error
            is_lost = connection.dialect.is_disconnect(fault, cursor.connection, cursor)
            if not is_lost and self.name in known and self._may_not_fit(error.pgcode or ""):
                trusted: set[str] = connection.info.setdefault(_TRUSTED, set())
                if self.reads_view and not is_known:
                    trusted.add(self.name)
                if self.name in trusted:
                    raise RaisedByValues(self.statement, {}, error) from error
                # The session's other plans are as old.
                is_lost = is_known
            if is_lost:
                connection.invalidate(error)
            raise DBAPIError.instance(
                self.statement, {}, error, Error, connection_invalidated=is_lost
            ) from error
        finally:
            cursor.close()

    def _may_not_fit(self, state: str) -> bool:
        """Whether a plan that its view does not fit any more may raise this."""
        if self.reads_view and state != _NO_RIGHT:
            return state.startswith(_OF_DEFINITIONS)
        return state in _CANNOT


def prepared(statement: str, *, reads_view: bool = False) -> PreparedStatement:
    """A statement worth preparing. Each parameter must be cast: nothing else types it.

    `reads_view` where it reads a view of the platform, whose rows may raise anything.
    """
    return PreparedStatement(statement, reads_view=reads_view)


def doubt(connection: Connection) -> None:
    """Treat errors of the session's plans as a sign that the plans no longer fit.

    For a view of which nothing can be read: it may have been redefined since.
    """
    connection.info.pop(_TRUSTED, None)
