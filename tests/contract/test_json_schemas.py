"""The committed JSON Schemas are what the models say."""

import json
from typing import Any

import pytest

from job_trigger_schemas.catalogue import EVENTS, Event
from job_trigger_schemas.generate import FOLDER, stale


def committed(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(
        (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    )
    return schema


def test_the_committed_schemas_are_current() -> None:
    assert stale() == []


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_no_event_refuses_fields_that_it_does_not_know(event: Event) -> None:
    assert committed(event.name).get("additionalProperties", True) is True


def test_a_trigger_needs_only_its_job_in_every_case() -> None:
    assert committed("awp.job.trigger.v1")["required"] == ["job_id"]


SENDER = {"triggered_by", "triggered_by_verified"}
"""Left out of an event whose trigger names nobody."""


def test_a_failure_always_says_everything_but_what_was_cut() -> None:
    schema = committed("awp.job.trigger-failure.v1")
    optional = set(schema["properties"]) - set(schema["required"])
    assert optional == {"findings_omitted"} | SENDER


def test_a_dispatch_always_says_everything_but_what_older_ones_do_not_know() -> None:
    schema = committed("awp.job.dispatch.v1")
    assert set(schema["properties"]) - set(schema["required"]) == {"expires_at"} | SENDER


def test_a_failure_code_of_later_fits_the_schema() -> None:
    code = committed("awp.job.trigger-failure.v1")["properties"]["code"]
    assert "enum" not in code
    assert code["examples"][0] == "job_not_found"
    assert len(code["examples"]) == 18
