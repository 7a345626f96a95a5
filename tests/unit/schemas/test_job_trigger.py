import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from job_trigger_schemas import JobTrigger, explain

SLOT = datetime(2026, 11, 20, 8, tzinfo=UTC)
FIRED = datetime(2026, 11, 20, 8, 0, 3, tzinfo=UTC)
TRIGGER_ID = "0198f3a0-0000-7000-8000-000000000001"
BARE = {"job_id": "7", "scheduled_at": "2026-11-20T08:00:00Z"}


def trigger(**fields: Any) -> JobTrigger:
    return JobTrigger.model_validate_json(json.dumps(fields))


def test_a_job_and_a_slot_are_enough() -> None:
    read = trigger(**BARE)
    assert read.job_id == 7
    assert read.kind == "schedule"
    assert read.trigger_id is None
    assert read.triggered_by is None
    assert (read.scheduled_at, read.fired_at) == (SLOT, SLOT)


def test_null_in_an_optional_field_means_absent() -> None:
    read = trigger(**BARE, trigger_id=None, fired_at=None, kind=None, triggered_by=None)
    assert read == trigger(**BARE)
    assert read.kind == "schedule"
    assert read.fired_at == SLOT


def test_a_scheduled_trigger_keeps_both_times() -> None:
    read = trigger(**BARE, fired_at="2026-11-20T08:00:03Z")
    assert (read.scheduled_at, read.fired_at) == (SLOT, FIRED)


def test_the_slot_of_a_manual_trigger_is_when_it_was_fired() -> None:
    manual = {"job_id": "7", "kind": "manual", "trigger_id": TRIGGER_ID}
    fired = trigger(**manual, fired_at="2026-11-20T08:00:03Z")
    both = trigger(**{**BARE, **manual}, fired_at="2026-11-20T08:00:03Z")
    slot_only = trigger(**{**BARE, **manual})
    assert (fired.scheduled_at, fired.fired_at) == (FIRED, FIRED)
    assert (both.scheduled_at, both.fired_at) == (FIRED, FIRED)
    assert (slot_only.scheduled_at, slot_only.fired_at) == (SLOT, SLOT)


@pytest.mark.parametrize("kind", ["manual", "replay", "canary"])
def test_a_kind_without_slots_of_its_own_needs_a_trigger_id(kind: str) -> None:
    assert trigger(**BARE, kind=kind, trigger_id=TRIGGER_ID).trigger_id == UUID(TRIGGER_ID)
    with pytest.raises(ValidationError, match="trigger_id is missing"):
        trigger(**BARE, kind=kind)


@pytest.mark.parametrize("spelling", [TRIGGER_ID.upper(), TRIGGER_ID.replace("-", "")])
def test_a_uuid_may_be_spelled_in_every_usual_way(spelling: str) -> None:
    assert trigger(**BARE, trigger_id=spelling).trigger_id == UUID(TRIGGER_ID)


def test_unknown_fields_may_hold_anything() -> None:
    odd = b'{"job_id":7,"x":"\\u0000","y":NaN,"z":[[{}]],"scheduled_at":"2026-11-20T08:00:00Z"}'
    assert JobTrigger.model_validate_json(odd) == trigger(**BARE)
    assert JobTrigger.model_validate({**BARE, "x": "\ud800"}) == trigger(**BARE)


@pytest.mark.parametrize("field", ["trigger_id", "kind", "triggered_by", "job_id", "fired_at"])
def test_half_a_character_in_a_known_field_is_refused(field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JobTrigger.model_validate({**BARE, field: "a\ud800"})
    said = explain(caught.value)
    assert said.startswith(f"{field}: ")
    assert said.encode()


def test_text_is_counted_in_characters() -> None:
    assert trigger(**BARE, triggered_by="𠮷" * 200).triggered_by == "𠮷" * 200
    with pytest.raises(ValidationError, match="at most 200 characters"):
        trigger(**BARE, triggered_by="𠮷" * 201)


def test_ids_and_times_are_written_as_strings() -> None:
    read = trigger(job_id=9007199254740993, scheduled_at="2026-11-20T16:00:00.5+08:00")
    assert json.loads(read.model_dump_json(exclude_none=True)) == {
        "job_id": "9007199254740993",
        "scheduled_at": "2026-11-20T08:00:00.500000Z",
        "fired_at": "2026-11-20T08:00:00.500000Z",
        "kind": "schedule",
    }


def test_a_producer_in_python_may_use_its_own_values() -> None:
    made = JobTrigger(job_id=7, scheduled_at=SLOT)
    assert made == trigger(**BARE)
    assert JobTrigger.model_validate(made.model_dump()) == made
