"""Run a job, switch it on and off (R9), and what was ever changed about it."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import StringConstraints

from job_trigger_worker.console.jobs.json import JobId
from job_trigger_worker.console.jobs.run import view
from job_trigger_worker.console.jobs.run.switch import switch
from job_trigger_worker.console.jobs.visible_job import get_visible_job
from job_trigger_worker.console.shared import etags, models
from job_trigger_worker.console.shared.dependencies import as_of, console, id_of
from job_trigger_worker.console.shared.etags import IfMatch
from job_trigger_worker.console.shared.models import changes as change_models
from job_trigger_worker.console.shared.permissions import Operating, Viewing
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.storage.write import changes

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])


@router.post(
    "/{job_id}/run",
    status_code=HTTPStatus.ACCEPTED,
    responses=models.problems(404, 409, 429),
)
def run_job(
    request: Request,
    operator: Operating,
    job_id: JobId,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="A repeat with the same key is the same run. Without one, each is its own.",
        ),
    ] = None,
    confirm: Annotated[
        bool, Query(description="Send it though the job is switched off: its record says so.")
    ] = False,
) -> change_models.RunAsked:
    """Run a job now: send a manual trigger. Its preflight, record and event follow.

    That it was asked for is noted first, then it is sent. With 503 it is not known whether the
    brokers have it: ask again with the same key, and it runs once.
    """
    number = id_of(job_id)
    trigger_id = view.run(
        console(request),
        operator,
        as_of(request),
        number,
        key=idempotency_key or secrets.token_urlsafe(16),
        is_confirmed=confirm,
        traceparent=request.headers.get("traceparent"),
    )
    return change_models.RunAsked(
        trigger_id=trigger_id, job_id=str(number), follow=f"/api/v1/triggers/{trigger_id}"
    )


@router.post("/{job_id}/enable", responses=models.problems(404, 409, 412))
def enable_job(
    request: Request,
    response: Response,
    operator: Operating,
    job_id: JobId,
    if_match: IfMatch = None,
) -> change_models.JobSwitched:
    """Switch a job on, whatever preflight says. `If-Match` is respected but not required."""
    return _switched(request, response, operator, job_id, if_match, on=True)


@router.post("/{job_id}/disable", responses=models.problems(404, 409, 412))
def disable_job(
    request: Request,
    response: Response,
    operator: Operating,
    job_id: JobId,
    if_match: IfMatch = None,
) -> change_models.JobSwitched:
    """Switch a job off: its triggers are recorded and not run."""
    return _switched(request, response, operator, job_id, if_match, on=False)


@router.get("/{job_id}/changes", responses=models.problems(404))
def list_changes(
    request: Request,
    viewer: Viewing,
    job_id: JobId,
    after: Annotated[
        Annotated[str, StringConstraints(pattern="^[1-9][0-9]{0,17}$")] | None,
        Query(description="The `next` of the page before."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Items on a page, at most.")] = 50,
) -> change_models.JobChangePage:
    """List who changed a job with the console or the API, when, and what became what."""
    number = id_of(job_id)
    with console(request).pool.snapshot() as connection:
        get_visible_job(connection, viewer, as_of(request), number)
        found = changes.of_object(
            connection,
            "job",
            str(number),
            limit=limit + 1,
            older_than=None if after is None else int(after),
        )
    masker = console(request).masker
    items = [
        change_models.JobChange(
            id=str(each.id),
            at=each.at,
            login=each.login,
            action=each.action,
            before=masker.value(each.before),
            after=masker.value(each.after),
        )
        for each in found[:limit]
    ]
    return change_models.JobChangePage(
        items=items, next=items[-1].id if len(found) > limit else None
    )


def _switched(
    request: Request,
    response: Response,
    operator: Principal,
    job_id: str,
    if_match: str | None,
    *,
    on: bool,
) -> change_models.JobSwitched:
    number = id_of(job_id)
    expected = None if if_match is None else etags.named(if_match)
    found = switch(console(request), operator, as_of(request), number, on=on, expected=expected)
    etags.tag(response, found.version)
    return change_models.JobSwitched(
        job_id=str(number), enabled=on, version=found.version, has_changed=found.has_changed
    )
