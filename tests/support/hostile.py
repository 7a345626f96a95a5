"""Strategies for what a topic may bring: bytes, JSON, and triggers that are almost right."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

ODD = st.sampled_from(
    ["\0", "a\0b", "\ud800", "\udc00x", "\u202eexe", "\ufeff", "\u2028", "9" * 300, "é" * 201]
)
TEXT = st.text(st.characters(codec=None), max_size=40) | ODD
"""Any text, halves of surrogate pairs and NUL included."""

HEADER_NAMES = st.text(max_size=20) | st.sampled_from(
    [
        "traceparent",
        "replay-of",
        "console-note",
        "dead-letter-reason",
        "dead-letter-topic",
        "truncated",
        "ce_id",
    ]
)
"""Names that our client can tell; what it cannot tell, `kafka.received` leaves out."""

HEADERS = st.lists(
    st.tuples(
        HEADER_NAMES,
        st.none()
        | st.binary(max_size=40)
        | st.sampled_from(
            [
                b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
                b"00-" + b"0" * 32 + b"-" + b"b" * 16 + b"-01",
                b"1",
                b"9" * 19,
                b"9" * 20,
                "٧".encode(),
            ]
        ),
    ),
    max_size=4,
).map(tuple)

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()  # json.dumps writes NaN and Infinity, as some producers do
    | TEXT
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), 2**64, 10**400, 1e308, -0.0])
)
JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
"""Any JSON value, and the three numbers that JSON does not have."""

_TIMES = st.sampled_from(
    [
        "2026-11-23T10:00:00Z",
        "2026-11-23t10:00:00.123456789+08:00",
        "2000-01-01T00:00:00Z",
        "1999-12-31T23:59:59-00:01",
        "2200-12-31T23:59:59.999999Z",
        "2200-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-02-30T00:00:00Z",
        "2026-11-23T23:59:60Z",
        "2026-11-23T10:00:00",
        "２０２６-11-23T10:00:00Z",
    ]
)
_IDS = st.integers(5000, 5005) | st.sampled_from(
    [0, -1, 2**63 - 1, 2**63, 5000.0, 5000.5, "5001", "05001", "+5001", "٥٠٠١", " 5001", "5001\n"]
)
_UUIDS = st.sampled_from(
    [
        "0198f3a0-0000-7000-8000-000000000001",
        "0198F3A0-0000-7000-8000-000000000001",
        "0198f3a0000070008000000000000001",
        "{0198f3a0-0000-7000-8000-000000000001}",
        "urn:uuid:0198f3a0-0000-7000-8000-000000000001",
    ]
)
_KINDS = st.sampled_from(["schedule", "manual", "replay", "canary", "SCHEDULE", "cron"])


def objects(ids: st.SearchStrategy[Any] = _IDS) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with a trigger's fields, each right or wrong in some way."""
    return st.fixed_dictionaries(
        {},
        optional={
            "job_id": ids | JSON,
            "scheduled_at": _TIMES | JSON,
            "fired_at": _TIMES | JSON,
            "trigger_id": _UUIDS | JSON,
            "kind": _KINDS | JSON,
            "triggered_by": TEXT | JSON,
            "note": JSON,
        },
    )


_RIGHT = {"job_id": 5001, "scheduled_at": "2026-11-23T10:00:00Z"}
_MANUAL = {**_RIGHT, "kind": "manual", "trigger_id": "0198f3a0-0000-7000-8000-000000000001"}
NEARLY = st.builds(
    lambda fields, name, value: json.dumps({**fields, name: value}).encode(),
    st.sampled_from([_RIGHT, _MANUAL]),
    st.sampled_from(["triggered_by", "scheduled_at", "fired_at", "trigger_id", "kind"]),
    ODD | TEXT | _TIMES | JSON,
)
"""Triggers that are right but for one field: the nearest that comes to what is stored."""


def _spoiled(body: bytes, place: int, byte: int) -> bytes:
    """A body with one byte another one, or cut there."""
    place %= max(len(body), 1)
    return body[:place] if byte == 0 else body[:place] + bytes([byte]) + body[place + 1 :]


_WRAPPED = st.builds(
    lambda fields, wrap: wrap(json.dumps(fields)).encode("latin-1"),
    objects() | JSON,
    st.sampled_from(
        [
            "\0\0\0\0\x07{}".format,
            json.dumps,
            '{{"specversion": "1.0", "data": {}}}'.format,
            '{{"specversion": "1.0", "data": {}, "traceparent": "\xff"}}'.format,
        ]
    ),
)
"""What some producers put around an object."""

BODIES = (
    st.none()
    | _WRAPPED
    | st.binary(max_size=80)
    | JSON.map(lambda value: json.dumps(value).encode())
    | NEARLY
    | objects().map(lambda value: json.dumps(value).encode())
    | objects().map(lambda v: json.dumps(v, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    | st.builds(
        _spoiled,
        objects().map(lambda value: json.dumps(value).encode()),
        st.integers(0, 500),
        st.integers(0, 255),
    )
)
"""What a message may hold where a trigger should be."""

KEYS = st.none() | st.binary(max_size=12)
MOMENTS = st.sampled_from([0, -1, 1_795_000_000_000, 2**63 - 1, -(2**63)]) | st.integers(
    -(2**63), 2**63 - 1
)
"""A message's timestamp in milliseconds, as its producer claims it."""
