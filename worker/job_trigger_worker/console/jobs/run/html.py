"""Run a job now, and follow what becomes of it (R9); switch it on and off."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from job_trigger_worker.console.history.view import steps
from job_trigger_worker.console.jobs.run import view as run
from job_trigger_worker.console.jobs.run.switch import switch
from job_trigger_worker.console.jobs.run.view import FollowedRun
from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.dependencies import as_of, console, id_of
from job_trigger_worker.console.shared.findings import present_all
from job_trigger_worker.console.shared.permissions import Operating, Viewing
from job_trigger_worker.console.shared.presenters import name_of, present_record
from job_trigger_worker.console.shared.rendering import words_of
from job_trigger_worker.console.shared.texts import gettext_noop
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.read_models import Status
from job_trigger_worker.errors import BrokersAway

router = APIRouter(include_in_schema=False)

SOON = timedelta(seconds=10)
"""After so long without a record the page says that the worker may not be there."""

_ENDS = frozenset(
    {
        Status.TRIGGER_FAILED,
        Status.SUCCEEDED,
        Status.FAILED,
        Status.REJECTED,
        Status.CANCELLED,
        Status.OTHER,
    }
)
_LONGEST_KEY = 100


@router.post("/jobs/{job_id}/run")
def run_now(
    request: Request,
    operator: Operating,
    job_id: str,
    run_key: Annotated[str, Form(max_length=_LONGEST_KEY)] = "",
    confirm: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Send a trigger, and lead to the page that follows it; a form that is sent twice runs once."""
    number, at = id_of(job_id), as_of(request)
    key = run_key or secrets.token_urlsafe(16)
    try:
        trigger_id = run.run(
            console(request),
            operator,
            at,
            number,
            key=key,
            is_confirmed=confirm == "yes",
            traceparent=request.headers.get("traceparent"),
        )
    except problems.Refusal as refusal:
        if refusal.problem.kind != "job-disabled":
            raise
        return _ask(
            request,
            number,
            {"run_key": key, "confirm": "yes"},
            title=gettext_noop("This job is switched off"),
            text=gettext_noop("Its run would not start, and would be recorded as failed."),
            action=gettext_noop("Run anyway"),
        )
    except BrokersAway:
        # The same key again: what did arrive is recognised, and runs once.
        return _ask(
            request,
            number,
            {"run_key": key, "confirm": confirm},
            title=problems.NO_BROKER.title,
            text=problems.NO_BROKER.detail,
            more=problems.NO_BROKER.remedy,
            action=gettext_noop("Send the same again"),
            status=HTTPStatus.SERVICE_UNAVAILABLE,
        )
    return RedirectResponse(f"/jobs/{number}/runs/{trigger_id}", HTTPStatus.SEE_OTHER)


@router.post("/jobs/{job_id}/enable")
def enable(request: Request, operator: Operating, job_id: str) -> Response:
    """Switch a job on."""
    return _switched(request, operator, job_id, on=True)


@router.post("/jobs/{job_id}/disable")
def disable(request: Request, operator: Operating, job_id: str) -> Response:
    """Switch a job off."""
    return _switched(request, operator, job_id, on=False)


@router.get("/jobs/{job_id}/runs/{trigger_id}")
def follow_run(request: Request, viewer: Viewing, job_id: str, trigger_id: str) -> Response:
    """Show what has become of a run so far."""
    return _followed(request, viewer, job_id, trigger_id, "job_run.html")


@router.get("/jobs/{job_id}/runs/{trigger_id}/part")
def follow_part(request: Request, viewer: Viewing, job_id: str, trigger_id: str) -> Response:
    """The part of the page that changes."""
    return _followed(request, viewer, job_id, trigger_id, "job_run_part.html")


def _switched(request: Request, operator: Principal, job_id: str, *, on: bool) -> Response:
    number = id_of(job_id)
    switch(console(request), operator, as_of(request), number, on=on)
    return RedirectResponse(f"/jobs/{number}", HTTPStatus.SEE_OTHER)


def _followed(
    request: Request, viewer: Principal, job_id: str, trigger_id: str, template: str
) -> Response:
    number, at, words = id_of(job_id), as_of(request), words_of(request)
    found = run.follow(console(request), viewer, at, number, _uuid(trigger_id))
    record = found.record
    values = {
        "job_id": number,
        "run": found,
        "told": present_record(record.record, words, at.now) if record else None,
        "findings": present_all(record.findings, words) if record else (),
        "steps": steps(record.record) if record else (),
        "name": name_of(record.record.job_name, number, words) if record else None,
        "is_late": record is None and _is_late(found, at.now),
        "has_ended": record is not None and record.record.status in _ENDS,
    }
    return console(request).pages.render(request, template, values)


def _is_late(found: FollowedRun, now: datetime) -> bool:
    return found.asked_at is not None and now - found.asked_at > SOON


def _uuid(written: str) -> str:
    try:
        return str(UUID(written))
    except ValueError:
        raise problems.not_found() from None


def _ask(
    request: Request,
    job_id: int,
    fields: dict[str, str],
    *,
    title: str,
    text: str,
    action: str,
    more: str = "",
    status: int = HTTPStatus.OK,
) -> Response:
    words = words_of(request)
    values = {
        "title": words.gettext(title),
        "text": f"{words.gettext(text)} {words.gettext(more)}".strip(),
        "action": words.gettext(action),
        "to": f"/jobs/{job_id}/run",
        "back": f"/jobs/{job_id}",
        "fields": fields,
        "found": (),
        "is_grave": False,
    }
    return console(request).pages.render(request, "confirm.html", values, status=status)
