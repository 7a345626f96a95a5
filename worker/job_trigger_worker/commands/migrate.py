"""`trigger-worker migrate`: the database's schema up, down, and where it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import click
from rich.console import Console

from job_trigger_worker import config
from job_trigger_worker.commands.output import as_json, confirmed, console, finish
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.errors import UsageError
from job_trigger_worker.storage.platform.report import PlatformProblem, Report
from job_trigger_worker.storage.schema import revisions
from job_trigger_worker.storage.schema.going_down import MOST_COUNTED, Dropped, Going

_NOUNS = {"awp_job_execution": "record", "awp_dead_letter": "dead letter"}


@click.command(name="migrate")
@click.argument(
    "action",
    type=click.Choice(["up", "down", "current"]),
    default="up",
    metavar="[up|down|current]",  # click would put brackets around its own
)
@click.option(
    "--to", metavar="REV", help="Revision to go to; default: up the newest, down one back."
)
@click.option("--stamp", metavar="REV", help="Up: note REV as done first, without running it.")
@click.option("--sql", is_flag=True, help="Print the SQL instead; no database is asked.")
@click.option("--yes", is_flag=True, help="Down: do not ask.")
@as_json
def command(
    *, action: str, to: str | None, stamp: str | None, sql: bool, yes: bool, as_json: bool
) -> None:
    """Bring the database schema up or down, or say where it is.

    On an existing platform: `migrate up --stamp 0001` keeps its tables and adds the rest. Tables
    stay in use meanwhile; after a failure, run the same again.
    """
    _refuse_nonsense(action, to=to, stamp=stamp, sql=sql)
    if sql:
        _print_sql(action, to=to, stamp=stamp, as_json=as_json)
        return
    url = config.load().database_url.get_secret_value()
    started = time.monotonic()
    steps: list[str] = []
    if action == "current":
        state = revisions.current(url)
    elif action == "up":
        state = revisions.upgrade(url, to=to or "head", stamp=stamp, on_step=_step("up", steps))
    else:
        if not yes:
            _ask(revisions.going_down(url, to=to or "-1"))
        state = revisions.downgrade(url, to=to or "-1", on_step=_step("down", steps))
    report = _look_at_views(url) if action != "down" and state.is_current else Report()
    result = {
        "action": action,
        "revision": state.revision,
        "head": state.head,
        "is_current": state.is_current,
        "steps": steps,
        "missing_views": list(state.missing_views),
        "problems": [each.message for each in report.problems],
        "warnings": list(state.warnings),
        "seconds": round(time.monotonic() - started, 3),
    }
    finish(result, as_json=as_json, show=lambda out: _show(out, result))


def _look_at_views(url: str) -> Report:
    """What is wrong with the views that are there, by their first rows.

    It is told and does not fail the migration, which is done.
    """
    report = revisions.look_at_views(url)
    return replace(
        report,
        findings=[
            each for each in report.findings if each.fault is not PlatformProblem.MISSING_VIEW
        ],
    )


def _refuse_nonsense(action: str, *, to: str | None, stamp: str | None, sql: bool) -> None:
    if stamp is not None and action != "up":
        raise UsageError(
            "--stamp goes with `migrate up`.", remedy="See `trigger-worker migrate -h`."
        )
    if action == "current" and (sql or to is not None):
        raise UsageError(
            "`migrate current` only says where the database is.",
            remedy="Leave out --to and --sql.",
        )


def _print_sql(action: str, *, to: str | None, stamp: str | None, as_json: bool) -> None:
    printed = revisions.script(to=to, stamp=stamp, is_down=action == "down")
    finish(
        {"action": action, "sql": printed},
        as_json=as_json,
        show=lambda _: click.echo(printed, nl=False),
    )


def _ask(going: Going) -> None:
    """Going down loses what the later revisions hold: records' outcomes, ledger, dead letters."""
    err = console(stderr=True)
    for line in _told(going):
        err.print(line, markup=False, soft_wrap=True)
    if not confirmed("Go on?"):
        raise UsageError("Nothing was changed.", remedy="Answer y, or pass --yes.")


def _told(going: Going) -> Iterator[str]:
    """What goes, table by table; those that hold nothing in one line."""
    way = f"Going down from {going.revision} to {going.to} drops"
    if not going.dropped:
        yield f"{way} no table and no column."
        return
    yield f"{way}, with what is in it:"
    for each in going.dropped:
        if each.columns and each.rows:
            yield f"    of {each.table} ({_rows(each)}) the columns {', '.join(each.columns)}"
        elif each.rows:
            yield f"    {each.table}: {_rows(each)}"
    if empty := [each.table for each in going.dropped if not each.rows]:
        yield f"    what holds nothing: {', '.join(empty)}"
    yield "Only a dump brings it back; deploy/README.md says under 'Upgrading' what follows."


def _rows(each: Dropped) -> str:
    noun = _NOUNS.get(each.table, "row")
    if each.rows > MOST_COUNTED:
        return f"more than {MOST_COUNTED:,} {noun}s"
    return pluralize(each.rows, noun)


def _step(direction: str, steps: list[str]) -> Callable[[str], None]:
    def note(revision: str) -> None:
        steps.append(revision)
        console(stderr=True).print(f"{direction} {revision}")

    return note


def _show(out: Console, result: dict[str, Any]) -> None:
    where = result["revision"] or "no revision"
    out.print(f"The database is at {where}; the newest is {result['head']}.")
    for warning in result["warnings"]:
        out.print(warning)
    if result["is_current"] and result["missing_views"]:
        out.print(
            f"Not there: {', '.join(result['missing_views'])}. Define these views over the "
            "platform's own tables; docs/platform.md lists their columns."
        )
    for problem in result["problems"]:
        out.print(problem, markup=False, soft_wrap=True)
    if result["problems"]:
        out.print("`trigger-worker platform check` reads every row.", markup=False)
