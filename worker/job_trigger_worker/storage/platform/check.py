"""The whole check, and the quick one of a worker's start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, text

from job_trigger_worker.domain.platform_views import SHOWING, VIEWS, Column, View
from job_trigger_worker.errors import FatalError, ViewRaised
from job_trigger_worker.storage.platform import (
    grants,
    indexes,
    schedules,
    structure,
    tables,
    values,
)
from job_trigger_worker.storage.platform.raising import raising, unreadable
from job_trigger_worker.storage.platform.report import Finding, PlatformProblem, Report
from job_trigger_worker.storage.platform.values import Rows

Snapshot = Callable[[], AbstractContextManager[Connection]]
"""Begins a REPEATABLE READ READ ONLY transaction."""

SOME_ROWS = 10_000
"""Rows of each view that a start reads, or a migration."""

_NEEDED = tuple(view for view in VIEWS if view.is_needed)
_LIMIT = text("select set_config('statement_timeout', cast(:limit_ms as text), true)")


def check(
    snapshot: Snapshot, views: Sequence[View] = VIEWS, *, most_rows: int | None = None
) -> Report:
    """Look at the views, all rows or the first ones, each view in a transaction of its own.

    Also at the tables that the worker writes to. What a view raises is part of the report. Raises
    what concerns no view: an outage.
    """
    report = Report()
    with snapshot() as connection:
        findings, readable = structure.look(connection, views)
        report.add(findings)
        _, shown = structure.look(connection, [SHOWING])  # `tables` says what it lacks
        report.add(tables.unfit(connection))
        if most_rows is None:
            report.add(tables.uneditable(connection))
            report.add(grants.lost(connection))
            report.add(grants.invoking(connection))
            report.add(indexes.missing_of_jobs(connection))
    for view in views:
        if view.name in readable:
            with snapshot() as connection:
                _look_at(connection, view, readable[view.name], report, most_rows)
    if columns := shown.get(SHOWING.name):
        with snapshot() as connection:
            _read(connection, Rows.of(SHOWING, most_rows), columns, report, can_be_named=True)
    return report


def check_structure(connection: Connection) -> None:
    """Raise `FatalError` where a view that the worker needs is missing or cannot be read.

    Also where the view of jobs cannot be written. Everything is named, so that it can be corrected
    in one go.
    """
    findings, _ = structure.look(connection, _NEEDED)
    problems = [finding for finding in findings if not finding.is_note]
    problems += tables.unwritable_jobs(connection)
    if problems:
        raise FatalError(
            " ".join(problem.message for problem in problems),
            remedy="`trigger-worker platform check` says more.",
        )


def check_some_rows(snapshot: Snapshot, limit_ms: int) -> Report:
    """What is wrong with the first rows of the views that the worker needs.

    No statement takes longer than the limit; then it raises, as of an outage.
    """

    def limited() -> AbstractContextManager[Connection]:
        return _Limited(snapshot(), limit_ms)

    return check(limited, _NEEDED, most_rows=SOME_ROWS)


class _Limited(AbstractContextManager[Connection]):
    """A transaction in which no statement takes longer than a limit."""

    def __init__(self, inner: AbstractContextManager[Connection], limit_ms: int) -> None:
        self._inner = inner
        self._limit_ms = limit_ms

    def __enter__(self) -> Connection:
        connection = self._inner.__enter__()
        connection.execute(_LIMIT, {"limit_ms": self._limit_ms})
        return connection

    def __exit__(self, *raised: object) -> bool | None:
        return self._inner.__exit__(*raised)  # type: ignore[arg-type]


def _look_at(
    connection: Connection,
    view: View,
    columns: Sequence[Column],
    report: Report,
    most_rows: int | None,
) -> None:
    """Add to the report what is wrong with the rows of a view."""
    names = {column.name for column in columns}
    can_be_named = names.issuperset(view.key)
    bad, rows = _read(connection, Rows.of(view, most_rows), columns, report, can_be_named)
    if rows is not None:
        report.rows[view.name] = bad[""]
    if rows is None or not can_be_named:
        return
    for column in columns:
        if bad[column.name]:
            report.add(values.not_allowed(connection, rows, column))
    if view.is_unique:
        report.add(values.duplicates(connection, rows))
    if most_rows is None:
        report.add(indexes.missing(connection, view))
        if view.name == "console_job" and names.issuperset({"schedule", "timezone"}):
            report.add(schedules.unreadable(connection, rows))


def _read(
    connection: Connection,
    rows: Rows,
    columns: Sequence[Column],
    report: Report,
    can_be_named: bool,
) -> tuple[dict[str, int], Rows | None]:
    """How many values are not allowed, by column, and the rows that can be read."""
    view = rows.view
    try:
        with connection.begin_nested():
            bad = values.read(connection, rows, columns)
    except FatalError as error:
        report.add([Finding(PlatformProblem.UNREADABLE, view.name, str(error))])
        return {}, None
    except ViewRaised as error:
        if not can_be_named:
            report.add([unreadable(error)])
            return {}, None
        findings, left = raising(connection, rows, columns, error)
        report.add(findings)
        if left is None:
            return {}, None
        rows, bad = left, values.read(connection, left, columns)
    return bad, rows
