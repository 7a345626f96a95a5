"""Jobs: the list with its counts, one whole with what is there now, and a check of it (R4, R5)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from job_trigger_worker.console.jobs.detail import json as now
from job_trigger_worker.console.jobs.detail.saved import read_saved
from job_trigger_worker.console.shared import etags, models, problems
from job_trigger_worker.console.shared.dependencies import as_of, console, id_of, scope_of
from job_trigger_worker.console.shared.list_params import (
    JobChoice,
    JobsAsked,
    following,
    reject_repeated,
)
from job_trigger_worker.console.shared.models import jobs as job_models
from job_trigger_worker.console.shared.models.values import Beside
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.rendering import words_of
from job_trigger_worker.domain import slots
from job_trigger_worker.storage.read import jobs

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

JobId = Annotated[str, Path(description="The job's id.", examples=["17"])]
MOST_TARGETS = 500


@router.get("", responses=models.problems(), dependencies=[reject_repeated])
def list_jobs(
    request: Request, viewer: Viewing, asked: Annotated[JobsAsked, Query()]
) -> job_models.JobPage:
    """List jobs, trouble first unless another order is chosen."""
    scope, at = scope_of(viewer), as_of(request)
    with console(request).pool.snapshot() as connection, following():
        page = jobs.list_jobs(
            connection,
            scope,
            at,
            wanted=asked.wanted(),
            sort=asked.sort,
            after=asked.after,
            size=asked.limit,
        )
        outcomes = jobs.last_outcomes(connection, scope, at, [row.id for row in page.rows])
    rows = [Beside(row, last_outcomes=outcomes.get(row.id, ())) for row in page.rows]
    return job_models.JobPage.model_validate(Beside(page, rows=rows))


@router.get("/counts", responses=models.problems(), dependencies=[reject_repeated])
def count_jobs(
    request: Request, viewer: Viewing, asked: Annotated[JobChoice, Query()]
) -> job_models.JobStatusCounts:
    """Count jobs by status; a filter by status is not looked at."""
    with console(request).pool.snapshot() as connection:
        found = jobs.count_jobs(connection, scope_of(viewer), as_of(request), wanted=asked.wanted())
    return job_models.JobStatusCounts.model_validate(found)


_ETAG = {
    "headers": {
        "ETag": {
            "description": "The job's version, for `If-Match` of an edit.",
            "schema": {"type": "string"},
            "example": '"3"',
        }
    }
}


@router.get("/{job_id}", responses={200: _ETAG, **models.problems(404)})
def show_job(
    request: Request, response: Response, viewer: Viewing, job_id: JobId
) -> job_models.JobDetail:
    """Show a job: what is saved, and beside it what is there now, told within a second.

    It answers whatever is gone: servers, accounts, the owner, the automation, a permission. What
    the inventory does not tell in time is `unknown` or `not_checked`, never a finding. A job that
    is gone itself is not found; its records are still listed by `/api/v1/executions?job=`.
    """
    number, at, scope = id_of(job_id), as_of(request), scope_of(viewer)
    with console(request).pool.snapshot() as connection:
        row = jobs.get_job(connection, scope, at, number)
        if row is None:
            raise problems.not_found()
        # Beside the reads below, not after them.
        begun = console(request).preflight.begin(number, viewer)
        outcomes = jobs.last_outcomes(connection, scope, at, [number]).get(number, ())
    saved = read_saved(console(request), number, row.job_type, most=MOST_TARGETS)
    live = console(request).preflight.finish(begun)
    etags.tag(response, row.version)
    return job_models.JobDetail.model_validate(
        Beside(
            row,
            last_outcomes=outcomes,
            next_slots=row.next_slots(slots.SHOWN),
            saved=now.saved(saved, live, console(request).masker),
            preflight=now.preflight(live, at, words_of(request)),
            automation=now.automation(row, live),
            owner=now.owner(row, live),
        )
    )


@router.post("/{job_id}/check", responses=models.problems(404))
def check_job(request: Request, viewer: Viewing, job_id: JobId) -> job_models.JobCheck:
    """Check what is saved: could the job start now? Nothing is changed and nothing is sent."""
    number, at = id_of(job_id), as_of(request)
    with console(request).pool.snapshot() as connection:
        row = jobs.get_job(connection, scope_of(viewer), at, number)
    if row is None:
        raise problems.not_found()
    preflight = console(request).preflight
    live = preflight.finish(preflight.begin(number, viewer))
    return job_models.JobCheck(
        job_id=str(number),
        version=row.version,
        preflight=now.preflight(live, at, words_of(request)),
    )
