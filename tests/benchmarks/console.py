"""`python -m tests.benchmarks.console`: how long the console's reads take on a large platform.

Makes a PostgreSQL of its own in a folder on the disk, fills it, times every list that pages show,
and removes it all. Progress goes to stderr, the table (or, with --json, one object) to stdout.
Exits 1 when a p95 is above its target, and names it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from job_trigger_worker.config import Settings
from job_trigger_worker.embedded.postgres import EmbeddedPostgres
from job_trigger_worker.errors import TriggerWorkerError
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.schema import revisions
from tests.benchmarks import console_answers, console_fill, console_reads, console_timing, machine
from tests.benchmarks.console_fill import Filled, Say
from tests.benchmarks.console_timing import Figure
from tests.support.postgres import PostgresServer


def main(arguments: Sequence[str]) -> int:
    """Fill, measure, report."""
    asked = _parse(arguments)
    began = time.monotonic()

    def say(words: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {words}\n")
        sys.stderr.flush()

    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="awp-bench-", dir=asked.folder))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = EmbeddedPostgres(folder / "postgres", fsync=True)
        stack.callback(postgres.stop)
        server = PostgresServer(postgres.start().url, "console")
        url = server.create(server.template, template="template0")
        revisions.upgrade(url)
        filled = console_fill.fill(url, asked.jobs, asked.records, say)
        figures = _measured(filled, asked.samples, say)
    described = {**machine.describe(), "jobs": asked.jobs, "records": asked.records}
    if asked.json:
        told = {name: figure.as_json() for name, figure in figures.items()}
        sys.stdout.write(json.dumps({**told, "machine": described}) + "\n")
    else:
        _show(figures, described)
    missed = [name for name, figure in figures.items() if not figure.is_reached]
    for name in missed:
        figure = figures[name]
        say(f"MISSED: {name}: p95 {figure.p95:.0f} ms, wanted {figure.target} ms")
    return 1 if missed else 0


def _measured(filled: Filled, samples: int, say: Say) -> dict[str, Figure]:
    pool = Pool(Settings(database_url=SecretStr(filled.url)))
    try:
        with pool.snapshot() as connection:
            connection.execute(text("set local statement_timeout = 0"))
            cases = console_reads.cases(connection, filled)
        say(f"{len(cases)} cases")
        figures = console_timing.measure(pool, cases, samples, say)
    finally:
        pool.close()
    figures |= console_answers.measure(filled, samples)
    say("answers of a served console")
    return figures


def _show(figures: Mapping[str, Figure], described: Mapping[str, object]) -> None:
    """The table, what is nearest to its target first."""
    table = Table(title="Milliseconds at the server", title_justify="left")
    for name in ("", "p50", "p95", "p99", "wanted", "samples", "rows", ""):
        table.add_column(name, justify="left" if name == "" else "right")

    def share(item: tuple[str, Figure]) -> float:
        return item[1].p95 / (item[1].target or sys.maxsize)

    for name, figure in sorted(figures.items(), key=share, reverse=True):
        table.add_row(
            name,
            *(f"{ms:.1f}" for ms in (figure.p50, figure.p95, figure.p99)),
            "" if figure.target is None else str(figure.target),
            str(figure.n),
            f"{figure.rows:,}",
            "" if figure.is_reached else "[bold]MISSED[/bold]",
        )
    Console(width=120).print(table)
    Console().print(", ".join(f"{name} {value}" for name, value in described.items()))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-console", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--samples", type=int, default=40, help="of each case, at least")
    parser.add_argument("--folder", help="where the data are made, 9 GB; else where TMPDIR says")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    try:
        sys.exit(main(sys.argv[1:]))
    except (AssertionError, TriggerWorkerError) as reason:
        sys.exit(f"Not everything could be measured: {reason}")
