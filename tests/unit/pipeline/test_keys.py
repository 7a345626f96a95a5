"""Ids that are derived: once given out they never change, or every old trigger becomes a new one.

The expected values are those of Python's own `uuid.uuid5`, of names written by hand.
"""

import uuid
from datetime import UTC, datetime, timedelta, timezone

from worker.domain.trigger import (
    NAMESPACE as NAMESPACE_TEXT,
)
from worker.domain.trigger import (
    TriggerKind,
    event_id,
    poison_key,
    replay_key,
    schedule_key,
    trigger_key,
)

SLOT = datetime(2026, 11, 23, 10, 0, 0, 250_000, tzinfo=UTC)
NAMESPACE = uuid.UUID(NAMESPACE_TEXT)
ID = "b9c33c6e-4c9e-4f39-a1c9-6b6f8d8b1a11"


def test_a_schedule_is_known_by_job_and_slot_in_utc() -> None:
    expected = uuid.uuid5(NAMESPACE, "schedule:17:2026-11-23T10:00:00.250000Z")
    in_shanghai = SLOT.astimezone(timezone(timedelta(hours=8)))

    assert schedule_key(17, SLOT) == str(expected)
    assert schedule_key(17, in_shanghai) == str(expected)
    assert schedule_key(18, SLOT) != str(expected)


def test_the_other_kinds_are_known_by_job_and_trigger_id() -> None:
    expected = uuid.uuid5(NAMESPACE, f"manual:17:{ID}")

    assert trigger_key(TriggerKind.MANUAL, 17, ID) == str(expected)
    assert trigger_key(TriggerKind.CANARY, 17, ID) != str(expected)


def test_poison_is_known_by_its_place_and_a_replay_by_its_dead_letter() -> None:
    assert poison_key("abc", 2, 41) == str(uuid.uuid5(NAMESPACE, "poison:abc:2:41"))
    assert replay_key(7) == str(uuid.uuid5(NAMESPACE, "dead-letter:7"))


def test_an_event_is_known_by_its_execution() -> None:
    assert event_id(ID) == str(uuid.uuid5(NAMESPACE, f"outcome:{ID}"))
    assert NAMESPACE_TEXT == "6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"
