"""Sending dead letters again, as they came or edited, one or many, after a confirmation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from job_trigger_worker.console.dead_letters import existing_records
from job_trigger_worker.console.dead_letters.edit_html import (
    LONGEST_BODY,
    confirm_edited,
    fault,
    form,
    letter_of,
    lines,
)
from job_trigger_worker.console.dead_letters.html import KIND
from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.dependencies import console, id_of
from job_trigger_worker.console.shared.list_params import LetterChoice
from job_trigger_worker.console.shared.page import show
from job_trigger_worker.console.shared.permissions import Administering
from job_trigger_worker.console.shared.presenters import shorten
from job_trigger_worker.console.shared.query_params import read_query
from job_trigger_worker.console.shared.rendering import Page as View
from job_trigger_worker.console.shared.texts import gettext_noop
from job_trigger_worker.dead_letters.rendering import printable
from job_trigger_worker.dead_letters.replay_rules import Replayed
from job_trigger_worker.domain.masking import MASK
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.errors import BrokersAway
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.read import dead_letters
from job_trigger_worker.storage.read.dead_letters import (
    DeadLetterFilter,
    DeadLetterSummary,
    StoredMessage,
)
from job_trigger_worker.storage.write import changes

log = logger(__name__)

router = APIRouter(include_in_schema=False)

MOST_AT_ONCE = 500
"""Most letters of one request: so many are sent while a person waits."""

_LONGEST_IDS = MOST_AT_ONCE * 20
_NAMED = 50


@router.post("/dead-letters/{letter_id}/replay")
def replay_one(
    request: Request,
    admin: Administering,
    letter_id: str,
    body: Annotated[str | None, Form(max_length=LONGEST_BODY)] = None,
    confirmed: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Send a letter again, edited if there is a body; its page then says what became of it."""
    letter, kept = letter_of(request, letter_id)
    view, _ = console(request).pages.page(request)
    if not letter.is_whole:
        return _outcome(request, Replayed(), skipped=1)
    edited = None if body is None else lines(body)
    if edited is not None and (error := fault(request, letter, edited, view)) is not None:
        return form(request, letter, edited, hides=MASK in edited, error=error)
    if confirmed != "yes":
        if edited is None:
            return _confirm(request, view, letter, kept)
        return confirm_edited(request, view, letter, kept, edited)
    result = _send(request, admin, (letter.id,), edited)
    if result.failed:
        return _outcome(request, result, skipped=0)
    return RedirectResponse(f"/dead-letters/{letter.id}", HTTPStatus.SEE_OTHER)


