"""What the rows of a view contain: forbidden values, nulls, invalid ids, duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, text

from job_trigger_worker.domain.messages import shown
from job_trigger_worker.domain.platform_views import Column, Holds, View
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.arrays import texts
from job_trigger_worker.storage.db.view_columns import Columns, columns_of, is_word
from job_trigger_worker.storage.platform.report import MOST_NAMED, Finding, PlatformProblem, named

_MOST_VALUES = 20
"""How many values of a column are told that are not allowed."""


class Rows(NamedTuple):
    """The rows of a view that are looked at: SQL to select from, and its parameters."""

    view: View
    source: str
    parameters: Mapping[str, object]

    @classmethod
    def of(cls, view: View, most: int | None = None) -> Rows:
        """All rows, or the first ones."""
        name = f'"{view.name}"'  # in quotes: what is looked at is the platform's, not cast to ours
        return cls(view, name if most is None else f"(select * from {name} limit {most})", {})

    def only(self, keys: Sequence[str]) -> Rows:
        """Those with these keys."""
        return self._where("= any", "only", keys)

    def without(self, keys: Sequence[str]) -> Rows:
        """Those without these keys."""
        return self._where("<> all", "without", keys)

    def select(self, connection: Connection, columns: str, rest: str = "") -> list[RowMapping]:
        """What a statement finds of them. Raises with the name of the view."""
        statement = text(f"select {columns} from {self.source} as v {rest}")
        with errors.translate_read_errors(
            self.view.name, fits=True
        ):  # its columns were looked at before
            return list(connection.execute(statement, dict(self.parameters)).mappings())

    def _where(self, how: str, name: str, keys: Sequence[str]) -> Rows:
        condition = f"{key_of(self.view)} {how}(cast(:{name} as text[]))"
        source = f"(select * from {self.source} as v where {condition})"
        return Rows(self.view, source, {**self.parameters, name: texts(keys)})


def read(connection: Connection, rows: Rows, columns: Sequence[Column]) -> dict[str, int]:
    """Read every column of the rows as preflight and console do.

    Returns how many rows there are (under ''), and how many are not as they have to be, by column.
    Raises what the database raises, with the name of the view.
    """
    of = columns_of(connection, rows.view.name)
    selected = [
        f"""count({_as_read(of, column)}) as "{column.name}",
            count(*) filter (where not ({is_good(of, column)})) as "not {column.name}" """
        for column in columns
    ]
    (row,) = rows.select(connection, ", ".join(['count(*) as "all"', *selected]))
    return {"": row["all"], **{column.name: row[f"not {column.name}"] for column in columns}}


def is_good(of: Columns, column: Column) -> str:
    """SQL of a condition: the value is one that may stand in the column."""
    name = column.name
    if column.holds is Holds.FLAG:
        return of.is_flag(name)
    is_null = f"{name} is null or " if column.may_be_null else ""
    if column.holds is Holds.WORD:
        return f"{is_null}{is_word(name, column.words)}"
    if column.holds is Holds.ID:
        return f"{is_null}{of.is_id(name)}"
    if column.holds is Holds.NUMBER:
        return f"{name} is null or {of.is_number(name)}"
    if column.holds is Holds.IDS:
        return f"{name} is null or {of.is_ids(name)}"
    return "true" if column.may_be_null else f"{name} is not null"


def _as_read(of: Columns, column: Column) -> str:
    """SQL of the value as preflight or the console reads it; raises where that does."""
    name = column.name
    if column.holds is Holds.ID:
        return of.id(name)
    if column.holds is Holds.NUMBER:
        return of.number(name)
    if column.holds is Holds.IDS:
        return of.ids(name)
    if column.holds is Holds.TIME:
        return f"cast({name} as timestamptz)"
    if column.holds is Holds.UUID:
        return f"cast({name} as uuid)"
    return f"cast({name} as text)"


def not_allowed(connection: Connection, rows: Rows, column: Column) -> Iterator[Finding]:
    """Every value of a column that may not stand there, with some of the rows that say it."""
    view, name = rows.view, column.name
    of = columns_of(connection, view.name)
    for row in rows.select(
        connection,
        f"""cast({name} as text) as value, count(*) as rows,
            (array_agg({_key_as_said(view)}))[1:{MOST_NAMED}] as ids""",
        f"""where not ({is_good(of, column)})
            group by cast({name} as text) order by 2 desc, 1 limit {_MOST_VALUES}""",
    ):
        fault = PlatformProblem.UNKNOWN_VALUE
        if row["value"] is None:
            fault = PlatformProblem.NULL
        elif column.holds in {Holds.ID, Holds.IDS}:
            fault = PlatformProblem.NO_ID
        said = "null" if row["value"] is None else f"'{shown(row['value'])}'"
        count, ids = row["rows"], tuple(sorted(row["ids"]))
        yield Finding(
            fault,
            view.name,
            f"{view.name}.{name} is {said} in {pluralize(count, 'row')} ({named(ids, count)}); "
            f"it has to be {column.allowed}.",
            name,
            count,
            ids,
        )


def duplicates(connection: Connection, rows: Rows) -> Iterator[Finding]:
    """Keys that several rows have: which of them counts is not defined."""
    view = rows.view
    found = rows.select(
        connection,
        f"count(*) over () as keys, {key_of(view)} as id",
        f"""where {" and ".join(f"{name} is not null" for name in view.key)}
            group by {", ".join(_key_values(view))} having count(*) > 1
            order by count(*) desc, 2 limit {MOST_NAMED}""",
    )
    if found:
        ids, count = tuple(row["id"] for row in found), found[0]["keys"]
        what = "which of them counts is not defined"
        if view.is_needed:
            what = "what needs one of them fails as inventory_invalid"
        yield Finding(
            PlatformProblem.DUPLICATE,
            view.name,
            f"{view.name} has several rows of the same {' and '.join(view.key)} "
            f"({named(ids, count)}); {what}.",
            view.key[0],
            count,
            ids,
        )


def key_of(view: View) -> str:
    """SQL of a row's key in words: `server_id=7, account=deploy`; the same for equal keys."""
    return _in_words(view, _key_values(view))


def _key_as_said(view: View) -> str:
    """SQL of a row's key as the view says it."""
    return _in_words(view, [f"cast({name} as text)" for name in view.key])


def _in_words(view: View, values: list[str]) -> str:
    parts = (
        f"'{name}=' || coalesce({value}, 'null')"
        for name, value in zip(view.key, values, strict=True)
    )
    return " || ', ' || ".join(parts)


def _key_values(view: View) -> list[str]:
    # Without regard to case where that is how it is read.
    return [
        f"lower(cast({name} as text))"
        if view.column(name).holds is Holds.WORD
        else f"cast({name} as text)"
        for name in view.key
    ]
