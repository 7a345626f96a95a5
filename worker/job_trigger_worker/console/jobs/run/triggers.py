"""Triggers that a service sends over HTTP: read, completed, and sent together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from job_trigger_schemas import JobTrigger
from job_trigger_worker.console.jobs.run.view import trace_of
from job_trigger_worker.console.shared import refusals
from job_trigger_worker.console.shared.state import Console
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.trigger import Uuid, schedule_key
from job_trigger_worker.errors import Transient
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.write import replay_notes

log = logger(__name__)

MOST = 1_000
_MOST_FAULTS = 100
_REPLAY = gettext_noop(
    "Only people replay: use `trigger-worker dlq replay` or the page of dead letters."
)
_SHAPE = gettext_noop("Send a trigger, or a list of 1 to 1,000.")


def read(sent: Any, who: Principal, words: Words) -> list[JobTrigger]:
    """The triggers of a body: one, or a list of them.

    One without `triggered_by` is the service's. Raises a refusal that names each that cannot be
    read, with its place in the list; of `kind` everything but `replay`.
    """
    is_list = isinstance(sent, list)
    given = sent if is_list else [sent]
    if not 1 <= len(given) <= MOST:
        raise refusals.invalid({"": words.gettext(_SHAPE)})
    faults: dict[str, str] = {}
    triggers = []
    for place, each in enumerate(given):
        prefix = f"{place}." if is_list else ""
        try:
            trigger = JobTrigger.model_validate(_completed(each, who))
        except ValidationError as error:
            faults |= _faults(error, prefix)
            continue
        if trigger.kind == "replay":
            faults[f"{prefix}kind"] = words.gettext(_REPLAY)
        triggers.append(trigger)
    if faults:
        raise refusals.invalid(dict(list(faults.items())[:_MOST_FAULTS]))
    return triggers


def send(
    console: Console, triggers: list[JobTrigger], who: Principal, *, traceparent: str | None
) -> list[Uuid]:
    """Note who sends them, one note for all, and send them; their ids, in order.

    While the database is away they are sent without a note: then their records say that the
    service is claimed. Raises `BrokersAway`: then the same may be sent again.
    """
    note = None
    try:
        with console.pool.transaction() as connection:
            note = replay_notes.write_note(connection, who.login, len(triggers))
    except Transient as error:
        log.warning("sender_not_noted", login=who.login, triggers=len(triggers), reason=error)
    console.sender.send(triggers, traceparent=trace_of(traceparent), note=note)
    return [
        str(each.trigger_id or schedule_key(each.job_id, each.scheduled_at)) for each in triggers
    ]


def _completed(sent: Any, who: Principal) -> Any:
    if isinstance(sent, Mapping) and sent.get("triggered_by") is None:
        return {**sent, "triggered_by": who.login}
    return sent


def _faults(error: ValidationError, prefix: str) -> dict[str, str]:
    """Each fault by its field."""
    return {
        (prefix + ".".join(map(str, each["loc"]))).rstrip("."): each["msg"]
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    }
