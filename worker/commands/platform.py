"""`trigger-worker platform`: what the platform's views say, held to what they may say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from worker.commands.database import asking
from worker.commands.output import as_json, finish
from worker.config import load
from worker.domain.counting import counted
from worker.storage.engine import Session, make_engine
from worker.storage.platform.check import check
from worker.storage.platform.report import Finding, Report


@click.group()
def command() -> None:
    """Look at what the platform's views say."""


@command.command("check")
@as_json
@asking()
def check_command(*, as_json: bool) -> None:
    """Read every row of the views and name what is wrong.

    With the ids: rows for which a view raises, values that are not allowed, nulls, ids that are
    none or there twice, schedules and time zones that cannot be read; and columns that are missing
    or of a type that cannot be read, look-ups that no index serves, and tables that the worker
    could not write to. Nothing is changed. Exit 1 when something has to be mended; notes alone
    are 0.
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
        "rows": report.rows,
    }


def lines(report: Report) -> list[str]:
    """A report as lines for people: problems, then notes."""
    notes = [f"note: {each.message}" for each in report.notes]
    return [*(each.message for each in report.problems), *notes]


def _as_object(finding: Finding) -> dict[str, Any]:
    found = asdict(finding)
    del found["is_note"]
    return {**found, "fault": finding.fault.value, "ids": list(finding.ids)}


def _show(out: Console, report: Report) -> None:
    for line in lines(report):
        out.print(line, markup=False, soft_wrap=True)
    rows = counted(sum(report.rows.values()), "row")
    views = counted(len(report.rows), "view")
    problems = counted(len(report.problems), "problem") if report.problems else "nothing wrong"
    out.print(f"{rows} of {views} read: {problems}.", markup=False)
