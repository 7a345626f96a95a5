"""What stands around a trigger changes nothing about it: which one it is, and what it says."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_trigger_worker.dead_letters.replay_rules import validate_edited_body
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.trigger import Trigger
from job_trigger_worker.errors import UsageError
from job_trigger_worker.pipeline import decode as reading
from job_trigger_worker.pipeline.decode import decode, usual_identity
from tests.support.decoding import CLAIM, OFFSET
from tests.support.hostile import objects

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
SLOT = datetime(2026, 11, 30, 7, tzinfo=UTC)
PLAIN = b'{"job_id": "1", "scheduled_at": "2026-11-30T07:00:00Z"}'
FRAMED = b"\x00\x00\x00\x00\x07" + PLAIN
STRUCTURED = (
    b'{"specversion":"1.0","id":"a","source":"/common-job","type":"awp.job.trigger.v1",'
    b'"datacontenttype":"application/json",'
    b'"data":{"job_id":"1","scheduled_at":"2026-11-30T07:00:00Z"}}'
)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
BOM = b"\xef\xbb\xbf"


def in_cloudevent(body: bytes, **more: object) -> bytes:
    return json.dumps({"specversion": "1.0", "data": json.loads(body), **more}).encode()


def in_base64(body: bytes) -> bytes:
    return b'{"specversion":"1.0","data_base64":"%b"}' % base64.b64encode(body)


WRAPS: dict[str, Callable[[bytes], bytes]] = {
    "frame": lambda body: b"\x00\x00\x00\x01\x00" + body,
    "frame and mark": lambda body: b"\x00\x00\x00\x00\x07" + BOM + body,
    "frame of eight": lambda body: b"\0" * 8 + b"{" + body,
    "Glue": lambda body: b"\x03\0" + b"{" * 16 + body,
    "CloudEvent": in_cloudevent,
    "CloudEvent with null": lambda body: in_cloudevent(body, job_id=None),
    "base64": in_base64,
    "base64 of a frame": lambda body: in_base64(b"\x00\x00\x00\x00\x07" + body),
    "frame of a CloudEvent": lambda body: b"\x00\x00\x00\x00\x07 " + in_cloudevent(body),
}


def read(body: bytes, headers: Any = ()) -> Trigger:
    found = decode(Delivery(0, OFFSET, None, body, headers, 0), CLAIM, NOW, NOW)
    assert isinstance(found, Trigger), found
    return found


@pytest.mark.parametrize("body", [FRAMED, STRUCTURED], ids=["framed", "structured"])
def test_the_trigger_in_it_is_the_plain_one(body: bytes) -> None:
    assert read(body) == read(PLAIN)
    assert (read(body).job_id, read(body).scheduled_at, read(body).problem) == (1, SLOT, None)
    assert usual_identity(body) == usual_identity(PLAIN) != None  # noqa: E711 - all three


@given(wrap=st.sampled_from(list(WRAPS)), fields=objects(ids=st.just(7)))
def test_whatever_it_says_it_says_without_it(wrap: str, fields: dict[str, Any]) -> None:
    plain = json.dumps(fields | {"job_id": 7}).encode()
    found = read(WRAPS[wrap](plain))
    expected = read(plain)
    if expected.problem is not None:  # known by its bytes, and these are others
        assert found.trigger_id == found.idempotency_key != expected.idempotency_key
        key = expected.idempotency_key
        found = found._replace(trigger_id=key, idempotency_key=key)
    assert found == expected


@given(wrap=st.sampled_from(list(WRAPS)), fields=objects())
def test_the_quick_way_says_what_the_slow_one_says(wrap: str, fields: dict[str, Any]) -> None:
    body = WRAPS[wrap](json.dumps(fields).encode())
    delivery = Delivery(0, OFFSET, None, body, (), 0)
    quick = decode(delivery, CLAIM, NOW, NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_usual", lambda *_: None)
        assert decode(delivery, CLAIM, NOW, NOW) == quick


def test_an_object_with_a_job_id_is_the_trigger_whatever_else_it_has() -> None:
    body = in_cloudevent(b'{"job_id": 2}', job_id=1, scheduled_at="2026-11-30T07:00:00Z")
    assert (read(body).job_id, read(body).problem) == (1, None)


def test_brackets_without_end_in_it_are_nobodys_business() -> None:
    brackets = b"[" * 3000 + b"]" * 3000
    body = b'{"x": %b, "specversion": "1.0", "data": {"note": %b, %b, "y": 1}' % (
        brackets,
        brackets,
        PLAIN[1:],
    )
    assert read(body) == read(PLAIN)


def test_a_cloudevents_trace_goes_on_unless_a_header_names_one() -> None:
    body = in_cloudevent(PLAIN, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    assert read(body).trace_id == TRACE
    other = "a" * 32
    header = ("traceparent", f"00-{other}-00f067aa0ba902b7-01".encode())
    assert read(body, [header]).trace_id == other
    odds: tuple[object, ...] = ("", "nonsense", "00-é", "\ud800", 7, None, {})
    for odd in odds:
        assert read(in_cloudevent(PLAIN, traceparent=odd)).trace_id is None


@pytest.mark.parametrize("body", [FRAMED, STRUCTURED], ids=["framed", "structured"])
def test_a_letter_may_be_mended_into_what_is_read(body: bytes) -> None:
    validate_edited_body("awp.job.triggers.v1", body)
    with pytest.raises(UsageError, match="execution_id is missing"):
        validate_edited_body("awp.execution.status.v1", body)
