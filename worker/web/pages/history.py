"""The history list, over all jobs or narrowed to one (R7). Whatever a record names may be gone."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request, Response

from worker.domain.reading import Page, RecordRow
from worker.storage.queries import executions
from worker.web.access import Viewing
from worker.web.asking import as_of, console, scope_of
from worker.web.choices import Choices
from worker.web.pages import export_links, filters
from worker.web.pages.addresses import Address, trail_of
from worker.web.pages.page import show
from worker.web.pages.showing import told
from worker.web.rendering import Page as View
from worker.web.words import marked

router = APIRouter(include_in_schema=False)

SIZE = 40
_SPANS = (
    (timedelta(hours=1), marked("Last hour")),
    (timedelta(days=1), marked("Last 24 hours")),
    (timedelta(days=7), marked("Last 7 days")),
)


@router.get("/history")
def list_all(request: Request, viewer: Viewing) -> Response:
    """List execution records, the newest written first."""
    view, _ = console(request).pages.page(request)
    choices = Choices(request.query_params, view.words, view.zone)
    wanted = choices.records()
    trail = trail_of(request)
    at = as_of(request)
    page: Page[RecordRow] = Page((), None)
    if not choices.faults:
        with console(request).pool.snapshot() as connection:
            page = executions.list_records(
                connection, scope_of(viewer), at, wanted=wanted, after=trail.after, size=SIZE
            )
    chips = filters.chips(trail.address, view.words)
    window = page.window
    values = {
        "tolds": [told(record, view.words, at.now) for record in page.rows],
        "fields": filters.of_records(view.words),
        "faults": choices.faults,
        "at": trail.address,
        "chips": chips,
        "exports": export_links.of_records(trail.address, choices),
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
