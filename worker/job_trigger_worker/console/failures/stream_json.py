"""Failures as they happen, as a stream of events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from job_trigger_worker.config import Language
from job_trigger_worker.console.failures.live.frames import (
    BEAT_S,
    EventStream,
    frame,
    heartbeat,
    opening,
)
from job_trigger_worker.console.failures.live.state import live
from job_trigger_worker.console.failures.live.subscription import After, LastEventId, Subscription
from job_trigger_worker.console.shared import models
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.rendering import words_of

router = APIRouter(prefix="/api/v1", tags=["failures"])


class FailureEvent(BaseModel):
    """What the `data` of a `failure` event holds."""

    id: str = Field(description="The record; also the event's id.", examples=["1284"])
    job_id: str = Field(examples=["17"])
    job_name: str | None = Field(examples=["log-backup"])
    job_type: str | None = Field(examples=["action"])
    kind: str | None = Field(examples=["schedule"])
    triggered_by: str | None = Field(examples=["common-job"])
    triggered_by_verified: bool | None = Field(
        description="False where the trigger only claims it.", examples=[True]
    )
    code: str | None = Field(examples=["server_not_found"])
    message: str = Field(examples=["Server 7 (10.0.0.7, db-07) does not exist."])
    causes: list[str] = Field(description="The first 20.", examples=[["server_not_found:server=7"]])
    scheduled_at: datetime | None
    decided_at: datetime | None
    execution_id: str | None
    trigger_id: str | None
    duplicate_count: int = Field(examples=[0])
    url: str = Field(description="The record's page.", examples=["/history/1284"])


_EXAMPLE = """retry: 2000

id: 1284
event: failure
data: {"id":"1284","job_id":"17","code":"server_not_found"}

: nothing new
id: 1290

"""
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events that go on until the reader leaves or signs out: "
        "`failure`, with a FailureEvent as its data, in the order of their ids. A comment comes at "
        f"least every {BEAT_S:.0f} s. Every failure that the reader may see comes exactly once in "
        "a connection, and who comes back with `Last-Event-ID` misses none, whichever instance of "
        "the console answers.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "itemSchema": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "event": {"const": "failure"},
                        "data": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "contentSchema": FailureEvent.model_json_schema(),
                        },
                    },
                },
                "example": _EXAMPLE,
            }
        },
    }
}


@router.get(
    "/failures/stream",
    status_code=200,
    response_class=EventStream,
    responses={**models.problems(429), **_ANSWER},
)
async def stream_failures(
    request: Request, viewer: Viewing, after: After = None, last_event_id: LastEventId = None
) -> EventStream:
    """Follow the failures of the jobs that one may see."""
    watch = await Subscription.begin(request, viewer, after, last_event_id)
    return watch.answer(_events(request, watch, words_of(request).language))


async def _events(
    request: Request, watch: Subscription, language: Language
) -> AsyncGenerator[bytes, None]:
    telling = live(request).telling
    yield opening()
    while (rows := await watch.batch(BEAT_S)) is not None:
        events = [frame("failure", telling.for_programs(row, language), row.id) for row in rows]
        yield b"".join(events) or heartbeat(watch.viewer.position)
