"""Failures: by cause, by code, over time, and the newest.

The page works without a script; with one, `/failures/part` is fetched anew every few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from worker.domain.access import Principal
from worker.domain.reading import AsOf, Scope
from worker.storage.queries import failures, feed
from worker.web import problems
from worker.web.access import Viewing
from worker.web.asking import as_of, console, scope_of
from worker.web.bars import chart
from worker.web.pages.addresses import trail_of
from worker.web.pages.record import remedy
from worker.web.pages.showing import name_of, short, show, told
from worker.web.rendering import Page as View
from worker.web.words import marked

router = APIRouter(include_in_schema=False)

_CAUSES = 15
_NEWEST = 15
_BROKEN = 40
_LONGEST_CAUSE = 500


@dataclass(frozen=True, slots=True)
class Span:
    """How far back the page looks, and the length of one bar."""

    key: str
    label: str
    length: timedelta
    step_s: int


SPANS = (
    Span("1h", marked("Last hour"), timedelta(hours=1), 60),
    Span("6h", marked("Last 6 hours"), timedelta(hours=6), 360),
    Span("24h", marked("Last 24 hours"), timedelta(hours=24), 1_800),
    Span("7d", marked("Last 7 days"), timedelta(days=7), 3 * 3_600),
    Span("30d", marked("Last 30 days"), timedelta(days=30), 12 * 3_600),
)
_CHOSEN = SPANS[2]


@router.get("/failures")
def show_all(request: Request, viewer: Viewing) -> Response:
    """Show what fails and why."""
    return show(request, "failures.html", _values(request, viewer))


@router.get("/failures/part")
def show_part(request: Request, viewer: Viewing) -> Response:
    """The part of the page that changes."""
    return show(request, "failures_part.html", _values(request, viewer))


@router.get("/failures/jobs")
def jobs_of_cause(request: Request, viewer: Viewing) -> Response:
    """The jobs that one cause broke; not found for one that broke none one may see."""
    cause = request.query_params.get("cause", "")
    if not cause or len(cause) > _LONGEST_CAUSE or "\0" in cause:
        raise problems.not_found()
    at, span = as_of(request), _span(request)
    view, _ = console(request).pages.page(request)
    trail = trail_of(request)
    with console(request).pool.snapshot() as connection:
        page = failures.jobs_of_cause(
            connection,
            scope_of(viewer),
            cause,
            since=at.now - span.length,
            until=at.now,
            after=trail.after,
            size=_BROKEN,
        )
    if not page.rows and trail.after is None:
        raise problems.not_found()
    values = {
        "cause": short(cause, 160),
        "message": short(page.rows[0].message, 400) if page.rows else "",
        "jobs": [(job, name_of(job.job_name, job.job_id, view.words)) for job in page.rows],
        "next_step": remedy(cause.partition(":")[0], view.words),
        "span": span,
        "history": "/history?" + urlencode({"cause": cause}),
        "standing": "/jobs?" + urlencode({"cause": cause}),
        "newer": trail.newer,
        "older": trail.older(page.next),
    }
    return show(request, "broken_jobs.html", values)


def _values(request: Request, viewer: Principal) -> Mapping[str, Any]:
    at, span = as_of(request), _span(request)
    view, _ = console(request).pages.page(request)
    with console(request).pool.snapshot() as connection:
        read = _read(connection, scope_of(viewer), at, _start(at.now, span), span, view)
    spans = [(each.label, f"/failures?span={each.key}", each is span) for each in SPANS]
    return {
        **read,
        "span": span,
        "spans": spans,
        "short": short,
        "here": f"/failures?span={span.key}",
        "part": f"/failures/part?span={span.key}",
        "at": at.now,
    }


def _read(
    connection: Connection, scope: Scope, at: AsOf, since: datetime, span: Span, view: View
) -> dict[str, Any]:
    causes = failures.by_cause(connection, scope, since=since, limit=_CAUSES)
    codes, _counted = failures.by_code(connection, scope, since=since)
    buckets, window = failures.by_time(
        connection, scope, since=since, until=at.now, step_s=span.step_s
    )
    newest = feed.newest_failures(connection, scope, at, limit=_NEWEST).rows
    return {
        "causes": [
            (row, "/failures/jobs?" + urlencode({"cause": row.cause, "span": span.key}))
            for row in causes.rows
        ],
        "more_causes": causes.total - len(causes.rows),
        "codes": [(row, remedy(row.code, view.words)) for row in codes],
        "chart": chart(buckets),
        "window": None if window.is_complete else window,
        "tolds": [told(record, view.words, at.now) for record in newest],
    }


def _span(request: Request) -> Span:
    """The one that the address names, else the last 24 hours."""
    key = request.query_params.get("span")
    return next((each for each in SPANS if each.key == key), _CHOSEN)


def _start(now: datetime, span: Span) -> datetime:
    """Where the first bar begins: bars stand on whole steps, so that they do not wander."""
    seconds = int((now - span.length).timestamp())
    return datetime.fromtimestamp(seconds - seconds % span.step_s, tz=now.tzinfo)
