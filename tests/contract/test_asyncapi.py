"""The AsyncAPI document is valid by the AsyncAPI Initiative's own schema, and says what is sent."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from job_trigger_schemas import cloudevents
from job_trigger_schemas.catalogue import EVENTS, Event
from job_trigger_schemas.generate import FOLDER
from job_trigger_schemas.topics import Topics
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim, DeadLetter
from job_trigger_worker.pipeline import events

HERE = Path(__file__).parent
OFFICIAL = json.loads((HERE / "asyncapi-3.0.0.schema.json").read_text("utf-8"))
"""`schemas/3.0.0-without-$id.json` of github.com/asyncapi/spec-json-schemas, Apache-2.0."""

DOCUMENT: dict[str, Any] = json.loads((FOLDER / "asyncapi.json").read_text("utf-8"))
EXAMPLES = HERE.parents[1] / "schemas" / "examples"
TOPICS = Topics.under("awp")


def faults(document: dict[str, Any]) -> list[str]:
    validator = jsonschema_rs.Draft7Validator(OFFICIAL)
    return [error.message for error in validator.iter_errors(document)]


def resolved(place: str) -> Any:
    value: Any = DOCUMENT
    for step in place.removeprefix("#/").split("/"):
        value = value[step]
    return value


def references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from references(each)
    elif isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)


def payload(message: dict[str, Any]) -> jsonschema_rs.Draft7Validator:
    schema = {**resolved(message["payload"]["$ref"]), "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft7Validator(schema, validate_formats=False)


def test_it_is_valid_by_the_official_schema() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert faults(DOCUMENT) == []


def test_the_official_schema_finds_faults() -> None:
    wrong = copy.deepcopy(DOCUMENT)
    wrong["operations"]["receiveTrigger"]["action"] = "listen"
    assert faults(wrong)
    wrong = copy.deepcopy(DOCUMENT)
    wrong["components"]["schemas"]["JobTrigger"]["properties"]["job_id"]["anyOf"] = "a text"
    assert faults(wrong)


def test_whatever_it_refers_to_is_there() -> None:
    places = set(references(DOCUMENT))
    assert len(places) > 15
    for place in places:
        assert resolved(place) is not None


def test_it_has_the_six_topics_and_says_who_sends() -> None:
    prefix = DOCUMENT["components"]["parameters"]["prefix"]["default"]
    addresses = {
        name: channel["address"].format(prefix=prefix)
        for name, channel in DOCUMENT["channels"].items()
    }
    assert set(addresses.values()) == set(TOPICS.all())
    actions = {
        addresses[operation["channel"]["$ref"].removeprefix("#/channels/")]: operation["action"]
        for operation in DOCUMENT["operations"].values()
    }
    assert actions == {
        TOPICS.triggers: "receive",
        TOPICS.statuses: "receive",
        TOPICS.dispatch_action: "send",
        TOPICS.dispatch_orch: "send",
        TOPICS.failures: "send",
        TOPICS.dead_letters: "send",
    }


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_its_payloads_are_those_of_the_json_schemas(event: Event) -> None:
    schema = json.loads((FOLDER / event.file_name).read_text("utf-8"))
    committed = jsonschema_rs.Draft202012Validator(schema)
    (message,) = (
        each for each in DOCUMENT["components"]["messages"].values() if each["name"] == event.name
    )
    own = payload(message)
    for path in sorted(EXAMPLES.glob(f"*/{event.name}/*.json")):
        body = json.loads(path.read_text("utf-8"))
        assert own.is_valid(body) == committed.is_valid(body), path.name
        assert own.is_valid(body) or path.parts[-3] == "bad", path.name
    for example in message["examples"]:
        assert own.is_valid(example["payload"]), example["name"]


def test_the_headers_are_those_that_are_sent() -> None:
    messages = DOCUMENT["components"]["messages"]
    sent = [
        name
        for name, _ in cloudevents.headers(event_type="t", event_id="i", time="n", traceparent="p")
    ]
    for name in ("JobDispatch", "TriggerFailure"):
        headers = messages[name]["headers"]
        assert list(headers["properties"]) == sent
        assert set(headers["required"]) == set(sent) - {"traceparent"}

    claim = Claim(1, TOPICS.triggers, "id", 3, 1, 40)
    delivery = Delivery(3, 41, None, b"x" * 1_100_000, [], 0)
    letter = DeadLetter(1, delivery, "why", execution_id="id", last_offset=42).bounded()
    event = events.dead_letter(TOPICS, letter, claim)
    headers = messages["DeadLetter"]["headers"]
    assert {name for name, _ in event.headers} == set(headers["properties"])
    small = events.dead_letter(TOPICS, DeadLetter(1, Delivery(3, 41, None, b"", [], 0), "y"), claim)
    assert {name for name, _ in small.headers} == set(headers["required"])
