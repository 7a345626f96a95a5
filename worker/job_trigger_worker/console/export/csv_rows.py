"""Rows as CSV for spreadsheets, and as NDJSON for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

BOM = "\ufeff"
"""Begins a CSV: without it Excel takes UTF-8 for the machine's own code page."""

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""A cell that begins so would be calculated, or sent somewhere, by a spreadsheet."""

Columns = Mapping[str, str]
"""The head of a column, and where its value stands in a row: `newest.code`."""

EXECUTIONS: Columns = {
    "id": "id",
    "job_id": "job_id",
    "job_name": "job_name",
    "job_type": "job_type",
    "status": "status",
    "code": "code",
    "message": "message",
    "causes": "causes",
    "kind": "kind",
    "triggered_by": "triggered_by",
    "triggered_by_verified": "triggered_by_verified",
    "scheduled_at": "scheduled_at",
    "fired_at": "fired_at",
    "decided_at": "decided_at",
    "lateness_s": "lateness_s",
    "duplicate_count": "duplicate_count",
    "execution_id": "execution_id",
    "trigger_id": "trigger_id",
    "run_status": "run.status",
    "run_message": "run.message",
    "accepted_at": "run.accepted_at",
    "started_at": "run.started_at",
    "ended_at": "run.ended_at",
    "other_ends": "run.other_ends",
    "other_end": "run.other_end",
}
JOBS: Columns = {
    "id": "id",
    "name": "name",
    "job_type": "job_type",
    "status": "status",
    "code": "newest.code",
    "message": "newest.message",
    "causes": "newest.causes",
    "consecutive_failures": "consecutive_failures",
    "failing_since": "failing_since",
    "last_success_at": "last_success_at",
    "last_scheduled_at": "last_scheduled_at",
    "lateness_s": "newest.lateness_s",
    "next_slot_at": "next_slot_at",
    "is_overdue": "is_overdue",
    "enabled": "enabled",
    "schedule": "schedule",
    "timezone": "timezone",
    "owner_id": "owner_id",
    "owner_name": "owner_name",
    "target_id": "target_id",
    "newest_id": "newest.id",
    "version": "version",
    "updated_at": "updated_at",
}


def header(columns: Columns) -> bytes:
    """How a CSV begins."""
    return (BOM + _lines([list(columns)])).encode()


def rows(columns: Columns, rows: Iterable[BaseModel]) -> bytes:
    """Rows as lines of a CSV (RFC 4180)."""
    return _lines(
        [cell(_at(row, place)) for place in columns.values()]
        for row in (row.model_dump(mode="json") for row in rows)
    ).encode()


def lines(rows: Iterable[BaseModel]) -> bytes:
    """Rows as JSON, one a line."""
    return "".join(f"{row.model_dump_json()}\n" for row in rows).encode()


def cell(value: Any) -> Any:
    """A value as a cell: nothing in it is a formula, whoever has named a job.

    A text that a spreadsheet would calculate gets an apostrophe in front, as people type it.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _at(row: Mapping[str, Any], place: str) -> Any:
    value: Any = row
    for name in place.split("."):
        if value is None:
            return None
        value = value[name]
    return value


def _lines(rows: Iterable[list[Any]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()
