"""Triggers: sent by services that speak HTTP, and followed by whoever sees their job (R9)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Path, Request

from job_trigger_schemas import JobTrigger
from job_trigger_worker.console.jobs.run import triggers
from job_trigger_worker.console.jobs.run import view as run
from job_trigger_worker.console.shared import models
from job_trigger_worker.console.shared.dependencies import as_of, console
from job_trigger_worker.console.shared.models import changes as change_models
from job_trigger_worker.console.shared.models import executions
from job_trigger_worker.console.shared.permissions import Serving, Viewing
from job_trigger_worker.console.shared.rendering import words_of

router = APIRouter(prefix="/api/v1/triggers", tags=["triggers"])

_TRIGGER = JobTrigger.model_json_schema()
_EXAMPLE = {"job_id": "17", "scheduled_at": "2026-11-23T08:00:00Z"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        _TRIGGER,
                        {
                            "type": "array",
                            "items": _TRIGGER,
                            "minItems": 1,
                            "maxItems": triggers.MOST,
                        },
                    ]
                },
                "example": [_EXAMPLE],
            }
        },
    }
}


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses=models.problems(400, 413),
    openapi_extra=_BODY,
)
def send_triggers(
    request: Request,
    service: Serving,
    sent: Annotated[Any, Body()],
    traceparent: Annotated[
        str | None, Header(max_length=200, description="W3C Trace Context, passed on.")
    ] = None,
) -> change_models.TriggersSent:
    """Send triggers to the trigger topic, one or up to 1,000: all of them, or none that is wrong.

    What `JobTrigger` of `schemas/` says holds here, too, but for the kind `replay`. Where
    `triggered_by` is absent it is the service: records then tell it as verified, another name as
    claimed. With 503 some may have arrived: send the same again, and what did arrive is recognised.
    """
    read = triggers.read(sent, service, words_of(request))
    ids = triggers.send(console(request), read, service, traceparent=traceparent)
    return change_models.TriggersSent(trigger_ids=ids)


@router.get("/{trigger_id}", responses=models.problems(404))
def show_trigger(
    request: Request, viewer: Viewing, trigger_id: Annotated[UUID, Path()]
) -> change_models.TriggerState:
    """Tell what has become of a trigger.

    One that a person asked for is `pending` until its record is there. Of a service's trigger
    nothing is known before, so it is not found.
    """
    found = run.find(console(request), viewer, as_of(request), str(trigger_id))
    return change_models.TriggerState(
        trigger_id=found.trigger_id,
        state="pending" if found.record is None else "recorded",
        asked_by=found.login,
        asked_at=found.asked_at,
        record=None
        if found.record is None
        else executions.Execution.model_validate(found.record.record),
    )
