"""What a replay of dead letters is, apart from brokers: what may be sent, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError

from job_trigger_schemas import ExecutionStatus, JobTrigger, explain
from worker.decode import MOST_BYTES
from worker.errors import Misused
from worker.event_body import STATUS, TRIGGER, EventFields, read_event

_EVENTS: dict[str, tuple[type[BaseModel], EventFields]] = {
    ".job.triggers.v1": (JobTrigger, TRIGGER),
    ".execution.status.v1": (ExecutionStatus, STATUS),
}


@dataclass(slots=True)
class Replayed:
    """What became of the letters chosen; `failed` has the reason by letter id.

    `is_answered` is False where the brokers did not answer for one: it may have arrived.
    """

    replayed: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    is_answered: bool = True


def check_mended(topic: str, body: bytes) -> None:
    """Raises `Misused` when a body is still none that the worker could use on this topic."""
    if len(body) > MOST_BYTES:
        raise Misused(f"The mended body has {len(body)} bytes; the most is {MOST_BYTES}.")
    known = next((each for suffix, each in _EVENTS.items() if topic.endswith(suffix)), None)
    if known is None:
        raise Misused(
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
        raise Misused(
            f"The mended body is still no message of {topic}: {problem}.",
            remedy="Nothing was sent. schemas/README.md says what a body looks like.",
        )
