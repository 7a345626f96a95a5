"""Views and their columns: which are missing, and which are of a type that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from job_trigger_worker.domain.platform_views import Column, Holds, View
from job_trigger_worker.storage.db import search_path
from job_trigger_worker.storage.db.view_columns import is_no_number
from job_trigger_worker.storage.platform.report import Finding, PlatformProblem

# `typcategory` of a domain is that of its base.
_COLUMNS = text(
    """
    select c.relname as view, a.attname as name, cast(t.typcategory as text) as category,
        format_type(a.atttypid, a.atttypmod) as type, b.typname as base,
        current_setting('TimeZone') as zone,
        current_user as role, has_table_privilege(c.oid, 'select') as may_read
    from unnest(cast(:views as text[])) as v (name)
    join pg_class c on c.oid = to_regclass(v.name)
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_type t on t.oid = a.atttypid
    left join pg_type b on b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
    """
)
_CATEGORIES = {
    Holds.ID: "NSE",
    Holds.IDS: "AS",
    Holds.FLAG: "BNSEV",
    Holds.NUMBER: "NS",
    Holds.TIME: "DS",
    Holds.UUID: "US",
}
"""Categories of types that can be read as what a column holds."""

_NO_TEXT = "ACR"
"""Arrays, rows and ranges. They are no text, and nor are bytes; everything else can be one."""

_DEFINE = "Define it over the platform's tables; docs/platform.md lists its columns."


class _Type(NamedTuple):
    """A column's type; `base` is what a domain is over, or its own name."""

    category: str
    name: str
    base: str


def look(
    connection: Connection, views: Sequence[View]
) -> tuple[list[Finding], dict[str, tuple[Column, ...]]]:
    """What is wrong, and the columns of each view that is there which can be read."""
    findings: list[Finding] = []
    readable: dict[str, tuple[Column, ...]] = {}
    there: dict[str, dict[str, _Type]] = {}
    closed: dict[str, str] = {}
    zone = ""
    rows = connection.execute(_COLUMNS, {"views": "{" + ",".join(v.name for v in views) + "}"})
    for row in rows:
        zone = row.zone
        if not row.may_read:
            closed[row.view] = row.role
        there.setdefault(row.view, {})[row.name] = _Type(row.category, row.type, row.base)
    missing = [view.name for view in views if view.name not in there]
    others = search_path.find(connection, missing) if missing else {}
    for view in views:
        columns = there.get(view.name)
        if columns is None:
            what = "" if view.is_needed else " What it is for is not available in the console."
            message = f"The view {view.name} does not exist.{what} {_DEFINE}"
            if view.name in others:
                message = str(others[view.name].told(f"The view {view.name} is"))
            findings.append(
                Finding(
                    PlatformProblem.MISSING_VIEW, view.name, message, is_note=not view.is_needed
                )
            )
            continue
        if view.name in closed:
            message = (
                f"The role {closed[view.name]} may not read the view {view.name}, so it was not "
                "looked at. deploy/sql/roles.sql says who may: run it again where the view was "
                "dropped and made again, which loses its grants."
            )
            findings.append(Finding(PlatformProblem.NO_PERMISSION, view.name, message))
            continue
        good: list[Column] = []
        for column in view.columns:
            found = _look_at(view, column, columns.get(column.name), zone)
            if found is not None:
                findings.append(found)
            if found is None or found.is_note:
                good.append(column)
        readable[view.name] = tuple(good)
    return findings, readable


def _look_at(view: View, column: Column, there: _Type | None, zone: str) -> Finding | None:
    place = f"{view.name}.{column.name}"
    if there is None:
        return Finding(
            PlatformProblem.MISSING_COLUMN,
            view.name,
            f"The view {view.name} has no column {column.name} ({column.allowed}).",
            column.name,
        )
    if not _can_be_read(there, column.holds):
        return Finding(
            PlatformProblem.WRONG_TYPE,
            view.name,
            f"The column {place} is of type {there.name}, which cannot be read as {column.holds}.",
            column.name,
        )
    has_no_zone = there.category == "D" and "with time zone" not in there.name
    if column.holds is Holds.TIME and has_no_zone:
        return Finding(
            PlatformProblem.NO_TIME_ZONE,
            view.name,
            f"The column {place} has no time zone: its times are taken for times in {zone}, the "
            "database's TimeZone.",
            column.name,
            is_note=True,
        )
    return None


def _can_be_read(there: _Type, holds: Holds) -> bool:
    if holds not in _CATEGORIES:
        return there.category not in _NO_TEXT and there.base != "bytea"
    if holds in {Holds.ID, Holds.NUMBER} and is_no_number(there.base):
        return False
    return there.category in _CATEGORIES[holds]
