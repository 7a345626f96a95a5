"""Failed triggers: one by one, and what they share: causes, the jobs they broke, codes, times."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from job_trigger_worker.console.history.view import page_of
from job_trigger_worker.console.shared import models, problems, validation_messages
from job_trigger_worker.console.shared.dependencies import as_of, console, scope_of
from job_trigger_worker.console.shared.list_params import (
    BrokenAsked,
    CausesAsked,
    FailuresAsked,
    Span,
    StandingAsked,
    TimesAsked,
    following,
    reject_repeated,
)
from job_trigger_worker.console.shared.models import failures as failure_models
from job_trigger_worker.console.shared.models.executions import ExecutionPage
from job_trigger_worker.console.shared.models.values import Beside
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.domain.read_models import AsOf
from job_trigger_worker.storage.read import failures

router = APIRouter(prefix="/api/v1/failures", tags=["failures"])

_SPAN = timedelta(days=1)


@router.get("", responses=models.problems(), dependencies=[reject_repeated])
def list_failures(
    request: Request, viewer: Viewing, asked: Annotated[FailuresAsked, Query()]
) -> ExecutionPage:
    """List the records of failed triggers, the newest written first."""
    return page_of(request, viewer, asked.wanted(), asked)


@router.get("/causes", responses=models.problems(), dependencies=[reject_repeated])
def list_causes(
    request: Request, viewer: Viewing, asked: Annotated[CausesAsked, Query()]
) -> failure_models.CauseList:
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
    return failure_models.CauseList.model_validate(found)


@router.get("/causes/standing", responses=models.problems(), dependencies=[reject_repeated])
def list_standing_causes(
    request: Request, viewer: Viewing, asked: Annotated[StandingAsked, Query()]
) -> failure_models.CauseList:
    """List what is broken now: the causes of jobs whose newest trigger failed."""
    with console(request).pool.snapshot() as connection:
        found = failures.standing_causes(connection, scope_of(viewer), limit=asked.limit)
    return failure_models.CauseList.model_validate(found)


@router.get("/causes/jobs", responses=models.problems(), dependencies=[reject_repeated])
def list_jobs_of_cause(
    request: Request, viewer: Viewing, asked: Annotated[BrokenAsked, Query()]
) -> failure_models.BrokenJobPage:
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
    return failure_models.BrokenJobPage.model_validate(page)


@router.get("/codes", responses=models.problems(), dependencies=[reject_repeated])
def list_codes(
    request: Request, viewer: Viewing, asked: Annotated[Span, Query()]
) -> failure_models.CodeList:
    """Count failed triggers by code, over the newest 8,000 of the time asked for."""
    _in_order(asked)
    with console(request).pool.snapshot() as connection:
        codes, read = failures.by_code(
            connection, scope_of(viewer), since=asked.since, until=asked.until
        )
    return failure_models.CodeList.model_validate(Beside(rows=codes, window=read))


@router.get("/buckets", responses=models.problems(), dependencies=[reject_repeated])
def list_buckets(
    request: Request, viewer: Viewing, asked: Annotated[TimesAsked, Query()]
) -> failure_models.BucketList:
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
    return failure_models.BucketList.model_validate(
        Beside(rows=buckets, step_s=asked.step_s, window=read)
    )


def _times(asked: TimesAsked, at: AsOf) -> tuple[datetime, datetime]:
    until = asked.until or at.now
    since = asked.since or until - _SPAN
    _in_order(Span(since=since, until=until))
    if (until - since).total_seconds() / asked.step_s > failures.MOST_BUCKETS:
        raise problems.invalid(
            validation_messages.fault("step_s", "too_many_steps", most=failures.MOST_BUCKETS)
        )
    return since, until


def _in_order(asked: Span) -> None:
    """Refuse a time that ends before it begins: nothing can be in it."""
    if asked.since and asked.until and asked.until <= asked.since:
        raise problems.invalid(validation_messages.fault("until", "not_after"))
