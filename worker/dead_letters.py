"""Sending dead letters once more: as they were, or mended (promise 5's way back).

A letter goes back to the topic that it came from, with a header `replay-of` that names it. Its
idempotency key is derived from that, so whatever is sent twice becomes one record and a counted
repeat. It is marked as replayed after the broker has it; a crash in between repeats harmlessly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError
from sqlalchemy import Engine

from schemas import ExecutionStatus, JobTrigger, explain
from worker.decode import MOST_BYTES, REPLAY_HEADER, read_object
from worker.domain.delivery import Event
from worker.errors import Misused
from worker.kafka.resender import Resender
from worker.kafka.settings import KafkaSettings
from worker.storage import errors, letters
from worker.storage.letters import Choice, Chosen, Kept

_MODELS: dict[str, type[BaseModel]] = {
    ".job.triggers.v1": JobTrigger,
    ".execution.status.v1": ExecutionStatus,
}


@dataclass(slots=True)
class Replayed:
    """What became of the letters chosen; `failed` has the reason by letter id."""

    replayed: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)


def replay(
    engine: Engine,
    kafka: KafkaSettings,
    choice: Choice,
    found: Chosen,
    *,
    mended: bytes | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Send a choice's letters, as counted in `found`, in the order of their ids.

    Each batch is marked when every message of it was looked at. What the brokers refuse is left
    out; it ends after a batch in which they did not answer for one. `progress` is told how many
    are done. `mended` takes the place of the value of the one letter that is chosen.
    """
    result = Replayed()
    after = 0
    is_answered = True
    with Resender(kafka, found.topics) as resender:
        while is_answered:
            with errors.reading(), engine.connect() as connection:
                page = letters.page(connection, choice, after=after, last=found.last)
            if not page:
                break
            after = page[-1].id
            outcomes = resender.send([message(letter, mended) for letter in page])
            done = dict(zip([letter.id for letter in page], outcomes, strict=True))
            sent = [letter_id for letter_id, outcome in done.items() if outcome.error is None]
            with errors.writing(), engine.begin() as connection:
                letters.mark_replayed(connection, sent)
            result.replayed += sent
            result.failed |= {i: each.error for i, each in done.items() if each.error is not None}
            is_answered = all(each.error is None or each.is_refused for each in outcomes)
            progress(len(result.replayed))
    return result


def message(letter: Kept, mended: bytes | None) -> Event:
    """A letter as it is sent again: the same key, value and headers, and what it repeats."""
    headers = [header for header in letter.headers if header[0] != REPLAY_HEADER]
    return Event(
        letter.topic,
        letter.key,
        [*headers, (REPLAY_HEADER, str(letter.id).encode())],
        letter.value if mended is None else mended,
    )


def check_mended(topic: str, body: bytes) -> None:
    """Raises `Misused` when a body is still none that the worker could use on this topic."""
    if len(body) > MOST_BYTES:
        raise Misused(f"The mended body has {len(body)} bytes; the most is {MOST_BYTES}.")
    model = next(model for suffix, model in _MODELS.items() if topic.endswith(suffix))
    fields = read_object(body, model.model_fields)
    try:
        problem = fields if isinstance(fields, str) else (model.model_validate(fields) and None)
    except ValidationError as error:
        problem = explain(error)
    if problem is not None:
        raise Misused(
            f"The mended body is still no message of {topic}: {problem}.",
            remedy="Nothing was sent. schemas/README.md says what a body looks like.",
        )
