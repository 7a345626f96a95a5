"""The command line: `trigger-worker COMMAND`. Entry points only; each command has its module."""

from __future__ import annotations

import importlib
import os
import sys
from typing import cast

import click

from job_trigger_worker.commands.terminal_encoding import use_fallback
from job_trigger_worker.errors import TriggerWorkerError, UsageError

COMMANDS = {
    "run": "Everything embedded on this machine, with live demo data.",
    "worker": "Consume triggers: preflight, record, dispatch or failure event.",
    "streams": "Windowed failure counts from the failure topic.",
    "console": "The pages: jobs, history, failures.",
    "users": "Local users of the console, and services with a token.",
    "migrate": "Bring the database schema up or down.",
    "platform": "Check what the platform's views say, row by row.",
    "topics": "Create and check the topics; say where to read on.",
    "publish": "Send triggers.",
    "preflight": "Say whether jobs could start now, and why not. Changes nothing.",
    "failures": "What broke lately, by cause.",
    "history": "The records of a job, the newest first.",
    "show": "A job, record, trigger or execution, whole.",
    "jobs": "Correct what jobs show of their records.",
    "audit": "Prove that every trigger has a record and every record its event.",
    "retain": "Delete old records and dead letters; the count still closes.",
    "dlq": "List, show and replay dead letters.",
}


class _Lazy(click.Group):
    """Imports a command when it is called: `--help` answers without loading a Kafka client."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"job_trigger_worker.commands.{cmd_name}")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="job-trigger-worker", prog_name="trigger-worker")
def app() -> None:
    """No trigger ever disappears in silence.

    Settings come from the environment (TRIGGER_WORKER_…); flags win. Exit status: 0 done,
    1 did not succeed and said why, 2 used wrongly.
    """


def main() -> None:
    """Run the command line; an error of ours is one sentence on stderr and an exit status."""
    use_fallback()
    _name_what_is_no_setting()
    try:
        app()
    except TriggerWorkerError as error:
        sys.stderr.write(f"trigger-worker: {error}\n")
        raise SystemExit(2 if isinstance(error, UsageError) else 1) from None


def _name_what_is_no_setting() -> None:
    """A misspelled setting would do nothing, and nobody would know."""
    if any(name.upper().startswith("TRIGGER_WORKER_") for name in os.environ):
        # The import costs what `--help` need not pay.
        from job_trigger_worker.config import unknown  # noqa: PLC0415

        for sentence in unknown(os.environ):
            sys.stderr.write(f"trigger-worker: {sentence}\n")
