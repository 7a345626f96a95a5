"""Failed triggers: one by one, and what they share: causes, the jobs they broke, codes, times."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from worker.domain.reading import AsOf
from worker.storage.queries import failures
from worker.web import faults, problems
from worker.web.access import Viewing
from worker.web.api import models
from worker.web.api.executions import page_of
from worker.web.api.models import failures as said
from worker.web.api.models.executions import ExecutionPage
from worker.web.api.models.lists import window, window_if
from worker.web.api.parameters import (
    ONCE,
    BrokenAsked,
    CausesAsked,
    FailuresAsked,
    Span,
    StandingAsked,
    TimesAsked,
    following,
)
from worker.web.asking import as_of, console, scope_of

router = APIRouter(prefix="/api/v1/failures", tags=["failures"])

_SPAN = timedelta(days=1)


@router.get("", responses=models.problems(), dependencies=[ONCE])
def list_failures(
    request: Request, viewer: Viewing, asked: Annotated[FailuresAsked, Query()]
) -> ExecutionPage:
    """List the records of failed triggers, the newest written first."""
    return page_of(request, viewer, asked.wanted(), asked)


@router.get("/causes", responses=models.problems(), dependencies=[ONCE])
def list_causes(
    request: Request, viewer: Viewing, asked: Annotated[CausesAsked, Query()]
) -> said.CauseList:
    """List what broke: each cause with how many jobs and triggers it failed.

    Summed up over the newest 5,000 failures of the time asked for; `window` says how far back.
    """
    _in_order(asked)
    with console(request).pool.snapshot() as connection:
        found = failures.by_cause(
            connection,
            scope_of(viewer),
            since=asked.since,
            until=asked.until,
            limit=asked.limit,
        )
    return said.CauseList(
        items=[said.cause(row) for row in found.rows],
        total=found.total,
        window=window(found.window),
    )


@router.get("/causes/standing", responses=models.problems(), dependencies=[ONCE])
def list_standing_causes(
    request: Request, viewer: Viewing, asked: Annotated[StandingAsked, Query()]
) -> said.CauseList:
    """List what is broken now: the causes of jobs whose newest trigger failed."""
    with console(request).pool.snapshot() as connection:
        found = failures.standing_causes(connection, scope_of(viewer), limit=asked.limit)
    return said.CauseList(
        items=[said.cause(row) for row in found.rows],
        total=found.total,
        window=window(found.window),
    )


@router.get("/causes/jobs", responses=models.problems(), dependencies=[ONCE])
def list_jobs_of_cause(
    request: Request, viewer: Viewing, asked: Annotated[BrokenAsked, Query()]
) -> said.BrokenJobPage:
    """List the jobs that one cause broke; of a cause that broke none there are none."""
    _in_order(asked)
    with console(request).pool.snapshot() as connection, following():
        page = failures.jobs_of_cause(
            connection,
            scope_of(viewer),
            asked.cause,
            since=asked.since,
            until=asked.until,
            after=asked.after,
            size=asked.limit,
        )
    return said.BrokenJobPage(
        items=[said.broken_job(row) for row in page.rows],
        next=page.next,
        window=window_if(page.window),
    )


@router.get("/codes", responses=models.problems(), dependencies=[ONCE])
def list_codes(request: Request, viewer: Viewing, asked: Annotated[Span, Query()]) -> said.CodeList:
    """Count failed triggers by code, over the newest 8,000 of the time asked for."""
    _in_order(asked)
    with console(request).pool.snapshot() as connection:
        codes, read = failures.by_code(
            connection, scope_of(viewer), since=asked.since, until=asked.until
        )
    return said.CodeList(
        items=[said.Code(code=row.code, jobs=row.jobs, triggers=row.triggers) for row in codes],
        window=window(read),
    )


@router.get("/buckets", responses=models.problems(), dependencies=[ONCE])
def list_buckets(
    request: Request, viewer: Viewing, asked: Annotated[TimesAsked, Query()]
) -> said.BucketList:
    """Count failed triggers in steps of time, at most 2,000 steps; by default of the last day."""
    since, until = _times(asked, as_of(request))
    with console(request).pool.snapshot() as connection:
        buckets, read = failures.by_time(
            connection,
            scope_of(viewer),
            since=since,
            until=until,
            step_s=asked.step_s,
            job_id=asked.job,
        )
    return said.BucketList(
        items=[said.Bucket(start=each.start, by_code=dict(each.by_code)) for each in buckets],
        step_s=asked.step_s,
        window=window(read),
    )


def _times(asked: TimesAsked, at: AsOf) -> tuple[datetime, datetime]:
    until = asked.until or at.now
    since = asked.since or until - _SPAN
    _in_order(Span(since=since, until=until))
    if (until - since).total_seconds() / asked.step_s > failures.MOST_BUCKETS:
        raise problems.invalid(faults.fault("step_s", "too_many_steps", most=failures.MOST_BUCKETS))
    return since, until


def _in_order(asked: Span) -> None:
    """Refuse a time that ends before it begins: nothing can be in it."""
    if asked.since and asked.until and asked.until <= asked.since:
        raise problems.invalid(faults.fault("until", "not_after"))
