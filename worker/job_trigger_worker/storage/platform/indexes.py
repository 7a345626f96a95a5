"""Whether an index serves each look-up; otherwise every batch reads whole tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from job_trigger_worker.domain.platform_views import Holds, View
from job_trigger_worker.errors import FatalError, ViewRaised
from job_trigger_worker.migrations.prerequisites import JOBS
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.arrays import texts
from job_trigger_worker.storage.db.view_casts import is_cast
from job_trigger_worker.storage.db.view_columns import columns_of
from job_trigger_worker.storage.platform.report import Finding, PlatformProblem

_LARGE = 1_000
"""Rows from which on a table without an index is worth a word."""

_SIZES = text(
    """
    select c.relname, c.reltuples from pg_class c
    where c.relname = any(cast(:names as text[])) and c.relkind in ('r', 'p', 'm')
      and c.reltuples >= :large
    """
)
_FIRST = text(
    """
    select c.relname as name, t.relname as table_name, pg_get_indexdef(c.oid, 1, false) as first
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    where c.relname = any(cast(:names as text[]))
    """
)
_qualifier = re.compile(r'(?:"[^"]+"|\b[^\W\d]\w*)\.(?=["\w])')
_layout = re.compile(r"[\s()]+")
_READS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
_FINDS = ("Index Cond", "Recheck Cond")
_TYPES = {Holds.ID: "a bigint", Holds.UUID: "a uuid"}
_INDEX = "Make one on it; where the view casts or computes the column, on that expression."
_JOINED = (
    "The view joins tables: make it in the one that has the column, and one on what {table} is "
    "joined by."
)


def missing(connection: Connection, view: View) -> Iterator[Finding]:
    """Large tables that are read as a whole to find one row of a view.

    PostgreSQL is asked how it would do it if it had to avoid that: what it still reads as a whole
    is served by no index, and so is what has to be found behind another column of an index. Tables
    of fewer than 1,000 rows, as the statistics have it, are not looked at.
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
        with connection.begin_nested(), errors.translate_read_errors(relation):
            connection.execute(text("set local enable_seqscan = off"))
            plan = connection.execute(
                text(f"explain (format json) select {column} from {relation} where {condition}")
            ).scalar_one()
            connection.execute(text("set local enable_seqscan = default"))
    except (ViewRaised, FatalError):
        return  # told where its rows are read
    is_joined = len(set(tables_of(plan[0]["Plan"]))) > 1
    whole = set(read_whole(plan[0]["Plan"]))
    conditions = dict(index_conditions(plan[0]["Plan"]))
    # Where what leads an index is not asked for, the index is read to its end.
    for row in connection.execute(_FIRST, {"names": texts(conditions)}):
        if not _is_part(row.first, conditions[row.name]):
            whole.add(row.table_name)
    sizes = connection.execute(_SIZES, {"names": texts(sorted(whole)), "large": _LARGE})
    for table, rows in sizes:
        yield Finding(
            PlatformProblem.MISSING_INDEX,
            relation,
            f"No index serves a look-up by {relation}.{column}: each one reads the whole table "
            f"{table} (about {int(rows):,} rows). {remedy}"
            + (f" {_JOINED.format(table=table)}" if is_joined else ""),
            column,
            int(rows),
            is_note=True,
        )


def tables_of(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads."""
    if "Relation Name" in plan:
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from tables_of(part)


def read_whole(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads as a whole, even through an index."""
    if plan["Node Type"] in _READS and not any(each in plan for each in _FINDS):
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from read_whole(part)


def _is_part(expression: str, condition: str) -> bool:
    """Whether a condition is on an expression, as PostgreSQL prints the two.

    It prints them with other brackets and line breaks, and the one with the names of tables.
    """
    return _bare(expression) in _bare(condition)


def _bare(expression: str) -> str:
    return _layout.sub("", _qualifier.sub("", expression))


def index_conditions(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The indexes by which a plan finds rows, each with its condition."""
    if "Index Cond" in plan:
        yield plan["Index Name"], plan["Index Cond"]
    for part in plan.get("Plans", ()):
        yield from index_conditions(part)
