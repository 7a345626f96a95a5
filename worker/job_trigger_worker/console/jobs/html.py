"""The home page: jobs, trouble first (R4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from job_trigger_worker.console.shared import filters
from job_trigger_worker.console.shared.addresses import Address, trail_of
from job_trigger_worker.console.shared.dependencies import as_of, console, scope_of
from job_trigger_worker.console.shared.export_links import export_links
from job_trigger_worker.console.shared.list_params import JobsShown
from job_trigger_worker.console.shared.page import show
from job_trigger_worker.console.shared.permissions import Viewing, only
from job_trigger_worker.console.shared.presenters import (
    TYPES,
    PresentedRecord,
    cause_text,
    name_of,
    present_record,
    shorten,
    word,
)
from job_trigger_worker.console.shared.query_params import read_query
from job_trigger_worker.console.shared.texts import Words
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.domain.read_models import (
    AsOf,
    Causes,
    Count,
    JobCounts,
    JobFilter,
    JobListRow,
    JobSort,
    Outcome,
    Page,
    Scope,
    Status,
    Window,
)
from job_trigger_worker.storage.read import jobs
from job_trigger_worker.storage.read.id_lookup import find
from job_trigger_worker.storage.read.job_list import overview

router = APIRouter(include_in_schema=False)

SIZE = 30
_CAUSES = 3
_LONGEST_WHY = 180
_UUID = 36


@dataclass(frozen=True, slots=True)
class Line:
    """A job as the list shows it."""

    job: JobListRow
    name: str
    type: str
    owner: str
    newest: PresentedRecord | None
    outcomes: Sequence[str]

    @property
    def address(self) -> str:
        """The job's page."""
        return f"/jobs/{self.job.id}"


@dataclass(frozen=True, slots=True)
class _Read:
    page: Page[JobListRow]
    counts: JobCounts
    broken: Causes | None
    outcomes: dict[int, tuple[Outcome, ...]]


@router.get("/", dependencies=only(Role.VIEWER))
def home() -> Response:
    """Go to the jobs."""
    return RedirectResponse("/jobs", HTTPStatus.SEE_OTHER)


@router.get("/jobs")
def list_all(request: Request, viewer: Viewing) -> Response:
    """List the jobs, with what is broken above them."""
    view, _ = console(request).pages.page(request)
    scope, at = scope_of(viewer), as_of(request)
    query = read_query(JobsShown, request.query_params, view)
    named = _named(request, scope, query.asked.q)
    if named is not None:
        return RedirectResponse(named, HTTPStatus.SEE_OTHER)
    wanted = query.asked.wanted()
    trail = trail_of(request)
    read = _Read(Page((), None), _NO_COUNTS, None, {})
    if not query.faults:
        with console(request).pool.snapshot() as connection:
            read = _read(connection, scope, at, wanted, query.asked.sort, trail.after)
    chips = filters.chips(trail.address, view.words)
    values = {
        "lines": [
            line(job, read.outcomes.get(job.id, ()), view.words, at) for job in read.page.rows
        ],
        "total": counted(read.counts.total),
        "counts": _counts(read.counts, trail.address, wanted.status),
        "late": _overdue(read.counts, trail.address, is_chosen=wanted.is_overdue),
        "windows": _windows(read.page.window, read.counts.window),
        "broken": read.broken,
        "first_causes": [
            (cause, cause_text(cause, view.words, _LONGEST_WHY))
            for cause in (read.broken.rows[:_CAUSES] if read.broken else ())
        ],
        "fields": filters.job_filters(view.words),
        "faults": query.faults,
        "at": trail.address,
        "search": request.query_params.get("q", ""),
        "chips": chips,
        "exports": export_links("jobs", query, view.words),
        "is_narrowed": bool(chips),
        "newer": trail.newer,
        "older": trail.older(read.page.next),
        "sees_groups": viewer.sees_all_jobs or bool(viewer.group_ids),
    }
    return show(request, "jobs.html", values)


def line(job: JobListRow, outcomes: Sequence[Outcome], words: Words, at: AsOf) -> Line:
    """A job in the words of a language, with what its schedule says."""
    owner = job.owner_name or (str(job.owner_id) if job.owner_id is not None else "")
    return Line(
        job,
        name_of(job.name, job.id, words),
        word(TYPES, job.job_type, words),
        shorten(owner, 60),
        present_record(job.newest, words, at.now) if job.newest else None,
        [outcome.status.value for outcome in outcomes],
    )


def counted(count: Count) -> str:
    """`1,284`, or `10,000+` where there may be more."""
    return f"{count.value:,}" + ("" if count.is_exact else "+")


_NO_COUNTS = JobCounts(Count(0, is_exact=True), {}, None)


def _read(
    connection: Connection,
    scope: Scope,
    at: AsOf,
    wanted: JobFilter,
    sort: JobSort,
    after: str | None,
) -> _Read:
    read = overview(
        connection,
        scope,
        at,
        wanted=wanted,
        sort=sort,
        after=after,
        size=SIZE,
        causes=_CAUSES,
    )
    outcomes = jobs.last_outcomes(connection, scope, at, [job.id for job in read.page.rows])
    return _Read(read.page, read.counts, read.broken, outcomes)


def _counts(
    counts: JobCounts, address: Address, chosen: Status | None
) -> list[tuple[str, str, str, bool]]:
    """Those that some job has, in the order of how much they matter; the chosen one leads back."""
    shown = []
    for status in Status:
        count = counts.by_status.get(status)
        is_chosen = status is chosen
        if is_chosen or (count is not None and count.value):
            to = address.to(status=None if is_chosen else status.value)
            shown.append((status.value, counted(count) if count else "0", to, is_chosen))
    return shown


def _overdue(
    counts: JobCounts, address: Address, *, is_chosen: bool
) -> tuple[str, str, bool] | None:
    """How many are overdue, if any is, and what leads there; back, when that is chosen."""
    if not counts.overdue and not is_chosen:
        return None
    return f"{counts.overdue or 0:,}", address.to(overdue=None if is_chosen else "yes"), is_chosen


def _windows(*windows: Window | None) -> list[Window]:
    """The windows that ended before everything was looked at, each once: the page says so."""
    return [window for window in windows if window is not None and not window.is_complete][:1]


def _named(request: Request, scope: Scope, typed: str | None) -> str | None:
    """Where to go when an execution's or a trigger's id was typed."""
    if typed is None or len(typed) > _UUID:
        return None
    try:
        UUID(typed)
    except ValueError:
        return None
    with console(request).pool.snapshot() as connection:
        found = [each for each in find(connection, scope, typed) if each.record_id is not None]
    return f"/history/{found[0].record_id}" if found else None
