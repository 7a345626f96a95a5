"""What a body is instead of a JSON object, in a sentence for its producer. Pure.

Formats are recognised by their first bytes. A body may hold secrets, so nothing in it is quoted but
the names of fields, and nothing is decompressed. The work is bounded by the size of the body.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from job_trigger_worker.pipeline.protobuf_wire import is_framed_protobuf, is_protobuf

_SEND_JSON = "send JSON"
_SEND_OBJECT = "send the object itself, encoded once"
_LONGEST_NAME = 40


class Frame(NamedTuple):
    """What a schema registry's serializer has put before a payload."""

    name: str
    payload: bytes


def without_frame(body: bytes) -> bytes:
    """The JSON object behind a schema registry's frame; the body itself where there is none."""
    framed = _FRAMED_OBJECT(body)
    return body[framed.end() :] if framed else body


_FRAMED_OBJECT = re.compile(
    rb"(?:\0.{4}"  # Confluent, Karapace, Apicurio: a schema id of four bytes
    rb"|\0.{8}"  # Apicurio before version 3: of eight
    rb"|\x03\0.{16})"  # AWS Glue: the schema version's UUID; 0 is 'not compressed'
    rb"(?=(?:\xef\xbb\xbf)?[ \t\r\n]*\{)",
    re.DOTALL,
).match


def describe_bytes(body: bytes, error: ValueError, subject: str = "the body") -> str:
    """What bytes are that are not JSON in UTF-8; `error` says where reading them failed."""
    for begins, what in _BINARY:
        if begins(body):
            return f"{subject} is {what}"
    if frame := _frame(body):
        behind = f"{subject} behind its schema-registry frame ({frame.name})"
        return _describe_payload(frame.payload, error, behind)
    if _is_text(body) or body.lstrip().startswith(b"{"):
        return _describe_text(body, error, subject)
    guess = "it looks like Protobuf" if is_protobuf(body) else "perhaps Avro or Protobuf"
    return f"{subject} is not JSON but binary ({guess}): {_SEND_JSON}"


def describe_value(value: object, subject: str = "the body") -> str:
    """What JSON is that is not an object."""
    match value:
        case str() if isinstance(_loaded(value), dict):
            what = f"double-encoded JSON, a string with an object in it: {_SEND_OBJECT}"
        case str() if _is_base64_of_object(value):
            what = f"a string of base64, which serializers make of bytes: {_SEND_OBJECT}"
        case list():
            what = "a JSON array, not an object: send each event by itself"
        case str():
            what = "a string, not a JSON object"
        case bool():
            what = "true or false, not a JSON object"
        case int() | float():
            what = "a number, not a JSON object"
        case _:
            what = "null, not a JSON object"
    return f"{subject} is {what}"


def describe_missing(name: str, fields: Mapping[str, Any], subject: str) -> str:
    """Says that a field is missing in an object, and where a similar one is."""
    plain = _plain(name)
    if like := next((key for key in fields if _plain(key) == plain), None):
        return f"{name} is missing: {subject} has {_quoted(like)} instead"
    for key, value in fields.items():
        if isinstance(value, dict) and name in value:
            return f"{name} is missing: it stands inside {_quoted(key)}, not in {subject} itself"
    return f"{name} is missing in {subject}"


def _quoted(key: str) -> str:
    return ascii(key if len(key) <= _LONGEST_NAME else f"{key[:_LONGEST_NAME]}…")


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


_CONTROL = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f]").search


def _begins(pattern: bytes) -> Any:
    return re.compile(pattern, re.DOTALL).match


