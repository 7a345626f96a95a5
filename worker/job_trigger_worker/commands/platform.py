"""`trigger-worker platform`: what the platform's views say, held to what they may say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from job_trigger_worker.commands.database import CHECKER, asking
from job_trigger_worker.commands.output import as_json, finish
from job_trigger_worker.config import load
from job_trigger_worker.domain.platform_views import VIEWS
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.platform.check import check
from job_trigger_worker.storage.platform.report import Finding, PlatformProblem, Report


@click.group()
def command() -> None:
    """Look at what the platform's views say."""


@command.command("check")
@as_json
@asking(CHECKER)
def check_command(*, as_json: bool) -> None:
    """Read every row of the views and name what is wrong.

    With the ids: rows for which a view raises, values that are not allowed, nulls, ids that are
    none or there twice, schedules and time zones that cannot be read; and columns that are missing
    or of a type that cannot be read, look-ups that no index serves, and tables that the worker
    could not write to. Nothing is changed. Exit 1 when something has to be corrected, and when a
    view was not looked at because this login may not read it; notes alone are 0. Run it as the
    owner of the views, or as a login in the role trigger_console.
    """
    engine = make_engine(load())
    session = Session(engine)
    try:
        report = check(session.snapshot)
    finally:
        session.close()
        engine.dispose()
    finish(
        result(report),
        as_json=as_json,
        show=lambda out: _show(out, report),
        is_good=not report.problems,
    )


def result(report: Report) -> dict[str, Any]:
    """A report as one JSON object."""
    return {
        "ok": not report.problems,
        "problems": [_as_object(each) for each in report.problems],
        "notes": [_as_object(each) for each in report.notes],
        "not_looked_at": report.not_looked_at,
        "rows": report.rows,
    }


def _as_object(finding: Finding) -> dict[str, Any]:
    found = asdict(finding)
    del found["is_note"]
    return {**found, "fault": finding.fault.value, "ids": list(finding.ids)}


def _show(out: Console, report: Report) -> None:
    found = [each for each in report.problems if each.fault is not PlatformProblem.NO_PERMISSION]
    for line in [each.message for each in found] + [f"note: {n.message}" for n in report.notes]:
        out.print(line, markup=False, soft_wrap=True)
    out.print(_sum(report, len(found)), markup=False, soft_wrap=True)


def _sum(report: Report, found: int) -> str:
    """What was read and found, in one line; and what was not looked at, in another."""
    rows, views = sum(report.rows.values()), len(report.rows)
    closed = report.not_looked_at
    problems = pluralize(found, "problem") if found else "nothing wrong"
    read = f"{pluralize(rows, 'row')} of {pluralize(views, 'view')} read: {problems}"
    if not closed:
        return f"{read}."
    return (
        f"{read}{'' if found else ' in these'}.\n"
        f"{len(closed)} of {len(VIEWS)} views {'was' if len(closed) == 1 else 'were'} not looked "
        "at: this login may not read "
        f"{', '.join(closed)}. Run it as {CHECKER}."
    )
