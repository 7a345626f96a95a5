"""What a replay of dead letters is, apart from brokers: what may be sent, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from job_trigger_schemas import ExecutionStatus, JobTrigger, explain
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.domain.trigger import Trigger, Uuid
from job_trigger_worker.errors import UsageError
from job_trigger_worker.pipeline.decode import MOST_BYTES, NEVER_EARLY, decode
from job_trigger_worker.pipeline.event_body import STATUS, TRIGGER, EventFields, read_event
from job_trigger_worker.pipeline.sources import NO_SOURCE
from job_trigger_worker.storage.read import dead_letters
from job_trigger_worker.storage.read.dead_letters import StoredMessage

_TRIGGERS = ".job.triggers.v1"
_EVENTS: dict[str, tuple[type[BaseModel], EventFields]] = {
    _TRIGGERS: (JobTrigger, TRIGGER),
    ".execution.status.v1": (ExecutionStatus, STATUS),
}


_NOWHERE = Claim(0, "", "", 0, 0, 0)


class Standing(NamedTuple):
    """A record that the trigger of a letter has, by its job and slot or id, beside the letter.

    `code` is that of a failure, None where it was dispatched.
    """

    letter_id: int
    job_id: int
    record_id: int
    code: str | None


@dataclass(slots=True)
class Replayed:
    """What became of the letters chosen; `failed` has the reason by letter id.

    `is_answered` is False where the brokers did not answer for one: it may have arrived.
    """

    replayed: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    is_answered: bool = True


def standing(connection: Connection, sent: Sequence[StoredMessage]) -> list[Standing]:
    """Records beside which these letters' replays will have theirs, in the order of the letters.

    A replay is known by its letter alone: it runs also where the slot that it names has a record.
    """
    triggers = {
        each.id: trigger
        for each in sent
        if each.topic.endswith(_TRIGGERS) and (trigger := _read(each.value)) is not None
    }
    keys = [trigger.idempotency_key for trigger in triggers.values()]
    found: dict[Uuid, tuple[int, str | None]] = {}
    if keys:
        found = dead_letters.standing(connection, keys, letter_ids=list(triggers))
    return [
        Standing(letter_id, trigger.job_id, *found[trigger.idempotency_key])
        for letter_id, trigger in triggers.items()
        if trigger.idempotency_key in found
    ]


def _read(body: bytes | None) -> Trigger | None:
    """What a body says without a header that proves anything; None where it cannot be used."""
    delivery = Delivery(0, 0, None, body, (), 0)
    found = decode(delivery, _NOWHERE, datetime.now(UTC), NEVER_EARLY, NO_SOURCE)
    return found if isinstance(found, Trigger) and found.problem is None else None


def validate_edited_body(topic: str, body: bytes) -> None:
    """Raises `UsageError` when a body is still none that the worker could use on this topic."""
    if len(body) > MOST_BYTES:
        raise UsageError(f"The edited body has {len(body)} bytes; the most is {MOST_BYTES}.")
    known = next((each for suffix, each in _EVENTS.items() if topic.endswith(suffix)), None)
    if known is None:
        raise UsageError(
            f"Nothing is known about bodies of {topic}.", remedy="Replay the letter as it was."
        )
    model, event = known
    content = read_event(body, event)
    try:
        problem = content if isinstance(content, str) else None
        if not isinstance(content, str):
            model.model_validate(content.fields)
    except ValidationError as error:
        problem = explain(error)
    if problem is not None:
        raise UsageError(
            f"The edited body is still not a message of {topic}: {problem}.",
            remedy="Nothing was sent. schemas/README.md says what a body looks like.",
        )
