"""What a downgrade would drop from a database, counted, for the question before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from job_trigger_worker.migrations.going import Goes
from job_trigger_worker.storage.db.arrays import texts

MOST_COUNTED = 1_000_000
"""Rows of a table that are counted one by one; of a larger one it is said that there are more."""

_TABLES = text(
    """
    select t.name
    from unnest(cast(:names as text[]), cast(:marks as text[])) with ordinality
        as t (name, mark, place)
    where to_regclass(t.name) is not null
      and (t.mark is null or obj_description(to_regclass(t.name), 'pg_class') = t.mark)
    order by t.place
    """
)
_COLUMNS = text(
    """
    select t.name, array_agg(cast(a.attname as text) order by a.attnum) as columns
    from unnest(cast(:names as text[]), cast(:columns as text[]), cast(:marks as text[]))
        as t (name, "column", mark)
    join pg_attribute a on a.attrelid = to_regclass(t.name) and a.attname = t."column"
        and not a.attisdropped and col_description(a.attrelid, a.attnum) = t.mark
    group by t.name order by t.name
    """
)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A table that goes, or `columns` of one that stays; `rows` are at most `MOST_COUNTED` + 1."""

    table: str
    rows: int
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Going:
    """The way down from a revision to another (`base` is before the first), and what it drops."""

    revision: str
    to: str
    dropped: tuple[Dropped, ...]


def dropped(connection: Connection, goes: Sequence[Goes]) -> tuple[Dropped, ...]:
    """What of these is in this database, with what it holds. Changes nothing."""
    whole = [each for each in goes if not each.columns]
    names, marks = texts(each.table for each in whole), texts(each.mark for each in whole)
    tables = connection.execute(_TABLES, {"names": names, "marks": marks}).scalars().all()
    single = [
        (each.table, column, each.mark)
        for each in goes
        if each.table not in tables
        for column in each.columns
    ]
    values = {
        "names": texts(name for name, _, _ in single),
        "columns": texts(column for _, column, _ in single),
        "marks": texts(mark for _, _, mark in single),
    }
    columns = connection.execute(_COLUMNS, values).all()
    return (
        *(Dropped(table, _count(connection, table)) for table in tables),
        *(Dropped(row.name, _count(connection, row.name), tuple(row.columns)) for row in columns),
    )


def _count(connection: Connection, table: str) -> int:
    limited = f"select count(*) from (select from {table} limit {MOST_COUNTED + 1}) as counted"
    return int(connection.execute(text(limited)).scalar_one())
