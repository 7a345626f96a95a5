"""A producer knows the id of its trigger's record before it sends it.

The expected values are those of Python's own `uuid.uuid5`, of names written by hand, and of times
written by hand in hexadecimal digits.
"""

import uuid
from typing import Any

import pytest

from job_trigger_schemas import JobTrigger
from job_trigger_schemas.identity import NAMESPACE, execution_id
from job_trigger_worker.domain.trigger import TriggerKind, schedule_key, trigger_key

SLOT = "2026-11-23T18:00:00.250+08:00"
OF_SLOT = "01a207d9-21fa"  # 1795428000250 ms
NO_TIME = "00000000-0000"
ID = "b9c33c6e-4c9e-4f39-a1c9-6b6f8d8b1a11"
TIMED = "01a207d9-21fa-7e9f-8123-456789abcdef"


def trigger(**fields: Any) -> JobTrigger:
    return JobTrigger.model_validate({"job_id": 17, "scheduled_at": SLOT} | fields)


@pytest.mark.parametrize(
    ("fields", "time", "name"),
    [
        ({}, OF_SLOT, "schedule:17:2026-11-23T10:00:00.250000Z"),
        ({"trigger_id": ID}, OF_SLOT, "schedule:17:2026-11-23T10:00:00.250000Z"),
        ({"kind": "manual", "trigger_id": ID}, NO_TIME, f"manual:17:{ID}"),
        ({"kind": "canary", "trigger_id": TIMED}, OF_SLOT, f"canary:17:{TIMED}"),
    ],
)
def test_it_is_of_job_and_slot_or_of_job_and_trigger_id(
    fields: dict[str, Any], time: str, name: str
) -> None:
    expected = f"{time}-8{str(uuid.uuid5(NAMESPACE, name))[15:]}"
    assert str(execution_id(trigger(**fields))) == expected


def test_the_worker_derives_the_same_one() -> None:
    by_schedule = trigger()
    assert str(execution_id(by_schedule)) == schedule_key(17, by_schedule.scheduled_at)
    for given in (ID, TIMED):
        by_hand = trigger(kind="manual", trigger_id=given)
        assert str(execution_id(by_hand)) == trigger_key(TriggerKind.MANUAL, 17, given)
