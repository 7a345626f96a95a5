"""A job's changes in words: who, when, and what became what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from job_trigger_worker.console.jobs.visible_job import get_visible_job
from job_trigger_worker.console.shared.dependencies import as_of, console, id_of
from job_trigger_worker.console.shared.page import show
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.presenters import name_of, shorten
from job_trigger_worker.console.shared.rendering import words_of
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.domain.trigger import MAX_ID
from job_trigger_worker.storage.write import changes
from job_trigger_worker.storage.write.changes import Change

router = APIRouter(include_in_schema=False)

_ACTIONS: Mapping[str, str] = {
    "run": gettext_noop("asked to run it"),
    "enable": gettext_noop("switched it on"),
    "disable": gettext_noop("switched it off"),
    "edit": gettext_noop("edited it"),
}
_LABELS: Mapping[str, str] = {
    "name": gettext_noop("Name"),
    "schedule": gettext_noop("Schedule"),
    "timezone": gettext_noop("Time zone"),
}
_LONGEST = 200
_SIZE = 50


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field; `before` is '' for what there was not."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One change. `run` is the id of the trigger that was asked for, '' where it was no run."""

    at: datetime
    login: str
    action: str
    run: str
    fields: tuple[FieldLine, ...]


@router.get("/jobs/{job_id}/changes")
def list_changes(
    request: Request,
    viewer: Viewing,
    job_id: str,
    before: Annotated[int | None, Query(gt=0, le=MAX_ID)] = None,
) -> Response:
    """List a job's changes, the newest first."""
    number, at = id_of(job_id), as_of(request)
    with console(request).pool.snapshot() as connection:
        job = get_visible_job(connection, viewer, at, number)
        found = changes.of_object(
            connection, "job", str(number), limit=_SIZE + 1, older_than=before
        )
    words = words_of(request)
    values = {
        "job_id": number,
        "name": name_of(job.name, number, words),
        "changes": lines(found[:_SIZE], console(request).masker, words),
        "older": found[_SIZE - 1].id if len(found) > _SIZE else None,
    }
    return show(request, "job_changes.html", values)


def lines(found: Sequence[Change], masker: Masker, words: Words) -> list[ChangeLine]:
    """Changes as a page shows them, with what looks secret hidden."""
    return [_line(each, masker, words) for each in found]


def _line(change: Change, masker: Masker, words: Words) -> ChangeLine:
    before = masker.value(change.before or {})
    after = masker.value(change.after or {})
    known = _ACTIONS.get(change.action)
    return ChangeLine(
        change.at,
        shorten(change.login, 120),
        words.gettext(known) if known else shorten(change.action, 60),
        str(after.get("trigger_id", ""))[:36] if change.action == "run" else "",
        tuple(_fields(before, after, words)) if change.action == "edit" else (),
    )


def _fields(before: Mapping[str, Any], after: Mapping[str, Any], words: Words) -> list[FieldLine]:
    nothing = words.gettext(gettext_noop("none"))
    found = [
        FieldLine(
            words.gettext(label), _text(before[name]) or nothing, _text(after[name]) or nothing
        )
        for name, label in _LABELS.items()
        if name in before and name in after
    ]
    for label, targets in (
        (gettext_noop("Targets removed"), before.get("targets")),
        (gettext_noop("Targets added"), after.get("targets")),
    ):
        if isinstance(targets, list) and targets:
            text = _text(", ".join(map(str, targets)))
            found.append(FieldLine(words.gettext(label), "", text))
    return found


def _text(value: Any) -> str:
    return "" if value is None else shorten(str(value), _LONGEST)
