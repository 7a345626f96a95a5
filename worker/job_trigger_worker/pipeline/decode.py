"""From a message's bytes to a trigger, or to the reason why it is not one (design 3).

Strict where it protects us, lenient where producers differ: unknown fields may hold anything, be it
a NUL, half a character, NaN or 10,000 nested brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from pydantic import ValidationError

from job_trigger_schemas import JobTrigger, explain
from job_trigger_schemas.cloudevents import SPEC_VERSION
from job_trigger_schemas.fields import read_id, read_time
from job_trigger_worker.domain import trigger as keys
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.fast_tuples import new
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.domain.trigger import UNSIGNED_REPLAY, Origin, Trigger, TriggerKind
from job_trigger_worker.pipeline.event_body import TRIGGER, EventBody, read_event, truncate
from job_trigger_worker.pipeline.sources import NO_SOURCE, Source, read_claims, read_trace_id

MOST_BYTES = 256 * 1024
"""Largest body of a trigger."""

NEVER_EARLY = datetime.max.replace(tzinfo=UTC)
"""As `believed_until`: a trigger is looked for under the key that it has at its time."""

MOST_NAME = 200
"""Longest `triggered_by`, in characters (`job_trigger_schemas.fields.ShortText`)."""

_OLDEST_APPEND_S = 366 * 86_400
"""A message's own time is believed to be at most so old."""

_KINDS = {kind.value: kind for kind in TriggerKind}
_FRAME = b"\0"
_FRAME_BYTES = 5
"""How a schema registry's frame begins, and its usual length (`body_format`)."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message whose job cannot be known: it becomes a dead letter without a record."""

    reason: str


def decode(
    delivery: Delivery,
    claim: Claim,
    now: datetime,
    believed_until: datetime,
    source: Source | None = None,
) -> Trigger | Unreadable:
    """Read a message. Never raises, whatever its bytes are.

    A message whose `job_id` can be read is always a `Trigger`; one that cannot be used otherwise
    has a `problem`, and its slot is the one given, if that has passed, or when the broker got it.
    A time later than `believed_until` is not believed: the trigger is too early. `source` is what
    is proven of where it came from; without it, nothing is.
    """
    source = read_claims(delivery.headers).source if source is None else source
    origin = new(Origin, (claim.ledger_id, delivery.offset))
    body = delivery.value
    if source.replay_key is None and body is not None and len(body) <= MOST_BYTES:
        usual = _usual(body, origin, source)
        if usual is not None:
            return _held_against(usual, believed_until)
    content = read_event(body, TRIGGER)
    if isinstance(content, str):
        return Unreadable(content)
    fields, source = content.fields, _traced(source, content)
    try:
        job_id = read_id(fields.get("job_id"))
    except ValueError as error:
        return Unreadable(f"job_id: {error}")
    problem = (
        f"the body has {len(body)} bytes, the most is {MOST_BYTES}"
        if body is not None and len(body) > MOST_BYTES
        else None
    )
    if problem is None:
        try:
            wire = JobTrigger.model_validate(fields)
        except ValidationError as error:
            problem = explain(error)
        else:
            if wire.kind != "replay" or source.replay_key or source.sender:
                return _held_against(_trigger(wire, origin, source), believed_until)
            problem = UNSIGNED_REPLAY
    is_replay = source.replay_key is not None or problem == UNSIGNED_REPLAY
    if source.replay_key is None:
        key = keys.poison_key(delivery.key, delivery.value, delivery.appended_ms)
    else:
        key = source.replay_key
    slot = _slot(fields, delivery, now)
    return Trigger(
        job_id=job_id,
        trigger_id=key,
        idempotency_key=key,
        kind=TriggerKind.REPLAY if is_replay else TriggerKind.SCHEDULE,
        scheduled_at=slot,
        fired_at=slot,
        triggered_by=None,
        origin=origin,
        trace_id=source.trace_id,
        problem=truncate(problem),
    )


def _traced(source: Source, content: EventBody) -> Source:
    """The source with the trace of a CloudEvent, where no header names one."""
    if source.trace_id is not None or content.traceparent is None:
        return source
    return source._replace(trace_id=read_trace_id(content.traceparent.encode(errors="replace")))


