"""Ids that are derived: once given out they never change, or every old trigger becomes a new one.

The expected values are those of Python's own `uuid.uuid5`, of names written by hand, and of times
written by hand in hexadecimal digits.
"""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest

from job_trigger_worker.domain.trigger import NAMESPACE as NAMESPACE_TEXT
from job_trigger_worker.domain.trigger import (
    EventKind,
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
OF_SLOT = "01a207d9-21fa"  # 1795428000250 ms
NO_TIME = "00000000-0000"


def ordered(time: str, name: str) -> str:
    """Time, version 8 and the end of the name's hash."""
    return f"{time}-8{str(uuid.uuid5(NAMESPACE, name))[15:]}"


def test_a_schedule_is_known_by_job_and_slot_in_utc() -> None:
    expected = ordered(OF_SLOT, "schedule:17:2026-11-23T10:00:00.250000Z")
    in_shanghai = SLOT.astimezone(timezone(timedelta(hours=8)))

    assert schedule_key(17, SLOT) == expected
    assert schedule_key(17, in_shanghai) == expected
    assert schedule_key(18, SLOT) != expected
    assert (uuid.UUID(expected).version, uuid.UUID(expected).variant) == (8, uuid.RFC_4122)


def test_the_other_kinds_are_known_by_job_and_trigger_id() -> None:
    expected = ordered(NO_TIME, f"manual:17:{ID}")

    assert trigger_key(TriggerKind.MANUAL, 17, ID) == expected
    assert trigger_key(TriggerKind.CANARY, 17, ID) != expected


def test_a_trigger_id_of_version_7_gives_its_time() -> None:
    timed = "01a207d9-21fa-7e9f-8123-456789abcdef"

    assert trigger_key(TriggerKind.MANUAL, 17, timed) == ordered(OF_SLOT, f"manual:17:{timed}")


def test_poison_is_known_by_its_bytes_and_its_own_time() -> None:
    digest = hashlib.sha256(b"2:171:{").hexdigest()
    expected = ordered(OF_SLOT, f"poison:1795428000250:{digest}")

    assert poison_key(b"17", b"{", 1795428000250) == expected
    assert poison_key(b"171", b"", 1795428000250) != expected
    assert poison_key(b"17", b"{", 1795428000251) != expected
    assert poison_key(None, b"{", 1) != poison_key(b"", b"{", 1)


@pytest.mark.parametrize(
    ("appended_ms", "time"), [(0, NO_TIME), (-1, NO_TIME), (2**63 - 1, "ffffffff-ffff")]
)
def test_a_time_that_a_uuid_cannot_hold_is_cut(appended_ms: int, time: str) -> None:
    assert poison_key(None, None, appended_ms).startswith(f"{time}-8")


def test_a_replay_is_known_by_its_dead_letter_and_that_ones_nonce() -> None:
    assert replay_key(ID) == ordered(NO_TIME, f"dead-letter:{ID}")


def test_an_event_is_known_by_its_execution_and_type() -> None:
    assert event_id(ID, EventKind.DISPATCH) == str(uuid.uuid5(NAMESPACE, f"dispatch:{ID}"))
    assert event_id(ID, EventKind.FAILURE) == str(uuid.uuid5(NAMESPACE, f"failure:{ID}"))
    assert NAMESPACE_TEXT == "6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"
