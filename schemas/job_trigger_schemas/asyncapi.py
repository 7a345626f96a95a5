"""The topics, their messages and who sends them, as one AsyncAPI 3 document.

Made of the same models as the JSON Schemas, in a checkout: the golden examples that it quotes are
not installed. Its payloads are in AsyncAPI's own format, JSON Schema of draft 7 with a little more.
Source: AsyncAPI 3.0.0 and its Kafka bindings 0.5.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from job_trigger_schemas import cloudevents
from job_trigger_schemas.catalogue import EVENTS, Event
from job_trigger_schemas.cloudevents import (
    TYPE_EXECUTION_STATUS,
    TYPE_JOB_DISPATCH,
    TYPE_JOB_TRIGGER,
    TYPE_TRIGGER_FAILURE,
)
from job_trigger_schemas.topics import Topics

FILE_NAME = "asyncapi.json"
VERSION = "3.0.0"
BINDINGS = "0.5.0"

_EXAMPLES = Path(__file__).parents[1] / "examples" / "good"
_TOPICS = Topics.under("{prefix}")
_DEAD_LETTER = "DeadLetter"

_Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Message:
    """What the document says of an event beside its schema: key, headers and examples by name."""

    summary: str
    key: str
    headers: Mapping[str, str]
    examples: tuple[str, ...]


_READ_HEADERS = {
    cloudevents.HEADER_TRACEPARENT: "W3C Trace Context; it goes on in what the worker sends.",
    cloudevents.HEADER_CONTENT_TYPE: "Not looked at: the body alone says what it is.",
}
_SENT_HEADERS = {
    cloudevents.HEADER_SPEC_VERSION: f"Always {cloudevents.SPEC_VERSION}.",
    cloudevents.HEADER_ID: "The event's id, the same in a repeat.",
    cloudevents.HEADER_SOURCE: f"Always {cloudevents.SOURCE}.",
    cloudevents.HEADER_TYPE: "The event's type, as this message is named.",
    cloudevents.HEADER_TIME: "When it was decided, RFC 3339.",
    cloudevents.HEADER_CONTENT_TYPE: f"Always {cloudevents.CONTENT_TYPE}.",
    cloudevents.HEADER_TRACEPARENT: "W3C Trace Context, where the trigger brought one.",
}
LETTER_HEADERS = {
    "dead-letter-reason": "One sentence.",
    "dead-letter-topic": "The topic where the message stood.",
    "dead-letter-partition": "Its partition there.",
    "dead-letter-offset": "Its offset there, or the first one of a range.",
    "dead-letter-execution-id": "Its record, where it has one.",
    "dead-letter-sha256": "SHA-256 of its value, where more than 1 MiB came and less is kept.",
    "dead-letter-last-offset": "The last offset of a range that no client could unpack.",
    "truncated": "How many bytes its value had, where it was cut.",
}
"""The headers of a dead letter; those of the message itself stand beside them."""

_ALWAYS = tuple(name for name in _SENT_HEADERS if name != cloudevents.HEADER_TRACEPARENT)
_ALWAYS_ON_LETTERS = tuple(LETTER_HEADERS)[:4]

_MESSAGES = {
    TYPE_JOB_TRIGGER: _Message(
        "A job is due, or somebody wants it to run.",
        "The job id, for outcomes in the order of a job's triggers; nothing else depends on it.",
        _READ_HEADERS
        | {
            "replay-of": "Signed by the worker: the dead letter that this message repeats.",
            "console-note": "Signed by the console: who has this trigger sent.",
        },
        ("minimal", "full", "manual"),
    ),
    TYPE_JOB_DISPATCH: _Message(
        "A trigger passed preflight: run the job.",
        "The job id.",
        _SENT_HEADERS,
        ("action", "workflow"),
    ),
    TYPE_TRIGGER_FAILURE: _Message(
        "A trigger failed before anything started, and why.",
        "The job id.",
        _SENT_HEADERS,
        ("two-findings", "job-not-found"),
    ),
    TYPE_EXECUTION_STATUS: _Message(
        "How a dispatched run goes.",
        "The execution id.",
        _READ_HEADERS,
        ("minimal", "full"),
    ),
}


@dataclass(frozen=True, slots=True)
class _Channel:
    """A topic, what it carries and what the worker does with it."""

    name: str
    address: str
    message: str
    operation: str
    action: str
    description: str


_CHANNELS = (
    _Channel(
        "triggers",
        _TOPICS.triggers,
        TYPE_JOB_TRIGGER,
        "receiveTrigger",
        "receive",
        "Schedulers send triggers here; the worker reads them. A body has at most 256 KiB. Two"
        " things around it are taken off: a schema registry's frame, and the envelope of"
        " CloudEvents' structured mode.",
    ),
    _Channel(
        "dispatchAction",
        _TOPICS.dispatch_action,
        TYPE_JOB_DISPATCH,
        "dispatchAction",
        "send",
        "Jobs that run an action, for the service that runs those.",
    ),
    _Channel(
        "dispatchOrch",
        _TOPICS.dispatch_orch,
        TYPE_JOB_DISPATCH,
        "dispatchWorkflow",
        "send",
        "Jobs that run a workflow, for the service that runs those.",
    ),
    _Channel(
        "failures",
        _TOPICS.failures,
        TYPE_TRIGGER_FAILURE,
        "reportFailure",
        "send",
        "Triggers that failed, for notifications, alerting and dashboards.",
    ),
    _Channel(
        "statuses",
        _TOPICS.statuses,
        TYPE_EXECUTION_STATUS,
        "receiveStatus",
        "receive",
        "The services that run jobs say here how a run goes; the worker reads it.",
    ),
    _Channel(
        "deadLetters",
        _TOPICS.dead_letters,
        _DEAD_LETTER,
        "keepDeadLetter",
        "send",
        "What the worker could not read or store, from either topic that it reads.",
    ),
)


def document() -> _Object:
    """The document as JSON values, the same on every run."""
    schemas: _Object = {}
    messages = {_key(event.name): _message(event, schemas) for event in EVENTS}
    messages[_DEAD_LETTER] = _dead_letter()
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "job-trigger-worker",
            "version": "1",
            "description": "Every due job leaves a record: triggers come in, and each is answered"
            " by a dispatch or by a failure.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": cloudevents.CONTENT_TYPE,
        "channels": {channel.name: _channel(channel) for channel in _CHANNELS},
        "operations": {channel.operation: _operation(channel) for channel in _CHANNELS},
        "components": {
            "messages": messages,
            "schemas": dict(sorted(schemas.items())),
            "parameters": {
                "prefix": {
                    "default": "awp",
                    "description": "What all six names begin with (TRIGGER_WORKER_TOPIC_PREFIX).",
                }
            },
        },
    }


def _channel(channel: _Channel) -> _Object:
    key = _key(channel.message)
    return {
        "address": channel.address,
        "description": channel.description,
        "parameters": {"prefix": _ref("parameters", "prefix")},
        "messages": {key: _ref("messages", key)},
        "bindings": {
            "kafka": {
                "topicConfiguration": {"cleanup.policy": ["delete"]},
                "bindingVersion": BINDINGS,
            }
        },
    }


def _operation(channel: _Channel) -> _Object:
    place = f"#/channels/{channel.name}"
    return {
        "action": channel.action,
        "channel": {"$ref": place},
        "messages": [{"$ref": f"{place}/messages/{_key(channel.message)}"}],
    }


def _message(event: Event, schemas: _Object) -> _Object:
    """A message; what its payload is made of goes into `schemas`."""
    said = _MESSAGES[event.name]
    model = event.model.__name__
    schema = event.model.model_json_schema(
        mode="validation", ref_template="#/components/schemas/{model}"
    )
    schemas.update(_without_siblings(schema.pop("$defs", {})))
    schemas[model] = _without_siblings(schema)
    return {
        "name": event.name,
        "title": model,
        "summary": said.summary,
        "contentType": cloudevents.CONTENT_TYPE,
        "headers": _headers(said.headers, _ALWAYS if event.is_read_by_others else ()),
        "payload": _ref("schemas", model),
        "bindings": _kafka_key(said.key),
        "examples": [
            {"name": name, "payload": _example(event.name, name)} for name in said.examples
        ],
    }


def _dead_letter() -> _Object:
    return {
        "name": _DEAD_LETTER,
        "title": _DEAD_LETTER,
        "summary": "A message that could not be read or stored, as it came.",
        "contentType": "application/octet-stream",
        "headers": _headers(LETTER_HEADERS, _ALWAYS_ON_LETTERS),
        "payload": {"description": "The bytes as they came, whatever they are; null where none."},
        "bindings": _kafka_key("The key as it came."),
    }


def _headers(names: Mapping[str, str], required: tuple[str, ...]) -> _Object:
    """A schema of headers. Their values are UTF-8 text; others may stand beside them."""
    properties = {name: {"type": "string", "description": says} for name, says in names.items()}
    schema = {"type": "object", "properties": properties}
    return schema | {"required": list(required)} if required else schema


def _kafka_key(says: str) -> _Object:
    key = {"type": "string", "description": says}
    return {"kafka": {"key": key, "bindingVersion": BINDINGS}}


def _example(event: str, name: str) -> Any:
    return json.loads((_EXAMPLES / event / f"{name}.json").read_text(encoding="utf-8"))


def _key(message: str) -> str:
    """How a message is called within the document."""
    return next((event.model.__name__ for event in EVENTS if event.name == message), message)


def _ref(kind: str, name: str) -> _Object:
    return {"$ref": f"#/components/{kind}/{name}"}


def _without_siblings(schema: Any) -> Any:
    """The same schema where nothing stands beside a `$ref`: draft 7 would not see it."""
    if isinstance(schema, list):
        return [_without_siblings(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _without_siblings(each) for name, each in schema.items()}
    if "$ref" in made and len(made) > 1:
        return {"allOf": [{"$ref": made.pop("$ref")}], **made}
    return made
