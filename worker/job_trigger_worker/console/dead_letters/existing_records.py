"""The warning before sending a letter whose trigger already has a record."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request

from job_trigger_worker.console.shared.dependencies import console
from job_trigger_worker.console.shared.rendering import Page as View
from job_trigger_worker.console.shared.texts import gettext_noop
from job_trigger_worker.dead_letters.replay_rules import standing
from job_trigger_worker.storage.read import dead_letters
from job_trigger_worker.storage.read.dead_letters import (
    DeadLetterFilter,
    DeadLetterSummary,
    StoredMessage,
)

_NAMED = 10


def of_one(request: Request, view: View, letter: DeadLetterSummary, kept: StoredMessage) -> str:
    """Which record that is, and its outcome; empty where there is none.

    One that was sent again before has its own record, of which a repeat is counted.
    """
    if letter.replayed_at is not None:
        return ""
    with console(request).pool.snapshot() as connection:
        found = standing(connection, [kept])
    if not found:
        return ""
    text = gettext_noop(
        "Its trigger already has a record: record %(record)s of job %(job)s, dispatched. What "
        "you send gets a record of its own, so the job runs once more."
    )
    if found[0].code is not None:
        text = gettext_noop(
            "Its trigger already has a record: record %(record)s of job %(job)s, failed with "
            "%(code)s. What you send gets a record of its own."
        )
    values = {"record": found[0].record_id, "job": found[0].job_id, "code": found[0].code}
    return view.words.gettext(text) % values


def of_many(request: Request, view: View, chosen: Sequence[int]) -> str:
    """How many of these letters that concerns, and the first of them; empty where it is none."""
    choice = DeadLetterFilter(tuple(chosen), with_cut=False)
    found: list[int] = []
    after, last = 0, max(chosen)
    with console(request).pool.snapshot() as connection:
        while page := dead_letters.page(connection, choice, after=after, last=last):
            after = page[-1].id
            found += [each.letter_id for each in standing(connection, page)]
    if not found:
        return ""
    text = view.words.ngettext(
        "The trigger of %(num)s of them already has a record, and gets another one when it is "
        "sent again: letter %(ids)s.",
        "The triggers of %(num)s of them already have records, and get other ones when they "
        "are sent again: letters %(ids)s.",
        len(found),
    )
    ids = ", ".join(map(str, found[:_NAMED])) + (", …" if len(found) > _NAMED else "")
    return text % {"num": f"{len(found):,}", "ids": ids}