def _usual(body: bytes, origin: Origin, source: Source) -> Trigger | None:
    """What `JobTrigger` makes of a scheduled trigger in its usual form, in half of its time.

    None for everything else: that is `JobTrigger`'s to read, or to refuse.
    """
    try:
        fields = _usual_object(body)
        given = fields.get
        if (job := given("job_id")) is None:
            given = _usual_data(fields).get
            job = given("job_id")
        job_id = read_id(job)
        scheduled_at = _slot_of(given("scheduled_at"))
        fired_at = scheduled_at if (fired := given("fired_at")) is None else read_time(fired)
    except (ValueError, AttributeError, TypeError):  # no object; a list where a time should be
        return None
    trigger_id, triggered_by = given("trigger_id"), given("triggered_by")
    if (
        given("kind", "schedule") != "schedule"
        or not (triggered_by is None or _is_plain_name(triggered_by))
        or not (trigger_id is None or (type(trigger_id) is str and _is_plain_uuid(trigger_id)))
    ):
        return None
    key = keys.schedule_key(job_id, scheduled_at)
    is_verified = None if triggered_by is None else triggered_by == source.sender
    if trigger_id is None:
        trigger_id = key
    return new(
        Trigger,
        (
            job_id,
            trigger_id,
            key,
            _SCHEDULE,
            scheduled_at,
            fired_at,
            triggered_by,
            origin,
            source.trace_id,
            None,
            is_verified,
            None,
        ),
    )


def _usual_object(body: bytes) -> dict[str, Any]:
    """JSON, behind a schema registry's usual frame or without one; raises ValueError for none."""
    try:
        return orjson.loads(body)  # type: ignore[no-any-return]  # what is no object has no `get`
    except ValueError:
        if body[:1] != _FRAME:
            raise
        return orjson.loads(body[_FRAME_BYTES:])  # type: ignore[no-any-return]


def _usual_data(envelope: dict[str, Any]) -> dict[str, Any]:
    """The data of a CloudEvent in its usual form; nothing of anything else."""
    data = envelope.get("data")
    if (
        type(data) is dict
        and envelope.get("specversion") == SPEC_VERSION
        and envelope.get("data_base64") is None
        and envelope.get("traceparent") is None
    ):
        return data
    return {}


def usual_identity(body: bytes) -> tuple[int, str] | None:
    """Job and key of a scheduled trigger in its usual form, without headers; at its time.

    None for everything else, which `decode` knows.
    """
    usual = _usual(body, _ANYWHERE, NO_SOURCE) if len(body) <= MOST_BYTES else None
    return None if usual is None else (usual.job_id, usual.idempotency_key)


_ANYWHERE = Origin(0, 0)
_SCHEDULE = TriggerKind.SCHEDULE
_slot_of = lru_cache(maxsize=1024)(read_time)
"""Many jobs share a slot: the full hour is read once."""

_is_plain_uuid = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def _is_plain_name(value: object) -> bool:
    return type(value) is str and len(value) <= MOST_NAME and "\0" not in value


def _trigger(wire: JobTrigger, origin: Origin, source: Source) -> Trigger:
    kind = _KINDS[wire.kind]
    if source.replay_key is not None:
        kind, key = TriggerKind.REPLAY, source.replay_key
    elif kind is TriggerKind.SCHEDULE:
        key = keys.schedule_key(wire.job_id, wire.scheduled_at)
    else:
        key = keys.trigger_key(kind, wire.job_id, str(wire.trigger_id))
    return Trigger(
        wire.job_id,
        key if wire.trigger_id is None else str(wire.trigger_id),
        key,
        kind,
        wire.scheduled_at,
        wire.fired_at,
        wire.triggered_by,
        origin,
        source.trace_id,
        None,
        None if wire.triggered_by is None else wire.triggered_by == source.sender,
    )


def _held_against(trigger: Trigger, until: datetime) -> Trigger:
    """The trigger, or what becomes of it because its times are in the future.

    A slot decides, and for what has none of a schedule's also when it was fired. A time that
    decides nothing and cannot be true is replaced by the slot, like an absent one.
    """
    slot, fired_at = trigger.scheduled_at, trigger.fired_at
    if slot <= until >= fired_at:
        return trigger
    if slot <= until and trigger.kind is _SCHEDULE:
        return trigger._replace(fired_at=slot)
    # A key of its own: the real trigger is not to be taken for its repeat.
    key = keys.early_key(trigger.idempotency_key)
    is_derived = trigger.trigger_id == trigger.idempotency_key
    return trigger._replace(
        trigger_id=key if is_derived else trigger.trigger_id,
        idempotency_key=key,
        believed_until=until,
    )


def _slot(fields: dict[str, Any], delivery: Delivery, now: datetime) -> datetime:
    """A slot for what cannot be used: its own, when it was appended, or now.

    Whichever of these can be read and has passed: what cannot be used is not believed either.
    """
    try:
        slot = read_time(fields.get("scheduled_at"))
    except ValueError:
        pass
    else:
        if slot <= now:
            return slot
    return received_at(delivery, now)


def received_at(delivery: Delivery, now: datetime) -> datetime:
    """When a message came: when it was appended, if that can be, else now."""
    appended_s = delivery.appended_ms / 1000
    has_passed = now.timestamp() - _OLDEST_APPEND_S < appended_s <= now.timestamp()
    return datetime.fromtimestamp(appended_s, UTC) if has_passed else now
