"""Views and their columns: which are missing, and which are of a type that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from worker.domain.platform_views import Column, Holds, View
from worker.storage.platform.report import Fault, Finding

# `typcategory` of a domain is that of its base.
_COLUMNS = text(
    """
    select c.relname as view, a.attname as name, cast(t.typcategory as text) as category,
        format_type(a.atttypid, a.atttypmod) as type, current_setting('TimeZone') as zone,
        current_user as role, has_table_privilege(c.oid, 'select') as may_read
    from unnest(cast(:views as text[])) as v (name)
    join pg_class c on c.oid = to_regclass(v.name)
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_type t on t.oid = a.atttypid
    """
)
_CATEGORIES = {
    Holds.ID: "NSE",
    Holds.IDS: "AS",
    Holds.FLAG: "BNSE",
    Holds.NUMBER: "NS",
    Holds.TIME: "DS",
    Holds.UUID: "US",
}
"""Categories of types that can be read as what a column holds; of others, all can."""

_DEFINE = "Define it over the platform's tables; docs/platform.md lists its columns."


def look(
    connection: Connection, views: Sequence[View]
) -> tuple[list[Finding], dict[str, tuple[Column, ...]]]:
    """What is wrong, and the columns of each view that is there which can be read."""
    findings: list[Finding] = []
    readable: dict[str, tuple[Column, ...]] = {}
    there: dict[str, dict[str, tuple[str, str]]] = {}
    closed: dict[str, str] = {}
    zone = ""
    rows = connection.execute(_COLUMNS, {"views": "{" + ",".join(v.name for v in views) + "}"})
    for row in rows:
        zone = row.zone
        if not row.may_read:
            closed[row.view] = row.role
        there.setdefault(row.view, {})[row.name] = (row.category, row.type)
    for view in views:
        columns = there.get(view.name)
        if columns is None:
            what = "" if view.is_needed else " What it is for is not available in the console."
            message = f"The view {view.name} does not exist.{what} {_DEFINE}"
            findings.append(
                Finding(Fault.MISSING_VIEW, view.name, message, is_note=not view.is_needed)
            )
            continue
        if view.name in closed:
            message = (
                f"The role {closed[view.name]} may not read the view {view.name}, so it was not "
                "looked at. deploy/sql/roles.sql says who may."
            )
            findings.append(Finding(Fault.NO_PERMISSION, view.name, message))
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


def _look_at(
    view: View, column: Column, there: tuple[str, str] | None, zone: str
) -> Finding | None:
    place = f"{view.name}.{column.name}"
    if there is None:
        return Finding(
            Fault.MISSING_COLUMN,
            view.name,
            f"The view {view.name} has no column {column.name} ({column.allowed}).",
            column.name,
        )
    category, kind = there
    if column.holds in _CATEGORIES and category not in _CATEGORIES[column.holds]:
        return Finding(
            Fault.WRONG_TYPE,
            view.name,
            f"The column {place} is of type {kind}, which cannot be read as {column.holds}.",
            column.name,
        )
    has_no_zone = category == "D" and "with time zone" not in kind
    if column.holds is Holds.TIME and has_no_zone:
        return Finding(
            Fault.NO_TIME_ZONE,
            view.name,
            f"The column {place} has no time zone: its times are taken for times in {zone}, the "
            "database's TimeZone.",
            column.name,
            is_note=True,
        )
    return None
