"""The history detail: one record whole (R8)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from worker.domain import messages
from worker.domain.codes import FailureCode
from worker.domain.reading import RecordDetail, RecordRow, Status
from worker.domain.topics import Topics
from worker.storage.queries import executions
from worker.web import problems, rebuilt
from worker.web.access import Viewing
from worker.web.asking import as_of, console, id_of, scope_of
from worker.web.pages.page import show
from worker.web.pages.showing import said, short, told
from worker.web.statuses import look
from worker.web.words import Words, marked

router = APIRouter(include_in_schema=False)

MOST_FINDINGS = 25
MOST_TARGETS = 50
_LONGEST_JSON = 5_000
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as a page shows it."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Step:
    """A moment of a record's life; `at` is None for one that is still to come."""

    label: str
    at: datetime | None
    tone: str
    after_s: float | None = None


@router.get("/history/{record_id}")
def show_one(request: Request, viewer: Viewing, record_id: str) -> Response:
    """Show a record; what one may not see is not there."""
    at = as_of(request)
    with console(request).pool.snapshot() as connection:
        detail = executions.get_record(connection, scope_of(viewer), at, id_of(record_id))
    if detail is None:
        raise problems.not_found()
    view, _ = console(request).pages.page(request)
    event = rebuilt.rebuild(detail, Topics.under(console(request).settings.topic_prefix))
    values = {
        "detail": detail,
        "record": detail.record,
        "told": told(detail.record, view.words, at.now),
        "findings": findings(detail.findings[:MOST_FINDINGS], view.words),
        "more_findings": max(0, len(detail.findings) - MOST_FINDINGS) + detail.findings_omitted,
        "targets": [_target(target) for target in detail.targets[:MOST_TARGETS]],
        "more_targets": max(0, len(detail.targets) - MOST_TARGETS),
        "has_nodes": any(target.get("node_id") is not None for target in detail.targets),
        "steps": steps(detail.record),
        "event": event,
        "body": "" if event is None else _json(console(request).masker.value(dict(event.body))),
        "headers": {} if event is None else event.headers,
        "causes": [short(cause, _LONGEST_VALUE) for cause in detail.record.causes[:10]],
        "next_step": _next_step(detail, view.words),
    }
    return show(request, "record.html", values)


def findings(stored: Sequence[Mapping[str, Any]], words: Words) -> list[Found]:
    """Stored findings in a language, with what to do about each."""
    return [
        Found(
            short(str(each.get("code", "?")), 40),
            said(each, words),
            remedy(str(each.get("code")), words),
        )
        for each in stored
    ]


def remedy(code: str, words: Words) -> str:
    """What to do about a code; nothing for one that we do not know."""
    try:
        return messages.remedy(FailureCode(code), words.language)
    except ValueError:
        return ""


def steps(record: RecordRow) -> list[Step]:
    """Due, fired, decided, accepted, started, ended: as far as they are known, and what is next."""
    run = record.run
    ended = look(record.status.value)
    moments = [
        (marked("Due (slot)"), record.scheduled_at, "busy"),
        (marked("Fired"), record.fired_at, "busy"),
        (marked("Decided"), record.decided_at, _decided_tone(record)),
        (marked("Accepted"), run.accepted_at if run else None, "busy"),
        (marked("Started"), run.started_at if run else None, "busy"),
        (marked("Ended"), run.ended_at if run else None, ended.tone),
    ]
    found: list[Step] = []
    for label, moment, tone in moments:
        if moment is not None:
            before = found[-1].at if found else None
            after_s = (moment - before).total_seconds() if before else None
            found.append(Step(label, moment, tone, after_s))
    if record.status in (Status.DISPATCHED, Status.NO_ANSWER):
        found.append(Step(marked("Accepted"), None, "still"))
    elif record.status in (Status.ACCEPTED, Status.RUNNING):
        found.append(Step(marked("Ended"), None, "still"))
    return found


def _decided_tone(record: RecordRow) -> str:
    return "bad" if record.status is Status.TRIGGER_FAILED else "good"


def _next_step(detail: RecordDetail, words: Words) -> str:
    """What to do about it, under the sentence that matters."""
    status = detail.record.status
    if status is Status.TRIGGER_FAILED:
        return remedy(detail.record.code or "", words)
    if status is Status.NO_ANSWER:
        text = marked("Look whether that service runs; the dispatch waits in its topic.")
        return words.gettext(text)
    return ""


def _target(target: Mapping[str, Any]) -> dict[str, str]:
    names = ("node_id", "server_id", "ip", "account", "credential_id")
    return {
        name: "" if target.get(name) is None else short(str(target[name]), _LONGEST_VALUE)
        for name in names
    }


def _json(value: object) -> str:
    return short(json.dumps(value, ensure_ascii=False, indent=2), _LONGEST_JSON)
