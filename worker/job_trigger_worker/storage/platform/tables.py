"""The tables and views that worker and console write to, and which of them cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, text

from job_trigger_worker.migrations import prerequisites
from job_trigger_worker.storage.db.arrays import texts
from job_trigger_worker.storage.platform.report import Finding, PlatformProblem

_PROBLEMS = text(prerequisites.PROBLEMS)
# What takes updates and no deletes has a trigger or a rule, which takes every column.
_UNEDITABLE = text(
    """
    select a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.oid = to_regclass('console_job_write') and c.relkind = 'v'
      and a.attname = any(cast(:edited as text[]))
      and case pg_relation_is_updatable(c.oid, true) & 20 when 20
          then not pg_column_is_updatable(c.oid, a.attnum, true)
          else pg_relation_is_updatable(c.oid, true) & 4 = 0 end
    order by a.attnum
    """
)
_FLAG_TYPE = text(
    """
    select format_type(a.atttypid, a.atttypmod) from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    where a.attrelid = to_regclass('console_job_write') and a.attname = 'enabled'
      and t.typcategory not in ('B', 'N')
    """
)
_EDITED = ("name", "schedule", "timezone", "enabled", "paramter")


def unfit(connection: Connection) -> Iterator[Finding]:
    """What would keep the worker from writing: a required column, or a foreign key."""
    for row in connection.execute(_PROBLEMS):
        if row.place != prerequisites.OF_THE_USER:
            yield _finding(row)


def unwritable_jobs(connection: Connection) -> Iterator[Finding]:
    """Why no job can show its records (R3): the platform's view of them takes no such update."""
    for row in connection.execute(_PROBLEMS):
        if row.relation == prerequisites.JOBS and row.place in prerequisites.NOT_WRITABLE:
            yield _finding(row)


def uneditable(connection: Connection) -> Iterator[Finding]:
    """What the console could not save of an edit. It costs no trigger, so these are notes."""
    for column in connection.execute(_UNEDITABLE, {"edited": texts(_EDITED)}).scalars():
        yield Finding(
            PlatformProblem.UNFIT_TABLE,
            "console_job_write",
            f"The column {column} of the view console_job_write cannot be updated, so the console "
            "cannot save it. Give the view an INSTEAD OF UPDATE trigger (docs/platform.md).",
            column,
            is_note=True,
        )
    for kind in connection.execute(_FLAG_TYPE).scalars():
        yield Finding(
            PlatformProblem.WRONG_TYPE,
            "console_job_write",
            f"The column console_job_write.enabled is of type {kind}: the console writes 1 or 0 to "
            "it. Make it a boolean or a number in the view, whose trigger writes your word.",
            "enabled",
            is_note=True,
        )


def _finding(row: Row[Any]) -> Finding:
    return Finding(PlatformProblem.UNFIT_TABLE, row.relation, f"{row.message} {row.remedy}")
