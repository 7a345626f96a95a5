"""A body that is no trigger is called what it is, and nothing in it is quoted."""

import base64
import gzip
import json
import pickle
import time
import zlib

import msgpack
import pytest
import zstandard

from job_trigger_worker.pipeline.event_body import MOST_READ_BYTES, STATUS, TRIGGER, read_event

TRIGGER_JSON = b'{"job_id": "1", "scheduled_at": "2026-11-30T07:00:00Z"}'
TRIGGER_FIELDS = {"job_id": "1", "scheduled_at": "2026-11-30T07:00:00Z"}
AVRO = b"\x02\x31\x282026-11-30T07:00:00Z"
PROTOBUF = b"\x0a\x01\x31\x12\x142026-11-30T07:00:00Z"
FRAME = b"\x00\x00\x00\x00\x07"
IN_FRAME = "the body behind its schema-registry frame (schema 7)"
ONCE = "send the object itself, encoded once"
COMPRESSED = "the body is compressed by itself ({}): send it plain, Kafka clients compress"


def cloudevent(**more: object) -> bytes:
    return json.dumps({"specversion": "1.0", "id": "a", "source": "/c", **more}).encode()


BODIES: dict[str, tuple[bytes, str]] = {
    "double-encoded": (
        rb'"{\"job_id\": \"1\", \"scheduled_at\": \"2026-11-30T07:00:00Z\"}"',
        f"the body is double-encoded JSON, a string with an object in it: {ONCE}",
    ),
    "double-encoded in a frame": (
        FRAME + rb'"{\"job_id\": 1}"',
        f"{IN_FRAME} is double-encoded JSON, a string with an object in it: {ONCE}",
    ),
    "bytes through a JSON serializer": (
        json.dumps(base64.b64encode(TRIGGER_JSON).decode()).encode(),
        f"the body is a string of base64, which serializers make of bytes: {ONCE}",
    ),
    "base64": (base64.b64encode(TRIGGER_JSON) + b"\n", f"the body is base64 of JSON: {ONCE}"),
    "framed Avro": (
        FRAME + AVRO,
        f"{IN_FRAME} is Avro or another binary format: send JSON",
    ),
    "Avro, framed with eight bytes": (
        b"\0\0\0\0\0\0\0\0\x07" + AVRO,
        f"{IN_FRAME} is Avro or another binary format: send JSON",
    ),
    "Avro, framed by AWS Glue": (
        b"\x03\0" + b"u" * 16 + AVRO,
        (
            "the body behind its schema-registry frame (AWS Glue) is Avro or another binary format:"
            " send JSON"
        ),
    ),
    "framed Protobuf": (FRAME + b"\0" + PROTOBUF, f"{IN_FRAME} is Protobuf: send JSON"),
    "framed Protobuf, a nested message": (
        FRAME + b"\x04\x02\x00" + PROTOBUF,
        f"{IN_FRAME} is Protobuf: send JSON",
    ),
    "framed JSON, cut off": (
        FRAME + TRIGGER_JSON[:20],
        (f"{IN_FRAME} is not JSON: Unterminated string starting at: line 1 column 17 (char 16)"),
    ),
    "Avro": (AVRO, "the body is not JSON but binary (perhaps Avro or Protobuf): send JSON"),
    "Avro file": (b"Obj\x01\x04\x16avro.schema", "the body is an Avro file: send JSON"),
    "Avro, one object": (
        b"\xc3\x01" + b"f" * 8 + AVRO,
        "the body is Avro in its single-object encoding: send JSON",
    ),
    "Protobuf": (
        PROTOBUF,
        "the body is not JSON but binary (it looks like Protobuf): send JSON",
    ),
    "MessagePack": (msgpack.packb(TRIGGER_FIELDS), "the body is MessagePack: send JSON"),
    "CBOR": (b"\xa1\x66job_id\x61\x31", "the body is CBOR: send JSON"),
    "pickle": (pickle.dumps(TRIGGER_FIELDS), "the body is a Python pickle: send JSON"),
    "Java": (b"\xac\xed\0\x05sr", "the body is a serialized Java object: send JSON"),
    "gzip": (gzip.compress(TRIGGER_JSON), COMPRESSED.format("gzip")),
    "zstd": (zstandard.compress(TRIGGER_JSON), COMPRESSED.format("zstd")),
    "zlib": (
        b"\x03\x05" + b"u" * 16 + zlib.compress(TRIGGER_JSON),
        COMPRESSED.format("zlib, by AWS Glue's serializer"),
    ),
    "UTF-16": (
        TRIGGER_JSON.decode().encode("utf-16"),
        "the body is text in UTF-16: send JSON in UTF-8",
    ),
    "UTF-16 without a mark": (
        TRIGGER_JSON.decode().encode("utf-16-be"),
        "the body is text in UTF-16: send JSON in UTF-8",
    ),
    "UTF-32": (
        TRIGGER_JSON.decode().encode("utf-32-be"),
        "the body is text in UTF-32: send JSON in UTF-8",
    ),
    "GBK": (
        '{"job_id":"1","triggered_by":"每日"}'.encode("gbk"),
        "the body is not UTF-8: invalid continuation byte at byte 32",
    ),
    "a line break in a text": (
        b'{"job_id": "1", "triggered_by": "a\nb\x01"}',
        "the body is not JSON: Invalid control character at: line 1 column 35 (char 34)",
    ),
    "XML": (b"<trigger job='1'/>", "the body is XML: send JSON"),
    "a Python dict": (
        b"{'job_id': '1'}",
        "the body is a printed Python dict, not JSON: write it with json.dumps",
    ),
    "a Java map": (
        b"{job_id=1, scheduled_at=2026-11-30T07:00:00Z}",
        "the body is a Java object as text, not JSON: use a JSON serializer or converter",
    ),
    "a Connect struct": (
        b"Struct{job_id=1}",
        "the body is a Java object as text, not JSON: use a JSON serializer or converter",
    ),
    "two": (
        TRIGGER_JSON + b"\n" + TRIGGER_JSON,
        "the body has more than one JSON object: send each event by itself",
    ),
    "an array": (
        b"[" + TRIGGER_JSON + b"]",
        "the body is a JSON array, not an object: send each event by itself",
    ),
    "an array of 3,000 arrays": (
        b"[" * 3000 + b"]" * 3000,
        "the body is a JSON array, not an object: send each event by itself",
    ),
    "100,000 brackets that nobody closes": (
        b'{"job_id": 1, "x": ' + b"[" * 100_000,
        "the body is not JSON: its brackets do not match: char 100019",
    ),
    "a text": (b'"job 7"', "the body is a string, not a JSON object"),
    "a number": (b"17", "the body is a number, not a JSON object"),
    "true": (b"true", "the body is true or false, not a JSON object"),
    "null": (b"null", "the body is null, not a JSON object"),
    "words": (
        b"job 7 please",
        "the body is not JSON: Expecting value: line 1 column 1 (char 0)",
    ),
    "no job": (b'{"scheduled_at": 1}', "job_id is missing in the body"),
    "another name": (b'{"jobId": 1}', "job_id is missing: the body has 'jobId' instead"),
    "Kafka Connect with schemas": (
        b'{"schema": {}, "payload": {"job_id": 1}}',
        "job_id is missing: it stands inside 'payload', not in the body itself",
    ),
    "a very long name": (
        b'{"' + b"n" * 90 + b'": {"job_id": 1}}',
        f"job_id is missing: it stands inside '{'n' * 40}\\u2026', not in the body itself",
    ),
    "CloudEvent without data": (cloudevent(), "the body is a CloudEvent without data"),
    "CloudEvent of 0.3": (
        cloudevent(specversion="0.3", data=TRIGGER_FIELDS),
        "the body is a CloudEvent of a specversion other than 1.0",
    ),
    "CloudEvent of something else": (
        cloudevent(data={"order": 17}),
        "job_id is missing in the data of the CloudEvent",
    ),
    "CloudEvent, double-encoded": (
        cloudevent(data=TRIGGER_JSON.decode()),
        "the data of the CloudEvent is double-encoded JSON, a string with an object in it: " + ONCE,
    ),
    "CloudEvent of several": (
        cloudevent(data=[TRIGGER_FIELDS]),
        "the data of the CloudEvent is a JSON array, not an object: send each event by itself",
    ),
    "CloudEvent of Avro": (
        cloudevent(data_base64=base64.b64encode(AVRO).decode()),
        "the data of the CloudEvent is not JSON but binary (perhaps Avro or Protobuf): send JSON",
    ),
    "CloudEvent, no base64": (
        cloudevent(data_base64="%%%"),
        "the data of the CloudEvent is not the base64 that data_base64 stands for",
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_it_is_called_what_it_is(name: str) -> None:
    body, words = BODIES[name]
    assert read_event(body, TRIGGER) == words


def test_of_a_status_its_run_is_missed() -> None:
    assert read_event(b'{"executionId": "x"}', STATUS) == (
        "execution_id is missing: the body has 'executionId' instead"
    )
    assert read_event(TRIGGER_JSON, STATUS) == "execution_id is missing in the body"


@pytest.mark.parametrize(
    "body",
    [
        b"\x08\x01" * (MOST_READ_BYTES // 2),  # fields of Protobuf without end
        FRAME + b"\xfe\xff\xff\xff\x0f" + b"\x01" * (MOST_READ_BYTES - 10),  # a billion indexes
        b"A" * MOST_READ_BYTES,
        b'"' + b"A" * (MOST_READ_BYTES - 2) + b'"',
        b"\0" * MOST_READ_BYTES,
        b"{'" * (MOST_READ_BYTES // 2),
        b'{"a":' + b"[" * (MOST_READ_BYTES - 5),
    ],
    ids=["fields", "indexes", "letters", "text", "nul", "quotes", "brackets"],
)
def test_what_it_is_does_not_take_long_to_tell(body: bytes) -> None:
    began = time.process_time()
    assert isinstance(read_event(body, TRIGGER), str)
    assert time.process_time() - began < 2.0
