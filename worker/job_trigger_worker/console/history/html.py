"""The history list, over all jobs or narrowed to one (R7). Whatever a record names may be gone."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request, Response

from job_trigger_worker.console.shared import filters
from job_trigger_worker.console.shared.addresses import Address, trail_of
from job_trigger_worker.console.shared.dependencies import as_of, console, scope_of
from job_trigger_worker.console.shared.export_links import export_links
from job_trigger_worker.console.shared.list_params import ExecutionChoice
from job_trigger_worker.console.shared.page import show
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.presenters import present_record
from job_trigger_worker.console.shared.query_params import read_query
from job_trigger_worker.console.shared.rendering import Page as View
from job_trigger_worker.console.shared.texts import gettext_noop
from job_trigger_worker.domain.read_models import Page, RecordRow
from job_trigger_worker.storage.read import executions

router = APIRouter(include_in_schema=False)

SIZE = 40
_SPANS = (
    (timedelta(hours=1), gettext_noop("Last hour")),
    (timedelta(days=1), gettext_noop("Last 24 hours")),
    (timedelta(days=7), gettext_noop("Last 7 days")),
)


@router.get("/history")
def list_all(request: Request, viewer: Viewing) -> Response:
    """List execution records, the newest written first."""
    view, _ = console(request).pages.page(request)
    query = read_query(ExecutionChoice, request.query_params, view)
    trail = trail_of(request)
    at = as_of(request)
    wanted = query.asked.wanted()
    page: Page[RecordRow] = Page((), None)
    if not query.faults:
        with console(request).pool.snapshot() as connection:
            page = executions.list_records(
                connection,
                scope_of(viewer),
                at,
                wanted=wanted,
                after=trail.after,
                size=SIZE,
            )
    chips = filters.chips(trail.address, view.words)
    window = page.window
    values = {
        "tolds": [present_record(record, view.words, at.now) for record in page.rows],
        "fields": filters.record_filters(view.words),
        "faults": query.faults,
        "at": trail.address,
        "chips": chips,
        "exports": export_links("executions", query, view.words),
        "is_narrowed": bool(chips),
        "spans": _spans(trail.address, view),
        "window": window if window is not None and not window.is_complete else None,
        "newer": trail.newer,
        "older": trail.older(page.next),
    }
    return show(request, "history.html", values)


def _spans(address: Address, view: View) -> list[tuple[str, str]]:
    """Quick choices of a time to begin at: (label, address)."""
    found = []
    for span, label in _SPANS:
        since = (view.now - span).astimezone(view.zone)
        to = address.to(since=f"{since:%Y-%m-%dT%H:%M}", until=None)
        found.append((view.words.gettext(label), to))
    return found
