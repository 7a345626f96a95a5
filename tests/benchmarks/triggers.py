"""The triggers of a measurement, and the way they get into their topic."""

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from confluent_kafka import KafkaError, Message, Producer

from tests.benchmarks.inventory import JOBS

SEND_S = 120
Sent = tuple[bytes, bytes]
"""Key and body."""


def backlog(count: int, *, jobs: int = JOBS, microsecond: int = 0) -> list[Sent]:
    """Scheduled triggers of the last minutes: slot after slot, every job in each.

    Another `microsecond` makes other slots of the same jobs.
    """
    slots = -(-count // jobs)
    first = datetime.now(UTC).replace(microsecond=microsecond) - timedelta(seconds=slots)
    return [
        (str(place % jobs + 1).encode(), body(place % jobs + 1, first, place // jobs))
        for place in range(count)
    ]


def body(job_id: int, first: datetime, slot: int) -> bytes:
    """What common-job sends for a job's slot, so many seconds after the first."""
    due = first + timedelta(seconds=slot)
    return json.dumps(
        {
            "trigger_id": str(uuid.UUID(int=job_id << 64 | slot)),
            "job_id": str(job_id),
            "scheduled_at": due.isoformat().replace("+00:00", "Z"),
            "fired_at": (due + timedelta(milliseconds=12)).isoformat().replace("+00:00", "Z"),
            "kind": "schedule",
            "triggered_by": "common-job",
        }
    ).encode()


def small(count: int) -> Iterator[Sent]:
    """As many triggers as wanted, of the two fields that a trigger needs."""
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=60)
    for place in range(count):
        job_id, slot = place % JOBS + 1, place // JOBS
        due = (first + timedelta(milliseconds=slot)).isoformat(timespec="milliseconds")
        yield str(job_id).encode(), b'{"job_id":%d,"scheduled_at":"%s"}' % (job_id, due.encode())


def send(brokers: str, topic: str, triggers: Iterable[Sent]) -> int:
    """Send everything and return how many were acknowledged, which is all or an AssertionError."""
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 200_000,
            "message.timeout.ms": SEND_S * 1000,
            "delivery.report.only.error": True,
        }
    )
    failed: list[str] = []

    def note(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(str(error))

    sent = 0
    for key, value in triggers:
        while True:
            try:
                producer.produce(topic, value, key, on_delivery=note)
                break
            except BufferError:
                producer.poll(0.05)
        sent += 1
        if sent % 1000 == 0:
            producer.poll(0)
    left = producer.flush(SEND_S)
    assert not left, f"{left} of {sent} triggers were not acknowledged within {SEND_S} s"
    assert not failed, f"{len(failed)} of {sent} triggers were refused: {failed[0]}"
    return sent
