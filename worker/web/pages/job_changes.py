"""A job's changes in words: who, when, and what became what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from worker.domain.masking import Masker
from worker.domain.trigger import MAX_ID
from worker.storage import changes
from worker.storage.changes import Change
from worker.web.access import Viewing
from worker.web.asking import as_of, console, id_of
from worker.web.changing.seeing import visible
from worker.web.pages.page import show
from worker.web.pages.showing import name_of, short
from worker.web.rendering import words_of
from worker.web.words import Words, marked

router = APIRouter(include_in_schema=False)

_ACTIONS: Mapping[str, str] = {
    "run": marked("asked to run it"),
    "enable": marked("switched it on"),
    "disable": marked("switched it off"),
    "edit": marked("edited it"),
}
_LABELS: Mapping[str, str] = {
    "name": marked("Name"),
    "schedule": marked("Schedule"),
    "timezone": marked("Time zone"),
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
        job = visible(connection, viewer, at, number)
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
        short(change.login, 120),
        words.gettext(known) if known else short(change.action, 60),
        str(after.get("trigger_id", ""))[:36] if change.action == "run" else "",
        tuple(_fields(before, after, words)) if change.action == "edit" else (),
    )


def _fields(before: Mapping[str, Any], after: Mapping[str, Any], words: Words) -> list[FieldLine]:
    nothing = words.gettext(marked("none"))
    found = [
        FieldLine(
            words.gettext(label), _text(before[name]) or nothing, _text(after[name]) or nothing
        )
        for name, label in _LABELS.items()
        if name in before and name in after
    ]
    for label, targets in (
        (marked("Targets removed"), before.get("targets")),
        (marked("Targets added"), after.get("targets")),
    ):
        if isinstance(targets, list) and targets:
            text = _text(", ".join(map(str, targets)))
            found.append(FieldLine(words.gettext(label), "", text))
    return found


def _text(value: Any) -> str:
    return "" if value is None else short(str(value), _LONGEST)
