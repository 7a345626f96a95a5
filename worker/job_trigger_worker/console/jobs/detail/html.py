"""The job detail: what is saved, what is there now, and what has become of it (R5).

Nothing that is gone makes it fail: not the job, its servers, accounts, automation, owner, a
permission or a view of the inventory.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from job_trigger_worker.console.jobs.changes import html as job_changes
from job_trigger_worker.console.jobs.detail.now import (
    automation_now,
    is_as_before,
    owner_now,
    reasons,
    target_lines,
)
from job_trigger_worker.console.jobs.detail.saved import read_saved
from job_trigger_worker.console.jobs.html import line
from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.charts import chart
from job_trigger_worker.console.shared.dependencies import as_of, console, id_of, scope_of
from job_trigger_worker.console.shared.page import show
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.presenters import name_of, present_record
from job_trigger_worker.console.shared.rendering import Page as View
from job_trigger_worker.domain import slots
from job_trigger_worker.domain.read_models import AsOf, Scope
from job_trigger_worker.domain.read_models import RecordFilter as Wanted
from job_trigger_worker.storage.read import executions, failures, jobs
from job_trigger_worker.storage.write import changes, job_edits

router = APIRouter(include_in_schema=False)

_HISTORY = 10
_CHANGES = 5
_SPAN = timedelta(days=7)
_STEP_S = 2 * 3600


@router.get("/jobs/{job_id}")
def show_one(request: Request, viewer: Viewing, job_id: str) -> Response:
    """Show a job; what one may not see is not there."""
    number, at, scope = id_of(job_id), as_of(request), scope_of(viewer)
    view, _ = console(request).pages.page(request)
    preflight = console(request).preflight
    with console(request).pool.snapshot() as connection:
        job = jobs.get_job(connection, scope, at, number)
        if job is None:
            return _gone(request, connection, scope, at, number, view)
        # Beside the reads below, not after them.
        begun = preflight.begin(number, viewer)
        outcomes = jobs.last_outcomes(connection, scope, at, [number])
        records = executions.list_records(
            connection, scope, at, wanted=Wanted(job_id=number), size=_HISTORY
        )
        since = at.now - _SPAN
        buckets, _window = failures.by_time(
            connection, scope, since=since, until=at.now, step_s=_STEP_S, job_id=number
        )
        changed = changes.of_object(connection, "job", str(number), limit=_CHANGES + 1)
        is_editable = job_edits.is_possible(connection)
    saved = read_saved(console(request), number, job.job_type)
    live = preflight.finish(begun)
    lines = target_lines(saved, live, view.words)
    said, more = reasons(live, view.words)
    values = {
        "job": job,
        "line": line(job, outcomes.get(number, ()), view.words, at),
        "live": live,
        "saved": saved,
        "targets": lines,
        "has_nodes": any(each.node for each in lines),
        "reasons": said,
        "more_reasons": more,
        "is_as_before": is_as_before(job.newest, live),
        "automation": automation_now(live, view.words),
        "owner": owner_now(live, view.words),
        "next_slots": slots.next_slots(job.schedule, job.timezone, at.now, slots.SHOWN),
        "tolds": [present_record(record, view.words, at.now) for record in records.rows],
        "has_more": records.next is not None,
        "chart": chart(buckets),
        "changes": job_changes.lines(changed[:_CHANGES], console(request).masker, view.words),
        "has_more_changes": len(changed) > _CHANGES,
        "is_editable": is_editable,
        # Each page has its own: a form that is sent twice runs once.
        "run_key": secrets.token_urlsafe(16),
    }
    return show(request, "job.html", values)


def _gone(
    request: Request, connection: Connection, scope: Scope, at: AsOf, job_id: int, view: View
) -> Response:
    """What is left of a job that is gone: its records; not found where there are none to see."""
    page = executions.list_records(
        connection, scope, at, wanted=Wanted(job_id=job_id), size=_HISTORY
    )
    if not page.rows:
        raise problems.not_found()
    values = {
        "job_id": job_id,
        "name": name_of(page.rows[0].job_name, job_id, view.words),
        "tolds": [present_record(record, view.words, at.now) for record in page.rows],
        "has_more": page.next is not None,
    }
    return show(request, "job_gone.html", values)
