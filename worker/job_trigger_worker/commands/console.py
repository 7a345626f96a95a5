"""`trigger-worker console`: the pages."""

from __future__ import annotations

import signal
import sys

import click

from job_trigger_worker import logs
from job_trigger_worker.config import load


@click.command("console")
@click.option("--listen", metavar="HOST:PORT", help="Where to serve.")
def command(listen: str | None) -> None:
    """Serve the pages: jobs, history, failures.

    On loopback unless told otherwise; beyond it needs TLS, or a reverse proxy that is named. Start
    as many as you like: they share their sessions. SIGTERM and SIGINT end it with 0.
    """
    settings = load(console_listen=listen)
    logs.configure(settings)
    # FastAPI takes its time to import: other commands never pay for it.
    from job_trigger_worker.runtime.console import ConsoleProcess  # noqa: PLC0415

    process = ConsoleProcess(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.stop())
    sys.stderr.write(f"The console is at {process.address}\n")
    process.run()
