"""From a message's body to the fields of the event in it, or to the reason why there is none.

An event is a JSON object in UTF-8. Two things that producers put around it are taken off: the frame
of a schema registry's serializer, and the envelope of CloudEvents' structured mode (`CloudEvents
1.0.2`, 'Kafka Protocol Binding', section 3.3). The body alone says so; no header is needed.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from json.decoder import scanstring  # type: ignore[attr-defined]  # documented nowhere, stable
from typing import Any, NamedTuple

from job_trigger_schemas import ExecutionStatus, JobTrigger
from job_trigger_schemas.cloudevents import SPEC_VERSION
from job_trigger_worker.domain.record import MOST_LETTER_BYTES
from job_trigger_worker.domain.trigger import MAX_ID
from job_trigger_worker.pipeline.body_format import (
    describe_bytes,
    describe_missing,
    describe_value,
    without_frame,
)

MOST_READ_BYTES = MOST_LETTER_BYTES
"""Largest body that is looked into at all: reading takes many times the memory. Our topics take no
larger ones, and no more than this is kept of a message that cannot be used."""

_LONGEST_REASON = 500
_INSIDE = "the data of the CloudEvent"
_BOM = b"\xef\xbb\xbf"


class EventFields(NamedTuple):
    """The fields of one kind of event that are read.

    `identity` names what an event is about: an object without it is none, but may hold one.
    """

    identity: str
    names: Iterable[str]


TRIGGER = EventFields("job_id", tuple(JobTrigger.model_fields))
STATUS = EventFields("execution_id", tuple(ExecutionStatus.model_fields))


class EventBody(NamedTuple):
    """What a body says: the event's fields, and the `traceparent` of its CloudEvent, if any."""

    fields: dict[str, Any]
    traceparent: str | None = None


def read_event(
    body: bytes | None, event: EventFields, *, subject: str = "the body"
) -> EventBody | str:
    """The fields of an event as Python values, or why there is none.

    Reads what the fast path refuses because of fields that nobody asked for. `subject` is what a
    reason calls the body.
    """
    if body is None:
        return "the message has no body (a tombstone)"
    if len(body) > MOST_READ_BYTES:
        return f"{subject} has {len(body)} bytes, and of more than {MOST_READ_BYTES} none is read"
    if not body.strip():
        return f"{subject} is empty"
    value = _read_object(body, subject)
    traceparent = None
    if isinstance(value, dict) and is_cloudevent(value, event.identity):
        traceparent = value.get("traceparent")
        value = _cloudevent_data(value, subject)
        subject = _INSIDE
    if isinstance(value, str):
        return truncate(value)
    if event.identity not in value:
        return describe_missing(event.identity, value, subject)
    fields = {name: _read(value[name]) for name in event.names if name in value}
    return EventBody(fields, traceparent if isinstance(traceparent, str) else None)


def _read_object(content: bytes, subject: str) -> dict[str, Any] | str:
    """A JSON object, also behind a schema registry's frame, or what `subject` is instead."""
    try:
        value = _parsed(without_frame(content).removeprefix(_BOM).decode())
    except ValueError as error:
        return describe_bytes(content, error, subject)
    return value if isinstance(value, dict) else describe_value(value, subject)


def is_cloudevent(value: Mapping[str, Any], identity: str) -> bool:
    """Whether an object is a CloudEvent around an event, rather than the event itself."""
    return value.get(identity) is None and isinstance(value.get("specversion"), str)


def _cloudevent_data(envelope: Mapping[str, Any], subject: str) -> dict[str, Any] | str:
    """The object that a CloudEvent carries, or why it carries none."""
    version = envelope["specversion"]
    if version.partition(".")[0] != SPEC_VERSION.partition(".")[0]:
        return f"{subject} is a CloudEvent of a specversion other than {SPEC_VERSION}"
    data, encoded = envelope.get("data"), envelope.get("data_base64")
    if isinstance(encoded, str):
        try:
            return _read_object(base64.b64decode(encoded, validate=True), _INSIDE)
        except ValueError:
            return f"{_INSIDE} is not the base64 that data_base64 stands for"
    if isinstance(data, _Skipped):
        return _read_object(data.text.encode(), _INSIDE)
    if data is None:
        return f"{subject} is a CloudEvent without data"
    return data if isinstance(data, dict) else describe_value(data, _INSIDE)


def truncate(words: str) -> str:
    """A reason of bounded length."""
    return words if len(words) <= _LONGEST_REASON else words[: _LONGEST_REASON - 1] + "…"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_whole_number)
    except RecursionError:
        return _skim(text)


def _whole_number(digits: str) -> int | float:
    """A number of any length; one that no field could hold is infinite."""
    return int(digits) if len(digits) <= len(str(MAX_ID)) + 1 else float("inf")


class _Skipped(NamedTuple):
    """An object or array that was not read, within one that nests too deeply."""

    text: str


def _read(value: Any) -> Any:
    return None if isinstance(value, _Skipped) else value


_TOKEN = re.compile(r'\s*(?:(")|([\[{])|([\]}])|([:,])|([^\s"\[\]{}:,]+))')


def _skim(text: str) -> Any:
    """The top level of what nests too deeply to be read; an array is as good as an empty one.

    Raises ValueError where it is not JSON.
    """
    if not text.lstrip().startswith("{"):
        return []
    found: dict[str, Any] = {}
    depth, position, begin = 0, 0, 0
    name: str | None = None
    before = ""
    while (token := _TOKEN.match(text, position)) and (depth or not position):
        position = token.end()
        quote, opening, closing, mark, word = token.groups()
        value: Any = None
        if quote:
            value, position = scanstring(text, position, False)
        elif word and depth == 1:
            value = _word(word)
        if depth == 1:
            if quote and before in ("{", ","):
                name = value
            elif before == ":" and name is not None:
                found[name] = value
                begin = position - 1
        depth += bool(opening) - bool(closing)
        if closing and depth == 1 and name is not None:
            found[name] = _Skipped(text[begin:position])
        before = opening or mark or ""
    if depth or text[position:].strip():
        raise ValueError(f"its brackets do not match: char {position}")
    return found


def _word(word: str) -> Any:
    with suppress(ValueError):
        return json.loads(word, parse_int=_whole_number)
    return None