_WIDE = "text in UTF-{}: send JSON in UTF-8"
_PACKED = "compressed by itself ({}): send it plain, Kafka clients compress".format
_BINARY: tuple[tuple[Any, str], ...] = (
    (
        _begins(rb"\xff\xfe\0\0|\0\0\xfe\xff|[{\[\"<]\0\0\0|\0\0\0[{\[\"<](?=\0\0\0)"),
        _WIDE.format(32),
    ),
    (_begins(rb"\xff\xfe|\xfe\xff|[{\[\"<]\0(?=.\0)|\0[{\[\"<](?=\0.)"), _WIDE.format(16)),
    (_begins(rb"\x1f\x8b\x08"), _PACKED("gzip")),
    (_begins(rb"\x28\xb5\x2f\xfd"), _PACKED("zstd")),
    (_begins(rb"\x04\x22\x4d\x18"), _PACKED("lz4")),
    (_begins(rb"\x82SNAPPY\0|\xff\x06\0\0sNaPpY"), _PACKED("snappy")),
    (_begins(rb"\x03\x05.{16}\x78"), _PACKED("zlib, by AWS Glue's serializer")),
    (_begins(rb"BZh[1-9]1AY&SY"), _PACKED("bzip2")),
    (_begins(rb"\xfd7zXZ\0"), _PACKED("xz")),
    (_begins(rb"PK\x03\x04"), _PACKED("zip")),
    (_begins(rb"Obj\x01"), f"an Avro file: {_SEND_JSON}"),
    (_begins(rb"\xc3\x01.{8}"), f"Avro in its single-object encoding: {_SEND_JSON}"),
    (_begins(rb"\xac\xed\0\x05"), f"a serialized Java object: {_SEND_JSON}"),
    (_begins(rb"\x80[\x02-\x05].*\.$"), f"a Python pickle: {_SEND_JSON}"),
    (_begins(rb":\)\n"), f"Smile: {_SEND_JSON}"),
    (_begins(rb"(?:[\x81-\x8f]|\xde..)(?:[\xa1-\xbf]|\xd9.)\w"), f"MessagePack: {_SEND_JSON}"),
    (_begins(rb"(?:\xd9\xd9\xf7)?[\xa1-\xb7\xbf][\x61-\x77][A-Za-z_]"), f"CBOR: {_SEND_JSON}"),
)


def _frame(body: bytes) -> Frame | None:
    """The frame that a body begins with, where it does."""
    for begins, name in _FRAMES:
        if found := begins(body):
            number = int.from_bytes(found[1], "big")
            return Frame(name.format(number), body[found.end() :])
    return None


_FRAMES: tuple[tuple[Any, str], ...] = (
    (_begins(rb"\x03\0(.{16})"), "AWS Glue"),
    (_begins(rb"\0(\0{4}[^\0].{3}|\0{5}[^\0]..|\0{6}[^\0].|\0{7}[^\0])(?=.)"), "schema {}"),
    (_begins(rb"\0(?!\0{4})([\0-\x7f].{3})"), "schema {}"),
)
"""As `_FRAMED_OBJECT`; ids begin at 1, and those of four bytes have a sign."""


def _describe_payload(payload: bytes, error: ValueError, subject: str) -> str:
    """What follows a frame, if that is not a JSON object."""
    if payload.lstrip().startswith(b"{"):
        return f"{subject} is not JSON: {error}"
    if not _is_text(payload):
        what = "Protobuf" if is_framed_protobuf(payload) else "Avro or another binary format"
        return f"{subject} is {what}: {_SEND_JSON}"
    value = _loaded(payload.decode())
    return f"{subject} is not JSON" if value is _NOTHING else describe_value(value, subject)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return not _CONTROL(content)


def _describe_text(content: bytes, error: ValueError, subject: str) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{subject} is not UTF-8: {error.reason} at byte {error.start}"
    begin = content.decode().lstrip("\ufeff \t\r\n")
    for start, sentence in _TEXTS:
        if start(begin):
            return f"{subject} is {sentence}"
    if _is_base64_of_object(begin.rstrip()):
        return f"{subject} is base64 of JSON: {_SEND_OBJECT}"
    if _has_more_objects(begin):
        return f"{subject} has more than one JSON object: send each event by itself"
    return f"{subject} is not JSON: {error}"


_TEXTS: tuple[tuple[Any, str], ...] = (
    (re.compile(r"<[?!A-Za-z]").match, f"XML: {_SEND_JSON}"),
    (
        re.compile(r"\{\s*'").match,
        "a printed Python dict, not JSON: write it with json.dumps",
    ),
    (
        re.compile(r"[A-Za-z]*[{(]\s*[A-Za-z_]\w*=").match,
        "a Java object as text, not JSON: use a JSON serializer or converter",
    ),
)


def _has_more_objects(text: str) -> bool:
    try:
        first, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and text[end:].lstrip(", \t\r\n").startswith("{")


_NOTHING = object()


def _loaded(text: str) -> Any:
    try:
        return json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return _NOTHING


_is_base64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}").fullmatch


def _is_base64_of_object(text: str) -> bool:
    if not _is_base64(text):
        return False
    try:
        return base64.urlsafe_b64decode(text[:16].replace("+", "-").replace("/", "_"))[:1] == b"{"
    except binascii.Error:
        return False
