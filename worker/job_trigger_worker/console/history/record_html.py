"""The history detail: one record whole (R8)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from job_trigger_worker.console.history import event_preview
from job_trigger_worker.console.history.view import steps
from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.dependencies import as_of, console, id_of, scope_of
from job_trigger_worker.console.shared.findings import MOST_FINDINGS, present_all, remedy_of
from job_trigger_worker.console.shared.page import show
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.presenters import present_record, shorten
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain.read_models import RecordDetail, Status
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.read import executions

router = APIRouter(include_in_schema=False)

MOST_TARGETS = 50
_LONGEST_JSON = 5_000
_LONGEST_VALUE = 60


@router.get("/history/{record_id}")
def show_one(request: Request, viewer: Viewing, record_id: str) -> Response:
    """Show a record; what one may not see is not there."""
    at = as_of(request)
    with console(request).pool.snapshot() as connection:
        detail = executions.get_record(connection, scope_of(viewer), at, id_of(record_id))
    if detail is None:
        raise problems.not_found()
    view, _ = console(request).pages.page(request)
    event = event_preview.preview_event(
        detail, Topics.under(console(request).settings.topic_prefix)
    )
    values = {
        "detail": detail,
        "record": detail.record,
        "told": present_record(detail.record, view.words, at.now),
        "findings": present_all(detail.findings, view.words),
        "more_findings": max(0, len(detail.findings) - MOST_FINDINGS) + detail.findings_omitted,
        "targets": [_target(target) for target in detail.targets[:MOST_TARGETS]],
        "more_targets": max(0, len(detail.targets) - MOST_TARGETS),
        "has_nodes": any(target.get("node_id") is not None for target in detail.targets),
        "steps": steps(detail.record),
        "event": event,
        "body": "" if event is None else _json(console(request).masker.value(dict(event.body))),
        "headers": {} if event is None else event.headers,
        "causes": [shorten(cause, _LONGEST_VALUE) for cause in detail.record.causes[:10]],
        "next_step": _next_step(detail, view.words),
    }
    return show(request, "record.html", values)


def _next_step(detail: RecordDetail, words: Words) -> str:
    """What to do about it, under the sentence that matters."""
    status = detail.record.status
    if status is Status.TRIGGER_FAILED:
        return remedy_of(detail.record.code or "", words)
    if status is Status.NO_ANSWER:
        text = gettext_noop(
            "Check whether that service is running; the dispatch waits in its topic."
        )
        return words.gettext(text)
    return ""


def _target(target: Mapping[str, Any]) -> dict[str, str]:
    names = ("node_id", "server_id", "ip", "account", "credential_id")
    return {
        name: "" if target.get(name) is None else shorten(str(target[name]), _LONGEST_VALUE)
        for name in names
    }


def _json(value: object) -> str:
    return shorten(json.dumps(value, ensure_ascii=False, indent=2), _LONGEST_JSON)
