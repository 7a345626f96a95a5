"""Editing a dead letter: a form with its body, checked before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from job_trigger_worker.console.dead_letters import existing_records
from job_trigger_worker.console.dead_letters.edit_errors import MOST_MENDED, draft
from job_trigger_worker.console.dead_letters.html import found_letter
from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.dependencies import console, id_of
from job_trigger_worker.console.shared.page import show
from job_trigger_worker.console.shared.permissions import Administering
from job_trigger_worker.console.shared.presenters import shorten
from job_trigger_worker.console.shared.rendering import Page as View
from job_trigger_worker.console.shared.texts import gettext_noop
from job_trigger_worker.dead_letters.rendering import printable
from job_trigger_worker.dead_letters.replay_rules import validate_edited_body
from job_trigger_worker.domain.masking import MASK
from job_trigger_worker.errors import UsageError
from job_trigger_worker.storage.read import dead_letters
from job_trigger_worker.storage.read.dead_letters import DeadLetterSummary, StoredMessage

router = APIRouter(include_in_schema=False)

LONGEST_BODY = 300_000
"""What a form may send; what is longer than a letter that is edited here comes back with why."""


@router.get("/dead-letters/{letter_id}/edit")
def ask_mended(request: Request, _admin: Administering, letter_id: str) -> Response:
    """Show a form with the body, to be put right."""
    letter, kept = _whole(letter_of(request, letter_id))
    body = draft(kept.value, console(request).masker)
    return form(request, letter, body.text, hides=body.hides, refusal=body.refusal)


@router.post("/dead-letters/{letter_id}/edit")
def edit(
    request: Request,
    _admin: Administering,
    letter_id: str,
    body: Annotated[str, Form(max_length=LONGEST_BODY)] = "",
) -> Response:
    """Check what was edited: the form comes back with what is wrong, or it is asked for once more.

    Nothing is sent or stored here.
    """
    letter, kept = _whole(letter_of(request, letter_id))
    view, _ = console(request).pages.page(request)
    edited = lines(body)
    error = fault(request, letter, edited, view)
    if error is not None:
        return form(request, letter, edited, hides=MASK in edited, error=error)
    return confirm_edited(request, view, letter, kept, edited)


def confirm_edited(
    request: Request, view: View, letter: DeadLetterSummary, kept: StoredMessage, edited: str
) -> Response:
    """Ask once more before what was edited is sent."""
    warning = existing_records.of_one(request, view, letter, replace(kept, value=edited.encode()))
    text = gettext_noop(
        "Letter %(id)s goes to %(topic)s with the edited body. It runs once, however often it "
        "is sent. The letter itself stays as it came."
    )
    values = {
        "title": view.words.gettext(gettext_noop("Send the edited letter?")),
        "text": view.words.gettext(text) % {"id": letter.id, "topic": letter.topic},
        "action": view.words.gettext(gettext_noop("Send it")),
        "to": f"/dead-letters/{letter.id}/replay",
        "back": f"/dead-letters/{letter.id}/edit",
        "fields": {"body": edited, "confirmed": "yes"},
        "found": (),
        "warning": warning,
        "is_grave": bool(warning),
    }
    return show(request, "confirm.html", values)


def letter_of(request: Request, letter_id: str) -> tuple[DeadLetterSummary, StoredMessage]:
    """The letter of an address; not found for what is none."""
    with console(request).pool.snapshot() as connection:
        return found_letter(dead_letters.get(connection, id_of(letter_id)))


def _whole(
    found: tuple[DeadLetterSummary, StoredMessage],
) -> tuple[DeadLetterSummary, StoredMessage]:
    """A letter that was not kept whole cannot be edited: there is no page for it."""
    if not found[0].is_whole:
        raise problems.not_found()
    return found


def lines(body: str) -> str:
    """A form sends each end of a line as two characters."""
    return body.replace("\r\n", "\n")


def fault(request: Request, letter: DeadLetterSummary, body: str, view: View) -> str | None:
    """Why a edited body cannot be sent."""
    gettext = view.words.gettext
    if MASK in body:
        return gettext(
            gettext_noop(
                "•••••• stands for a hidden value and is never sent. Type the value again, or "
                "send the letter as it came."
            )
        )
    try:
        content = body.encode()
        if len(content) > MOST_MENDED:
            text = gettext_noop("Longer than %(most)s bytes: edit it on the command line.")
            return gettext(text) % {"most": f"{MOST_MENDED:,}"}
        validate_edited_body(letter.topic, content)
    except UnicodeEncodeError:
        return gettext(gettext_noop("Use fewer characters, all of them visible."))
    except UsageError as problem:
        return shorten(printable(console(request).masker.text(problem.message)), 500)
    return None


def form(
    request: Request,
    letter: DeadLetterSummary,
    body: str,
    *,
    hides: bool,
    error: str | None = None,
    refusal: str | None = None,
) -> Response:
    """The form, with what is wrong beside its field."""
    made = console(request)
    values = {
        "letter": letter,
        "body": body,
        "hides": hides,
        "error": error,
        "refusal": refusal,
        "reason": shorten(printable(made.masker.text(letter.reason)), 500),
        "most": MOST_MENDED,
    }
    status = HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY
    return made.pages.render(request, "dead_letter_edit.html", values, status=status)
