"""What the reading commands share: a session, a time that is asked for, and plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from job_trigger_worker.clock import SystemClock
from job_trigger_worker.commands.database import READER, asking
from job_trigger_worker.config import load
from job_trigger_worker.dead_letters.rendering import printable
from job_trigger_worker.domain import durations
from job_trigger_worker.domain.read_models import TROUBLE, AsOf, RecordRow, Status, Window
from job_trigger_worker.errors import UsageError
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.engine import make_engine

_PLAIN_WIDTH = 1000
"""Columns of a table in a pipe: nobody's terminal cuts it."""

since_flag = click.option(
    "--since",
    metavar="TIME",
    help="How long ago (90s, 30m, 1h, 7d), or a time, RFC 3339 with a zone.",
)


@contextmanager
def session() -> Iterator[tuple[Connection, AsOf]]:
    """A connection to the database of the settings, and the moment that it is asked for."""
    settings = load()
    engine = make_engine(settings)
    try:
        with asking(READER), errors.translate_read_errors(), engine.connect() as connection:
            yield connection, AsOf(SystemClock().now(), settings.no_answer_after_s)
    finally:
        engine.dispose()


def moment(written: str, now: datetime) -> datetime:
    """The time that `--since` means. Raises `UsageError` for what is none."""
    ago = durations.parsed(written)
    if ago is not None:
        return now - timedelta(seconds=ago)
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            f"--since {written} cannot be used.",
            remedy="It looks like 90s, 30m, 1h, 7d or 2026-11-20T08:00:00Z.",
        )
    return found.astimezone(UTC)


def plain(value: Any, name: str = "") -> Any:
    """A value of the read service for programs: ids as strings, times as RFC 3339."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name), f.name) for f in fields(value) if f.repr}
    if isinstance(value, tuple):
        return [plain(each, name) for each in value]
    if isinstance(value, Mapping):
        return {str(key): plain(each, str(key)) for key, each in value.items()}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, UUID) or (isinstance(value, int) and _is_id(name)):
        return str(value)
    return value


def _is_id(name: str) -> bool:
    return name == "id" or name.endswith("_id")


def table(out: Console, *columns: str) -> Table:
    """An empty table: no lines but one under the head, nothing cut in a pipe."""
    if not out.is_terminal:
        out.width = _PLAIN_WIDTH
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def status(found: Status) -> Text:
    """A status in a colour: trouble red, success green."""
    style = "red" if found in TROUBLE else "green" if found is Status.SUCCEEDED else ""
    return Text(str(found), style)


def at(found: datetime | None) -> str:
    """A time on a terminal: UTC, to the second, as in logs and answers."""
    return "" if found is None else found.astimezone(UTC).isoformat(" ", "seconds")


def words(found: str | None) -> Text:
    """Stored text, without anything that could steer a terminal."""
    return Text(printable(found or "").replace("\n", " "))


def record_line(record: RecordRow) -> tuple[str | Text, ...]:
    """A record in a table: id, slot, lateness, kind, who had it sent, status, message."""
    late = "" if record.lateness_s is None else f"{record.lateness_s:+.0f} s"
    message = record.message or (record.run.message if record.run else None)
    return (
        str(record.id),
        at(record.scheduled_at),
        late,
        record.kind or "",
        words(sender(record)),
        _status_of(record),
        words(message),
    )


def sender(record: RecordRow) -> str:
    """Who had a trigger sent, and whether that is proven; '' where nobody is named."""
    if record.triggered_by is None:
        return ""
    return f"{record.triggered_by} ({'verified' if record.triggered_by_verified else 'claimed'})"


def _status_of(record: RecordRow) -> Text:
    shown = status(record.status)
    if record.run is not None and record.run.other_ends:
        shown.append(" (contradicted)", "red")
    return shown


def window_note(window: Window | None) -> str | None:
    """What a person has to know about a bounded read; None when it read everything."""
    if window is None or window.is_complete:
        return None
    since = f", since {at(window.since)}" if window.since else ""
    return f"Only the newest {window.read:,} were looked at{since}."
