"""Statements of every batch, planned once a session instead of once a batch.

A small batch spends more on parsing, planning and SQLAlchemy's result objects than on its rows. A
statement made by `every_batch` is prepared when a session first runs it and executed by name from
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

_KNOWN = "trigger_worker_prepared"
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")

Rows = list[tuple[Any, ...]]


class Prepared:
    """One statement; `preparation` and `call` are what the server is sent."""

    __slots__ = ("call", "name", "preparation", "statement")

    def __init__(self, statement: str) -> None:
        self.statement = statement
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
        """Raises `DBAPIError` like a statement of SQLAlchemy's, without the values."""
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
            # A plan whose view was redefined is of no use any more, and its session's others are as
            # old: what is prepared in a new one is planned anew.
            is_lost = is_lost or (is_known and error.pgcode in _CANNOT)
            if is_lost:
                connection.invalidate(error)
            raise DBAPIError.instance(
                self.statement, {}, error, Error, connection_invalidated=is_lost
            ) from error
        finally:
            cursor.close()


def every_batch(statement: str) -> Prepared:
    """A statement worth preparing. Each of its parameters has to be cast: nothing else types it."""
    return Prepared(statement)
