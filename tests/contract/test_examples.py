"""Golden examples: what a producer may send, what it may not, and what it is told then."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from job_trigger_schemas import explain
from job_trigger_schemas.catalogue import EVENTS, Event

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
MODELS = {event.name: event.model for event in EVENTS}

TRIGGER = "awp.job.trigger.v1"
DISPATCH = "awp.job.dispatch.v1"
FAILURE = "awp.job.trigger-failure.v1"
STATUS = "awp.execution.status.v1"

RANGE = "an id lies between 1 and 9223372036854775807"
NO_TIME = "scheduled_at: a time is an RFC 3339 string with a zone"
YEARS = "scheduled_at: a time lies within the years 2000 to 2200 (UTC)"

REFUSALS = {
    (TRIGGER, "canary-with-null-trigger-id"): "trigger_id is missing: kind 'canary' needs one",
    (TRIGGER, "comma-fraction"): NO_TIME,
    (TRIGGER, "date-only"): "scheduled_at: this is a date: send a time with a zone",
    (TRIGGER, "digits-as-time"): NO_TIME,
    (TRIGGER, "id-boolean"): "job_id: an id is a string of digits or a whole number (got true)",
    (TRIGGER, "id-fraction"): "job_id: an id is a string of digits or a whole number (got 7.5)",
    (TRIGGER, "id-negative"): f"job_id: {RANGE} (got -1)",
    (TRIGGER, "id-not-digits"): "job_id: an id is a string of 1 to 19 digits",
    (TRIGGER, "id-null"): "job_id: an id is a string of digits or a whole number (got null)",
    (TRIGGER, "id-other-digits"): "job_id: an id is a string of 1 to 19 digits",
    (TRIGGER, "id-overflow"): f"job_id: {RANGE} (got 9223372036854775808)",
    (TRIGGER, "id-text-overflow"): f"job_id: {RANGE} (got '9223372036854775808')",
    (TRIGGER, "id-zero"): f"job_id: {RANGE} (got '0')",
    (TRIGGER, "leap-second"): "scheduled_at: second 60 (a leap second) is not accepted",
    (TRIGGER, "long-text"): "triggered_by: String should have at most 200 characters",
    (TRIGGER, "manual-without-time"): "fired_at is missing: kind 'manual' needs it",
    (TRIGGER, "manual-without-trigger-id"): "trigger_id is missing: kind 'manual' needs one",
    (TRIGGER, "no-job-id"): "job_id: is missing",
    (TRIGGER, "no-object"): "Input should be an object",
    (TRIGGER, "no-seconds"): NO_TIME,
    (TRIGGER, "no-slot"): "scheduled_at is missing: kind 'schedule' needs it",
    (TRIGGER, "no-such-day"): "scheduled_at: there is no such day in the calendar",
    (TRIGGER, "no-zone"): "scheduled_at: the time has no zone: end it with Z or an offset",
    (TRIGGER, "nul-in-text"): "triggered_by: text holds a NUL character",
    (TRIGGER, "number-as-text"): "triggered_by: Input should be a valid string (got 17)",
    (TRIGGER, "number-as-time"): "2026-11-20T08:00:00Z, never a number (got 1795161600)",
    (TRIGGER, "replay-without-slot"): "scheduled_at is missing: kind 'replay' needs it",
    (TRIGGER, "replay-without-trigger-id"): "trigger_id is missing: kind 'replay' needs one",
    (TRIGGER, "trigger-id-no-uuid"): "trigger_id: Input should be a valid UUID",
    (TRIGGER, "trigger-id-number"): "trigger_id: UUID input should be a string",
    (TRIGGER, "week-date"): NO_TIME,
    (TRIGGER, "wrong-kind"): "kind: Input should be 'schedule', 'manual', 'replay' or 'canary'",
    (TRIGGER, "year-1-with-zone"): YEARS,
    (TRIGGER, "year-1999"): YEARS,
    (TRIGGER, "year-2201-in-utc"): YEARS,
    (DISPATCH, "no-event-id"): "event_id: is missing",
    (DISPATCH, "no-zone"): "dispatched_at: the time has no zone",
    (DISPATCH, "null-credential"): "targets.0.credential_id: an id travels as a string of digits",
    (DISPATCH, "null-owner"): "owner: Input should be an object (got null)",
    (DISPATCH, "numeric-id"): "job_id: an id travels as a string of digits (got 4711)",
    (DISPATCH, "other-job-type"): "job_type: Input should be 'action' or 'workflow'",
    (DISPATCH, "parameter-no-object"): "parameter: Input should be an object (got a list)",
    (FAILURE, "empty-code"): "code: String should match pattern",
    (FAILURE, "finding-without-message"): "findings.0.message: is missing",
    (FAILURE, "negative-omitted"): "findings_omitted: Input should be greater than or equal to 0",
    (FAILURE, "no-cause"): "cause: is missing",
    (FAILURE, "no-job-name"): "job_name: is missing",
    (FAILURE, "null-code"): "code: Input should be a valid string (got null)",
    (FAILURE, "numeric-server-id"): "findings.0.server_id: Input should be a valid string (got 7)",
    (FAILURE, "owner-as-text"): "owner: Input should be an object",
    (STATUS, "execution-id-no-uuid"): "execution_id: Input should be a valid UUID",
    (STATUS, "no-job-type"): "job_type: is missing",
    (STATUS, "no-zone"): "at: the time has no zone",
    (STATUS, "nul-in-message"): "message: text holds a NUL character",
    (STATUS, "null-status"): "status: Input should be 'accepted', 'rejected', 'running'",
    (STATUS, "number-as-time"): "at: a time is an RFC 3339 string such as",
    (STATUS, "other-status"): "status: Input should be 'accepted', 'rejected', 'running'",
}


def examples(quality: str) -> list[tuple[str, str]]:
    return sorted((path.parent.name, path.stem) for path in EXAMPLES.glob(f"{quality}/*/*.json"))


def body(quality: str, event: str, name: str) -> bytes:
    return (EXAMPLES / quality / event / f"{name}.json").read_bytes()


def refusal(model: type[BaseModel], content: bytes, *, as_text: bool) -> str:
    read = model.model_validate_json if as_text else model.model_validate
    value = content if as_text else json.loads(content)
    with pytest.raises(ValidationError) as caught:
        read(value)
    return explain(caught.value)


@pytest.mark.parametrize(("event", "name"), examples("good"))
def test_a_good_example_is_read_the_same_from_text_and_from_values(event: str, name: str) -> None:
    content = body("good", event, name)
    from_text = MODELS[event].model_validate_json(content)
    assert MODELS[event].model_validate(json.loads(content)) == from_text


@pytest.mark.parametrize(("event", "name"), examples("good"))
def test_a_good_example_survives_being_written_and_read_again(event: str, name: str) -> None:
    read = MODELS[event].model_validate_json(body("good", event, name))
    assert MODELS[event].model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(("event", "name"), examples("bad"))
def test_a_bad_example_is_refused_in_words_that_help(event: str, name: str) -> None:
    content = body("bad", event, name)
    said = refusal(MODELS[event], content, as_text=True)
    assert REFUSALS[event, name] in said
    assert "\0" not in said


@pytest.mark.parametrize(("event", "name"), examples("bad"))
def test_a_bad_example_is_refused_alike_from_text_and_from_values(event: str, name: str) -> None:
    content = body("bad", event, name)
    from_values = refusal(MODELS[event], content, as_text=False)
    assert from_values == refusal(MODELS[event], content, as_text=True)


def test_every_refusal_has_its_example() -> None:
    assert set(REFUSALS) == set(examples("bad"))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_every_event_has_examples_of_both_kinds(event: Event) -> None:
    good = [name for name_of_event, name in examples("good") if name_of_event == event.name]
    bad = [name for name_of_event, name in examples("bad") if name_of_event == event.name]
    assert len(good) >= 3
    assert len(bad) >= 7
