"""What every command shares: the `--json` flag and how a result is printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console

from job_trigger_worker.commands.terminal_encoding import holds_everything

as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, the last line of stdout."
)


def console(*, stderr: bool = False) -> Console:
    """A rich console that honours NO_COLOR and plain pipes."""
    return Console(stderr=stderr, highlight=False, no_color="NO_COLOR" in os.environ or None)


def confirmed(question: str) -> bool:
    """Ask a person on stderr; an end of input is a no, and ends the question's line."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def noted(said: str, note: object) -> str:
    """`log-backup (action)`; without brackets where nothing is known that could stand in them."""
    return said if note is None or note == "" else f"{said} ({note})"


def finish(
    result: Mapping[str, Any],
    *,
    as_json: bool,
    show: Callable[[Console], None],
    is_good: bool = True,
) -> None:
    """Print a result for a program or for a person, and leave with 0 or 1."""
    if as_json:
        is_ascii = not holds_everything(sys.stdout.encoding)
        sys.stdout.write(json.dumps(result, ensure_ascii=is_ascii, default=_plain) + "\n")
        sys.stdout.flush()
    else:
        show(console())
    if not is_good:
        raise SystemExit(1)


def _plain(value: object) -> str:
    """What JSON has no form for: a moment in UTC, anything else as text."""
    return str(value.astimezone(UTC) if isinstance(value, datetime) else value)
