"""The id that the record of a trigger will have, known before it is sent.

The worker derives it from the trigger, so a repeat has the same one, whoever sends it and whenever.
A trigger that the worker does not accept because its slot is too far ahead gets another id: this
one is kept for the trigger that comes at its time. The id of a replay cannot be known beforehand.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from job_trigger_schemas.job_trigger import JobTrigger

NAMESPACE = UUID("6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21")
"""Namespace of every derived id; it never changes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_VERSION_7 = 7
_VERSION_8 = 8
_HASH_BITS = 76
"""The variant, which is the same in both versions, and 74 bits of hash."""
_TIME_SHIFT = 80


def execution_id(trigger: JobTrigger) -> UUID:
    """The `execution_id` of this trigger's record, and of its dispatch or failure.

    A UUID of version 8: 48 bits of milliseconds since 1970, and a hash. A scheduled trigger is its
    job and slot; any other one its job and `trigger_id`, whose time it takes if that is of version
    7, else zero.
    """
    if trigger.kind == "schedule":
        slot = trigger.scheduled_at.astimezone(UTC)
        milliseconds = (slot - _EPOCH) // _MILLISECOND
        moment = slot.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        name = f"schedule:{trigger.job_id}:{moment}"
    else:
        firing = trigger.trigger_id
        has_time = firing is not None and firing.version == _VERSION_7
        milliseconds = firing.int >> _TIME_SHIFT if firing is not None and has_time else 0
        name = f"{trigger.kind}:{trigger.job_id}:{firing}"
    tail = uuid5(NAMESPACE, name).int & ((1 << _HASH_BITS) - 1)
    return UUID(int=milliseconds << _TIME_SHIFT | _VERSION_8 << _HASH_BITS | tail)