@router.post("/dead-letters/replay")
def replay_many(
    request: Request,
    admin: Administering,
    letter: Annotated[list[str] | None, Form()] = None,
    reason: Annotated[str, Form(max_length=200)] = "",
    which: Annotated[str, Form(max_length=10)] = "",
    ids: Annotated[str, Form(max_length=_LONGEST_IDS)] = "",
    confirmed: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Send letters again: those selected, or all of a reason that were not sent again yet.

    The page that asks once more holds the ids: what is sent is what was counted.
    """
    view, _ = console(request).pages.page(request)
    if confirmed == "yes":
        chosen = tuple(id_of(each) for each in ids.split(",")[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            raise problems.not_found()
        result = _send(request, admin, chosen, None)
        return _outcome(request, result, skipped=len(chosen) - _looked_at(result))
    query = read_query(LetterChoice, {"reason": reason}, view)
    if query.faults:
        raise problems.not_found()
    if which == "all":
        choice = DeadLetterFilter(reason=query.asked.reason, with_cut=False)
    else:
        selected = tuple(id_of(each) for each in (letter or [])[:MOST_AT_ONCE])
        choice = DeadLetterFilter(selected, with_cut=False)
    with console(request).pool.snapshot() as connection:
        counted = dead_letters.select(connection, choice)
        chosen = dead_letters.ids(connection, choice, limit=MOST_AT_ONCE)
    return _confirm_many(request, view, counted.fresh, chosen, counted.topics)


def _confirm(
    request: Request, view: View, letter: DeadLetterSummary, kept: StoredMessage
) -> Response:
    warning = existing_records.of_one(request, view, letter, kept)
    text = gettext_noop(
        "Letter %(id)s goes to %(topic)s with the same key, headers and bytes. It runs once,"
        " however often it is sent."
    )
    if letter.replayed_at is not None:
        text = gettext_noop(
            "Letter %(id)s was already sent again. Sending it to %(topic)s once more counts as "
            "a repeat and runs nothing twice."
        )
    values = {
        "title": view.words.gettext(gettext_noop("Send the letter again?")),
        "text": view.words.gettext(text) % {"id": letter.id, "topic": letter.topic},
        "action": view.words.gettext(gettext_noop("Send it")),
        "to": f"/dead-letters/{letter.id}/replay",
        "back": f"/dead-letters/{letter.id}",
        "fields": {"confirmed": "yes"},
        "found": (),
        "warning": warning,
        "is_grave": bool(warning),
    }
    return show(request, "confirm.html", values)


def _confirm_many(
    request: Request, view: View, fresh: int, chosen: tuple[int, ...], topics: tuple[str, ...]
) -> Response:
    words = view.words
    if not chosen:
        values = {"sent": 0, "skipped": 0, "failed": [], "more": 0, "is_answered": True}
        return show(request, "dead_letters_sent.html", values)
    text = words.ngettext(
        "%(num)s letter goes to %(topics)s as it came, and runs once, however often it is sent.",
        "%(num)s letters go to %(topics)s as they came. Each runs once, however often it is sent.",
        len(chosen),
    )
    said = text % {"num": f"{len(chosen):,}", "topics": ", ".join(topics)}
    if fresh > len(chosen):
        rest = gettext_noop("These are the oldest of %(count)s: at most %(most)s are sent at once.")
        said += " " + words.gettext(rest) % {"count": f"{fresh:,}", "most": f"{MOST_AT_ONCE:,}"}
    title = words.ngettext("Send %(num)s letter again?", "Send %(num)s letters again?", len(chosen))
    values = {
        "title": title % {"num": f"{len(chosen):,}"},
        "text": said,
        "action": words.gettext(gettext_noop("Send them")),
        "to": "/dead-letters/replay",
        "back": "/dead-letters",
        "fields": {"ids": ",".join(map(str, chosen)), "confirmed": "yes"},
        "found": (),
        "warning": existing_records.of_many(request, view, chosen),
        "is_grave": len(chosen) > 1,
    }
    return show(request, "confirm.html", values)


def _send(request: Request, admin: Principal, ids: tuple[int, ...], edited: str | None) -> Replayed:
    """Send letters, and note for each who sent it. Many are left out where they were sent before.

    Raises `BrokersAway` when none was acknowledged.
    """
    made = console(request)
    wait_s = made.run_limit.take(admin.login)
    if wait_s:
        raise problems.too_many(wait_s)
    choice = DeadLetterFilter(ids, with_replayed=len(ids) == 1, with_cut=False)
    with made.pool.snapshot() as connection:
        found = dead_letters.select(connection, choice)
    if not found.topics:
        return Replayed()
    body = None if edited is None else edited.encode()
    result = made.replayer.replay(
        choice, found, edited=body, note=_note(admin, is_edited=edited is not None)
    )
    log.info(
        "dead_letters_replayed",
        login=admin.login,
        sent=len(result.replayed),
        failed=len(result.failed),
        edited=edited is not None,
    )
    if not result.replayed and not result.is_answered:
        raise BrokersAway("No broker has acknowledged any of the dead letters.")
    return result


def _note(
    admin: Principal, *, is_edited: bool
) -> Callable[[Connection, Mapping[int, str | None]], None]:
    def note(connection: Connection, outcomes: Mapping[int, str | None]) -> None:
        for letter_id, error in outcomes.items():
            changes.write(
                connection,
                login=admin.login,
                object_kind=KIND,
                object_id=str(letter_id),
                action="replay",
                after={"edited": is_edited} | ({} if error is None else {"error": error}),
            )

    return note


def _outcome(request: Request, result: Replayed, *, skipped: int) -> Response:
    masker = console(request).masker
    values = {
        "sent": len(result.replayed),
        "skipped": skipped,
        "failed": [
            (letter_id, shorten(printable(masker.text(why)), 200))
            for letter_id, why in list(result.failed.items())[:_NAMED]
        ],
        "more": max(0, len(result.failed) - _NAMED),
        "is_answered": result.is_answered,
    }
    return show(request, "dead_letters_sent.html", values)


def _looked_at(result: Replayed) -> int:
    return len(result.replayed) + len(result.failed)
