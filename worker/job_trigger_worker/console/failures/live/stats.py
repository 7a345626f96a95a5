"""What fails and why, in sums: by cause, by code, over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from job_trigger_worker.console.shared.charts import Chart, chart
from job_trigger_worker.console.shared.texts import gettext_noop
from job_trigger_worker.domain.read_models import Causes, CodeRow, Scope, Window
from job_trigger_worker.storage.read import failures

_CAUSES = 8


@dataclass(frozen=True, slots=True)
class Span:
    """How far back to look, and the length of one bar."""

    key: str
    label: str
    length: timedelta
    step_s: int


SPANS = (
    Span("1h", gettext_noop("Last hour"), timedelta(hours=1), 60),
    Span("6h", gettext_noop("Last 6 hours"), timedelta(hours=6), 360),
    Span("24h", gettext_noop("Last 24 hours"), timedelta(hours=24), 1_800),
    Span("7d", gettext_noop("Last 7 days"), timedelta(days=7), 3 * 3_600),
    Span("30d", gettext_noop("Last 30 days"), timedelta(days=30), 12 * 3_600),
)
_CHOSEN = SPANS[2]


@dataclass(frozen=True, slots=True)
class FailureStats:
    """The sums of a span as of a moment; values only, for any language and zone."""

    at: datetime
    causes: Causes
    codes: tuple[CodeRow, ...]
    chart: Chart
    window: Window


def span_of(key: str | None) -> Span:
    """The span of this key, else the last 24 hours."""
    return next((each for each in SPANS if each.key == key), _CHOSEN)


def read(connection: Connection, scope: Scope, span: Span, now: datetime) -> FailureStats:
    """The sums that a viewer may see."""
    since = start_of(now, span)
    causes = failures.by_cause(connection, scope, since=since, limit=_CAUSES)
    codes, _ = failures.by_code(connection, scope, since=since)
    buckets, window = failures.by_time(
        connection, scope, since=since, until=now, step_s=span.step_s
    )
    return FailureStats(now, causes, codes, chart(buckets), window)


def start_of(now: datetime, span: Span) -> datetime:
    """Where the first bar begins: bars stand on whole steps, so that they do not wander."""
    seconds = int((now - span.length).timestamp())
    return datetime.fromtimestamp(seconds - seconds % span.step_s, tz=now.tzinfo)
