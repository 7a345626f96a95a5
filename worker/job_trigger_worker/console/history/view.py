"""Records for pages and API: a page of them, and the moments of one record's life (R8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import Request

from job_trigger_worker.console.shared.badges import badge
from job_trigger_worker.console.shared.dependencies import as_of, console, scope_of
from job_trigger_worker.console.shared.list_params import Paging, following
from job_trigger_worker.console.shared.models.executions import ExecutionPage
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.texts import gettext_noop
from job_trigger_worker.domain.read_models import RecordFilter, RecordRow, Status
from job_trigger_worker.storage.read import executions


@dataclass(frozen=True, slots=True)
class Step:
    """A moment of a record's life; `at` is None for one that is still to come."""

    label: str
    at: datetime | None
    tone: str
    after_s: float | None = None


def steps(record: RecordRow) -> list[Step]:
    """Due, fired, decided, accepted, started, ended: as far as they are known, and what is next."""
    run = record.run
    ended = badge(record.status.value)
    moments = [
        (gettext_noop("Due (slot)"), record.scheduled_at, "busy"),
        (gettext_noop("Fired"), record.fired_at, "busy"),
        (gettext_noop("Decided"), record.decided_at, _decided_tone(record)),
        (gettext_noop("Accepted"), run.accepted_at if run else None, "busy"),
        (gettext_noop("Started"), run.started_at if run else None, "busy"),
        (gettext_noop("Ended"), run.ended_at if run else None, ended.tone),
    ]
    found: list[Step] = []
    for label, moment, tone in moments:
        if moment is not None:
            before = found[-1].at if found else None
            after_s = (moment - before).total_seconds() if before else None
            found.append(Step(label, moment, tone, after_s))
    if record.status in (Status.DISPATCHED, Status.NO_ANSWER):
        found.append(Step(gettext_noop("Accepted"), None, "still"))
    elif record.status in (Status.ACCEPTED, Status.RUNNING):
        found.append(Step(gettext_noop("Ended"), None, "still"))
    return found


def _decided_tone(record: RecordRow) -> str:
    return "bad" if record.status is Status.TRIGGER_FAILED else "good"


def page_of(
    request: Request, viewer: Viewing, wanted: RecordFilter, asked: Paging
) -> ExecutionPage:
    """A page of the records that are meant."""
    with console(request).pool.snapshot() as connection, following():
        page = executions.list_records(
            connection,
            scope_of(viewer),
            as_of(request),
            wanted=wanted,
            after=asked.after,
            size=asked.limit,
        )
    return ExecutionPage.model_validate(page)
