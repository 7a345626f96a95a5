"""Statements of every batch, planned once a session instead of once a batch.

A small batch spends more on parsing and planning than on its rows. A statement marked with
`every_batch` is prepared when a session first runs it and executed by name from then on, with a
generic plan: array literals of any length then go through the same indexes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, event, text
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

_MARK = "trigger_worker_every_batch"
_PARAMETER = re.compile(r"%\((\w+)\)s")


def every_batch(statement: str) -> TextClause:
    """A statement worth preparing. Each of its parameters has to be cast: nothing else types it."""
    return text(statement).execution_options(**{_MARK: True})


def prepare_on(engine: Engine) -> None:
    """Have marked statements prepared on the connections of an engine."""
    event.listen(engine, "before_cursor_execute", _before, retval=True)


def executable(cursor: Any, known: dict[str, str], statement: str) -> str:
    """The EXECUTE for a statement in the driver's form; prepares it if `known` lacks it.

    `known` belongs to one database session. The parameters stay as they were.
    """
    execute = known.get(statement)
    if execute is None:
        name = f"tw_{sha256(statement.encode()).hexdigest()[:16]}"
        parameters = list(dict.fromkeys(_PARAMETER.findall(statement)))
        numbers = {parameter: f"${place}" for place, parameter in enumerate(parameters, 1)}
        body = _PARAMETER.sub(lambda match: numbers[match[1]], statement).replace("%%", "%")
        cursor.execute(f"prepare {name} as {body}")
        values = ", ".join(f"%({parameter})s" for parameter in parameters)
        execute = known[statement] = f"execute {name} ({values})"
    return execute


def _before(
    connection: Connection,
    cursor: DBAPICursor,
    statement: str,
    parameters: Mapping[str, Any],
    context: ExecutionContext,
    _is_many: bool,
) -> tuple[str, Mapping[str, Any]]:
    if _MARK in context.execution_options:
        statement = executable(cursor, connection.info.setdefault(_MARK, {}), statement)
    return statement, parameters
