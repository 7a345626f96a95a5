"""What producers of other habits send is read where it can be, and called by its name if not."""

import base64
import json
from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest

from tests.support.rig import Rig, at, trigger
from tests.support.topics import produce_raw
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("rig", ["kafka"], indirect=True)

FRAME = b"\x00\x00\x00\x00\x07"


def as_cloudevent(body: bytes, **more: object) -> bytes:
    envelope = {"specversion": "1.0", "id": "a", "source": "/common-job", "type": "any.v1"}
    return json.dumps({**envelope, "data": json.loads(body), **more}).encode()


def in_base64(body: bytes) -> bytes:
    return as_cloudevent(body, data=None, data_base64=base64.b64encode(body).decode())


WRAPPED: dict[str, Callable[[bytes], bytes]] = {
    "schema registry, id of four bytes": lambda body: FRAME + body,
    "schema registry, id of eight bytes": lambda body: b"\x00" * 8 + b"\x07" + body,
    "AWS Glue": lambda body: b"\x03\x00" + uuid4().bytes + body,
    "CloudEvent": as_cloudevent,
    "CloudEvent with a trace": lambda body: as_cloudevent(
        body, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    ),
    "CloudEvent in base64": in_base64,
    "CloudEvent in a frame": lambda body: FRAME + as_cloudevent(body),
}

NAMED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "double-encoded": (
        lambda body: json.dumps(body.decode()).encode(),
        (
            "the body is double-encoded JSON, a string with an object in it: send the object"
            " itself, encoded once"
        ),
    ),
    "Avro in a frame": (
        lambda _: FRAME + b"\x02\x31\x282026-11-30T07:00:00Z",
        (
            "the body behind its schema-registry frame (schema 7) is Avro or another binary format:"
            " send JSON"
        ),
    ),
    "Protobuf in a frame": (
        lambda _: FRAME + b"\x00\x0a\x01\x31\x12\x142026-11-30T07:00:00Z",
        "the body behind its schema-registry frame (schema 7) is Protobuf: send JSON",
    ),
    "Avro": (
        lambda _: b"\x02\x31\x282026-11-30T07:00:00Z",
        "the body is not JSON but binary (perhaps Avro or Protobuf): send JSON",
    ),
    "Protobuf": (
        lambda _: b"\x0a\x01\x31\x12\x142026-11-30T07:00:00Z",
        "the body is not JSON but binary (it looks like Protobuf): send JSON",
    ),
    "nothing to know it by": (
        lambda _: b'{"scheduled_at":"2026-11-30T07:00:00Z"}',
        "IDENTITY is missing in the body",
    ),
}


def test_a_trigger_is_the_same_one_whatever_is_around_it(rig: Rig) -> None:
    first = 50_000
    with rig.platform() as platform:
        jobs = [platform.action_job(id=first + number) for number in range(len(WRAPPED))]
    plain = [json.dumps(trigger(job_id, scheduled_at=at(-1))).encode() for job_id in jobs]

    rig.fire(*(wrap(body) for wrap, body in zip(WRAPPED.values(), plain, strict=True)))

    for job_id in jobs:
        assert rig.record(job_id)["trigger_status"] == 1
    traced = rig.record(first + list(WRAPPED).index("CloudEvent with a trace"))
    event = rig.event(rig.topics.dispatch_action, traced["execution_id"])
    assert (event.header("traceparent") or b"").startswith(b"00-" + b"a" * 32)

    rig.fire(*plain)

    for job_id in jobs:
        wait_until(partial(_is_repeated, rig, job_id), 20, "its repeat")


@pytest.mark.parametrize(
    ("topic", "identity"), [("triggers", "job_id"), ("statuses", "execution_id")]
)
def test_a_dead_letter_says_what_it_is(rig: Rig, topic: str, identity: str) -> None:
    body = json.dumps({identity: "51000", "scheduled_at": at()}).encode()
    name = getattr(rig.topics, topic)

    placed = produce_raw(rig.broker, name, [(None, make(body), None) for make, _ in NAMED.values()])

    found = {of: _reason(rig, name, *place) for of, place in zip(NAMED, placed, strict=True)}
    assert found == {of: words.replace("IDENTITY", identity) for of, (_, words) in NAMED.items()}


def test_a_status_is_read_whatever_is_around_it(rig: Rig) -> None:
    runs = [str(uuid4()) for _ in WRAPPED]
    for run, wrap in zip(runs, WRAPPED.values(), strict=True):
        status = {"execution_id": run, "job_type": "action", "status": "running", "at": at()}
        produce_raw(
            rig.broker, rig.topics.statuses, [(run, wrap(json.dumps(status).encode()), None)]
        )

    query = "select from awp_action_execution where execution_id = any(cast(%s as uuid[]))"
    wait_until(lambda: len(rig.rows(query, runs)) == len(runs), 20, "the status of each run")


def _reason(rig: Rig, topic: str, partition: int, offset: int) -> str:
    def found() -> list[dict[str, object]]:
        return rig.rows(
            "select d.reason from awp_dead_letter d join awp_trigger_ledger l on l.id = d.ledger_id"
            " where l.topic = %s and l.partition = %s and d.origin_offset = %s",
            topic,
            partition,
            offset,
        )

    (row,) = wait_until(found, 20, f"the letter of {topic} {partition}:{offset}")
    return str(row["reason"])


def _is_repeated(rig: Rig, job_id: int) -> bool:
    return bool(rig.record(job_id)["duplicate_count"] == 1)
