"""Dead letters, for admins: what could not be read or stored, why, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request, Response

from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.addresses import trail_of
from job_trigger_worker.console.shared.dependencies import console, id_of
from job_trigger_worker.console.shared.filters import Field
from job_trigger_worker.console.shared.list_params import LetterChoice
from job_trigger_worker.console.shared.page import show
from job_trigger_worker.console.shared.permissions import Administering
from job_trigger_worker.console.shared.presenters import shorten
from job_trigger_worker.console.shared.query_params import read_query
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.dead_letters.rendering import Form, RenderedBytes, printable, render
from job_trigger_worker.domain.masking import MASK, Masker
from job_trigger_worker.domain.trigger import MAX_ID
from job_trigger_worker.storage.read import dead_letters
from job_trigger_worker.storage.read.dead_letters import (
    DeadLetterFilter,
    DeadLetterSummary,
    StoredMessage,
)
from job_trigger_worker.storage.write import changes
from job_trigger_worker.storage.write.changes import Change

router = APIRouter(include_in_schema=False)

SIZE = 50
KIND = "dead_letter"
"""What the table of changes calls a letter."""

_LONGEST_REASON = 500
_MOST_BODY = 8_000
_MOST_DUMPED = 1_600
_MOST_VALUE = 160
_MOST_HEADERS = 30
_CHANGES = 10


@dataclass(frozen=True, slots=True)
class Line:
    """A letter in the list."""

    letter: DeadLetterSummary
    reason: str


@router.get("/dead-letters")
def list_newest(request: Request, _admin: Administering) -> Response:
    """List dead letters, the newest first; their bytes are not shown."""
    made = console(request)
    view, _ = made.pages.page(request)
    query = read_query(LetterChoice, request.query_params, view)
    reason, is_waiting = query.asked.reason, query.asked.waiting
    trail = trail_of(request)
    found, counted, sendable = [], None, None
    if not query.faults:
        choice = DeadLetterFilter(reason=reason, with_replayed=not is_waiting)
        with made.pool.snapshot() as connection:
            found = dead_letters.summaries(
                connection, choice, limit=SIZE + 1, older_than=_older_than(trail.after)
            )
            counted = dead_letters.select(connection, choice)
            sendable = dead_letters.select(connection, replace(choice, with_cut=False))
    rows = found[:SIZE]
    values = {
        "lines": [Line(row, shown_reason(row.reason, made.masker)) for row in rows],
        "total": counted.fresh + counted.replayed if counted else 0,
        "fresh": sendable.fresh if sendable else 0,
        "reason": reason or "",
        "fields": _fields(view.words),
        "faults": query.faults,
        "at": trail.address,
        "is_narrowed": reason is not None or is_waiting is not None,
        "newer": trail.newer,
        "older": trail.older(str(rows[-1].id) if len(found) > SIZE else None),
    }
    return show(request, "dead_letters.html", values)


@router.get("/dead-letters/{letter_id}")
def show_one(request: Request, _admin: Administering, letter_id: str) -> Response:
    """Show a letter: why, where from, its bytes, and what became of it."""
    made = console(request)
    number = id_of(letter_id)
    with made.pool.snapshot() as connection:
        letter, kept = found_letter(dead_letters.get(connection, number))
        key = dead_letters.key_of_replay(connection, number)
        rows = dead_letters.records(connection, execution_id=letter.execution_id, key=key)
        changed = changes.of_object(connection, KIND, str(number), limit=_CHANGES)
    own = letter.execution_id and str(letter.execution_id)
    values = {
        "letter": letter,
        "reason": shown_reason(letter.reason, made.masker),
        "body": body_of(kept, made.masker),
        "key": render(kept.key, made.masker, most=_MOST_VALUE),
        "headers": _headers(kept, made.masker),
        "more_headers": max(0, len(kept.headers) - _MOST_HEADERS),
        "record": next((row for row in rows if row["execution_id"] == own), None),
        "replays": [row for row in rows if row["execution_id"] != own],
        "changes": [_said(change) for change in changed],
    }
    return show(request, "dead_letter.html", values)


def found_letter(
    found: tuple[DeadLetterSummary, StoredMessage] | None,
) -> tuple[DeadLetterSummary, StoredMessage]:
    """A letter; what does not exist is not found."""
    if found is None:
        raise problems.not_found()
    return found


def body_of(kept: StoredMessage, masker: Masker) -> RenderedBytes:
    """A letter's value as a page has room for it."""
    return render(kept.value, masker, most=_MOST_BODY, most_bytes=_MOST_DUMPED, is_laid_out=True)


def shown_reason(reason: str, masker: Masker) -> str:
    """A reason quotes what was wrong: what looks secret in it is hidden."""
    return shorten(printable(masker.text(reason)), _LONGEST_REASON)


def _headers(kept: StoredMessage, masker: Masker) -> list[tuple[str, RenderedBytes]]:
    found = []
    for name, content in kept.headers[:_MOST_HEADERS]:
        shown = render(content, masker, most=_MOST_VALUE)
        if content and masker.hides(name):
            shown = RenderedBytes(Form.TEXT, MASK, len(content), len(content), hides=True)
        found.append((shorten(printable(name), _MOST_VALUE), shown))
    return found


def _said(change: Change) -> Mapping[str, Any]:
    after = change.after or {}
    return {
        "at": change.at,
        "login": change.login,
        "is_edited": bool(after.get("edited")),
        "error": after.get("error"),
    }


def _older_than(after: str | None) -> int | None:
    """Where a page begins; anything that is not an id begins at the newest."""
    if after is None or not (after.isascii() and after.isdigit()):
        return None
    return min(int(after[:20]), MAX_ID)


def _fields(words: Words) -> list[Field]:
    switched = (
        ("", words.gettext(gettext_noop("All"))),
        ("yes", words.gettext(gettext_noop("Not sent again yet"))),
    )
    return [
        Field("reason", words.gettext(gettext_noop("Reason contains")), is_main=True),
        Field("waiting", words.gettext(gettext_noop("State")), switched, is_main=True),
    ]
