"""The console's views, where a platform has other types than ours: ids as text, times without zone.

The console's statements are written for the types that our own views have. Where a view has others,
its name in a statement stands for a select that casts them, made from the catalog, so that no
statement has to know; where it has ours, the statement is sent as it is written.

A time without a zone is taken for one in the database's TimeZone. Ids, numbers, flags and UUIDs
that are none are null.

No index serves what is cast. So where a statement asks of one job after the other whether a view
has it, and its ids are cast, the view is read once for all of them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, event

from job_trigger_worker.domain.platform_views import VIEWS, Column, Holds, View
from job_trigger_worker.storage.db.view_columns import (
    FALSE,
    TRUE,
    Columns,
    Kind,
    columns_of,
    is_word,
)

_CONSOLE = {view.name: view for view in VIEWS if not view.is_needed}
_USUAL = {
    Holds.ID: Kind.WHOLE,
    Holds.NUMBER: Kind.WHOLE,
    Holds.FLAG: Kind.FLAG,
    Holds.TIME: Kind.TIME,
    Holds.UUID: Kind.UUID,
}
_named = re.compile(rf"\b(from|join)\s+({'|'.join(_CONSOLE)})\b").sub
_asked_of_each = re.compile(
    rf"(?<!not )exists \(select from ({'|'.join(_CONSOLE)}) (\w+)"
    r" where \2\.job_id = ([\w.]+)\s+and "
).sub
_has_alias = re.compile(
    r"\s+(?:as\s+)?(?!(?:as|where|order|group|left|cross|join|on|limit|union|offset)\b)[a-z]"
).match


def attend(engine: Engine) -> None:
    """Have the statements of an engine's connections read the views in the types that we use."""
    event.listen(engine, "before_cursor_execute", _cast, retval=True)


def _cast(
    connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    if "console_" not in statement:
        return statement, parameters

    def source_of(name: str) -> str | None:
        return _source(_CONSOLE[name], columns_of(connection, name))

    def read_once(found: re.Match[str]) -> str:
        view, alias, job = found.groups()
        if not _casts_jobs(_CONSOLE[view], columns_of(connection, view)):
            return found[0]
        return f"{job} in (select {alias}.job_id from {view} {alias} where "

    def read(found: re.Match[str]) -> str:
        source = source_of(found[2])
        if source is None:
            return found[0]
        alias = "" if _has_alias(asked, found.end()) else f" as {found[2]}"
        return f"{found[1]} {source}{alias}"

    asked = _asked_of_each(read_once, statement)
    return _named(read, asked), parameters


def is_cast(view: View, column: Column, columns: Columns) -> bool:
    """Whether the console reads a column of a view through a cast, which no index of it serves."""
    usual = _USUAL.get(column.holds)
    return (
        view.name in _CONSOLE
        and usual is not None
        and columns.has(column.name)
        and columns.kind(column.name, usual) is not usual
    )


@lru_cache(maxsize=64)
def _casts_jobs(view: View, columns: Columns) -> bool:
    return any(is_cast(view, each, columns) for each in view.columns if each.name == "job_id")


@lru_cache(maxsize=64)
def _source(view: View, columns: Columns) -> str | None:
    """A select to use in place of a view; None if the view can be read as it is."""
    casts = {
        column.name: f"{_read(column, columns)} as {column.name}"
        for column in view.columns
        if is_cast(view, column, columns)
    }
    if not casts:
        return None
    selected = (
        casts.get(column.name, column.name) for column in view.columns if columns.has(column.name)
    )
    return f"(select {', '.join(selected)} from {view.name})"


def _read(column: Column, columns: Columns) -> str:
    name = column.name
    if column.holds is Holds.ID:
        return columns.id(name)
    if column.holds is Holds.NUMBER:
        return columns.number(name)
    if column.holds is Holds.TIME:
        return f"cast({name} as timestamptz)"
    if column.holds is Holds.FLAG:
        return (
            f"case when {is_word(name, TRUE)} then true when {is_word(name, FALSE)} then false end"
        )
    return (
        f"case when cast({name} as text) ~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'"
        f" then cast(cast({name} as text) as uuid) end"
    )
