"""Whether an index serves each look-up: otherwise every batch reads whole tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from migrations.prerequisites import JOBS
from worker.domain.platform_views import Holds, View
from worker.errors import Stop, ViewRaised
from worker.storage import errors
from worker.storage.platform.report import Fault, Finding
from worker.storage.view_casts import is_cast
from worker.storage.view_columns import columns_of

_LARGE = 1_000
"""Rows from which on a table without an index is worth a word."""

_SIZES = text(
    """
    select c.relname, c.reltuples from pg_class c
    where c.relname = any(cast(:names as text[])) and c.relkind in ('r', 'p', 'm')
      and c.reltuples >= :large
    """
)
_READS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
_FINDS = ("Index Cond", "Recheck Cond")
_TYPES = {Holds.ID: "a bigint", Holds.UUID: "a uuid"}
_INDEX = "Make one on it; where the view casts or computes the column, on that expression."


def missing(connection: Connection, view: View) -> Iterator[Finding]:
    """Large tables that are read from one end to the other to find one row of a view.

    PostgreSQL is asked how it would do it if it had to avoid that: what it still reads as a whole
    is served by no index. Tables of fewer than 1,000 rows are not looked at.
    """
    of = columns_of(connection, view.name)
    for name in view.looked_up:
        value = f"{of.compared(name)} = '1'"
        if view.column(name).holds is Holds.UUID:
            value = f"{name} = cast('00000000-0000-8000-8000-000000000000' as uuid)"
        elif view.column(name).holds is not Holds.ID:
            value = f"{name} = 'a'"
        remedy = _INDEX
        if is_cast(view, view.column(name), of):
            remedy = (
                f"The console casts the column: have {view.name} say "
                f"{_TYPES[view.column(name).holds]}, with an index on that expression."
            )
        yield from _unserved(connection, view.name, name, value, remedy)


def missing_of_jobs(connection: Connection) -> Iterator[Finding]:
    """The same of the jobs, which every batch updates by their ids (R3)."""
    yield from _unserved(connection, JOBS, "id", "id = cast('1' as bigint)", _INDEX)


def _unserved(
    connection: Connection, relation: str, column: str, condition: str, remedy: str
) -> Iterator[Finding]:
    """The large tables that are read as a whole to find what meets a condition on a column."""
    try:
        with connection.begin_nested(), errors.reading(relation):
            connection.execute(text("set local enable_seqscan = off"))
            plan = connection.execute(
                text(f"explain (format json) select {column} from {relation} where {condition}")
            ).scalar_one()
            connection.execute(text("set local enable_seqscan = default"))
    except (ViewRaised, Stop):
        return  # told where its rows are read
    tables = sorted(set(read_whole(plan[0]["Plan"])))
    sizes = connection.execute(
        _SIZES, {"names": "{" + ",".join(f'"{each}"' for each in tables) + "}", "large": _LARGE}
    )
    for table, rows in sizes:
        yield Finding(
            Fault.MISSING_INDEX,
            relation,
            f"No index serves a look-up by {relation}.{column}: each one reads the whole table "
            f"{table} (about {int(rows):,} rows). {remedy}",
            column,
            int(rows),
            is_note=True,
        )


def read_whole(plan: dict[str, Any]) -> Iterator[str]:
    """The tables of which a plan reads everything, also by way of an index that finds nothing."""
    if plan["Node Type"] in _READS and not any(each in plan for each in _FINDS):
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from read_whole(part)
