"""Failures: by cause, by code, over time, and the newest.

The page works without a script; with one, `pages.live` brings what is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from job_trigger_worker.console.failures.live import stats
from job_trigger_worker.console.failures.live.stats import SPANS, FailureStats, Span, span_of
from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.addresses import trail_of
from job_trigger_worker.console.shared.dependencies import as_of, console, scope_of
from job_trigger_worker.console.shared.findings import remedy_of
from job_trigger_worker.console.shared.page import show
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.presenters import (
    cause_text,
    name_of,
    present_record,
    shorten,
)
from job_trigger_worker.console.shared.texts import Words
from job_trigger_worker.domain.cause import LONGEST_KEY
from job_trigger_worker.domain.read_models import CauseRow, Causes
from job_trigger_worker.storage.read import failure_feed, failures

router = APIRouter(include_in_schema=False)

NEWEST = 15
"""Failures in the list of the newest."""

_BROKEN = 40
_MOST_CAUSES = 60


@router.get("/failures")
def show_all(request: Request, viewer: Viewing) -> Response:
    """Show what fails and why."""
    at, span = as_of(request), span_of(request.query_params.get("span"))
    view, _ = console(request).pages.page(request)
    with console(request).pool.snapshot() as connection:
        found = stats.read(connection, scope_of(viewer), span, at.now)
        newest = failure_feed.newest_failures(connection, scope_of(viewer), at, limit=NEWEST)
    values = {
        **sum_values(found, view.words, span),
        "spans": _spans("/failures", span),
        "here": f"/failures?span={span.key}",
        "stream": f"/failures/stream?span={span.key}",
        "after": newest.position,
        "tolds": [present_record(record, view.words, at.now) for record in newest.rows],
        "most": NEWEST,
    }
    return show(request, "failures.html", values)


@router.get("/failures/causes")
def all_causes(request: Request, viewer: Viewing) -> Response:
    """Show what fails by cause, further than the page of failures does."""
    at, span = as_of(request), span_of(request.query_params.get("span"))
    view, _ = console(request).pages.page(request)
    with console(request).pool.snapshot() as connection:
        found = failures.by_cause(
            connection, scope_of(viewer), since=stats.start_of(at.now, span), limit=_MOST_CAUSES
        )
    values = {
        "causes": _causes(found, view.words, span),
        "total": found.total,
        "window": None if found.window.is_complete else found.window,
        "spans": [
            (each.label, f"/failures/causes?span={each.key}", each is span) for each in SPANS
        ],
        "live": f"/failures?span={span.key}",
        "short": shorten,
    }
    return show(request, "failures_causes.html", values)


@router.get("/failures/jobs")
def jobs_of_cause(request: Request, viewer: Viewing) -> Response:
    """The jobs that one cause broke; not found for one that broke none one may see."""
    cause = request.query_params.get("cause", "")
    if not cause or len(cause) > LONGEST_KEY or "\0" in cause:
        raise problems.not_found()
    at, span = as_of(request), span_of(request.query_params.get("span"))
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
        "cause": shorten(cause, 160),
        "message": cause_text(page.rows[0], view.words, 400) if page.rows else "",
        "jobs": [(job, name_of(job.job_name, job.job_id, view.words)) for job in page.rows],
        "next_step": remedy_of(cause.partition(":")[0], view.words),
        "span": span,
        "history": "/history?" + urlencode({"cause": cause}),
        "standing": "/jobs?" + urlencode({"cause": cause}),
        "newer": trail.newer,
        "older": trail.older(page.next),
    }
    return show(request, "broken_jobs.html", values)


def sum_values(found: FailureStats, words: Words, span: Span) -> Mapping[str, Any]:
    """What the page and its stream show of sums."""
    return {
        "at": found.at,
        "causes": _causes(found.causes, words, span),
        "all_causes": f"/failures/causes?span={span.key}",
        "more_causes": found.causes.total - len(found.causes.rows),
        "codes": [(row, remedy_of(row.code, words)) for row in found.codes],
        "chart": found.chart,
        "window": None if found.window.is_complete else found.window,
        "short": shorten,
    }


def _spans(path: str, chosen: Span) -> list[tuple[str, str, bool]]:
    """Each span's label, its address, and whether it is the chosen one."""
    return [(each.label, f"{path}?span={each.key}", each is chosen) for each in SPANS]


def _causes(found: Causes, words: Words, span: Span) -> list[tuple[CauseRow, str, str]]:
    """Each cause, what it is in a language, and where its jobs are listed."""
    return [
        (
            row,
            cause_text(row, words, 200),
            "/failures/jobs?" + urlencode({"cause": row.cause, "span": span.key}),
        )
        for row in found.rows
    ]
