"""Batches that no client can unpack: each is passed, counted and kept by its place."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lz4.frame
import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.offset_range import OffsetRange, OffsetRangeReader
from tests.conftest import kafka_settings
from tests.support import batches, sql
from tests.support.kafka import KafkaNode
from tests.support.topics import Broker, produce_raw, read_topic, set_topic
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["node"], indirect=True)
Start = Callable[..., WorkerProcess]
ZEROS = b"\0" * 90_000_000

LETTERS = """
    select d.origin_offset, d.last_offset, d.reason, d.value, d.job_id, d.execution_id
    from awp_dead_letter d join awp_trigger_ledger l on l.id = d.ledger_id
    where l.topic = '{}' order by d.origin_offset
"""
LEDGER = """
    select last_offset, deliveries, records, applied, dead_letters from awp_trigger_ledger
    where topic = '{}' and "partition" = 0
"""


def _bodies(jobs: list[int], first: int, count: int) -> list[bytes]:
    begun = datetime.now(UTC) - timedelta(minutes=5)
    return [
        json.dumps(
            {
                "job_id": jobs[number % len(jobs)],
                "scheduled_at": (begun + timedelta(milliseconds=number)).isoformat(),
            }
        ).encode()
        for number in range(first, first + count)
    ]


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_what_cannot_be_unpacked_is_passed_and_counted(
    start: Start,
    kafka_node: KafkaNode,
    broker: Broker,
    topics: Topics,
    jobs: list[int],
    settings: Settings,
    database: str,
) -> None:
    """Three kinds of it, with triggers before, between and behind them, and one as a status."""
    for topic in topics.consumed():
        set_topic(broker.address, topic, "compression.type", "producer")
    poison = batches.batch(ZEROS, codec="zstd", packed=batches.zstd_of_unknown_size(ZEROS))
    wrong = batches.batch(*_bodies(jobs, 100, 3))
    strange = batches.batch(*_bodies(jobs, 200, 2))
    fired = iter(_bodies(jobs, 0, 12))

    def fire() -> None:
        produce_raw(broker, topics.triggers, [(None, next(fired), None) for _ in range(3)])

    fire()  # 0 to 2
    batches.produce(broker, topics.triggers, poison)  # 3
    fire()  # 4 to 6
    batches.produce(broker, topics.triggers, wrong)  # 7 to 9
    fire()  # 10 to 12
    batches.produce(broker, topics.triggers, strange)  # 13 and 14
    fire()  # 15 to 17
    batches.spoil(kafka_node, topics.triggers, wrong, becomes=batches.with_a_bit_changed(wrong))
    batches.spoil(kafka_node, topics.triggers, strange, becomes=batches.with_codec(strange, 5))
    worker = start()
    batches.produce(broker, topics.statuses, poison)
    wait_until(
        lambda: (
            sql.rows(database, LEDGER.format(topics.triggers)) == [(17, 15, 12, 0, 3)]
            and sql.rows(database, LEDGER.format(topics.statuses)) == [(0, 1, 0, 0, 1)]
        ),
        30,
        "every trigger recorded and every batch passed",
    )
    found = sql.rows(database, LETTERS.format(topics.triggers))
    assert [row[:2] for row in found] == [(3, 3), (7, 9), (13, 14)]
    assert [row[3:] for row in found] == [(None, None, None)] * 3
    reasons = [row[2] for row in found]
    assert (
        reasons[0] == "offsets 3 to 3 cannot be unpacked: it unpacks to more than 67,108,864 bytes"
    )
    ((_, _, reason, *_),) = sql.rows(database, LETTERS.format(topics.statuses))
    assert "it unpacks to more than 67,108,864 bytes" in reason
    assert "failed CRC32C check" in reasons[1]
    assert "codec 0x5" in reasons[2]
    sent = read_topic(broker, topics.dead_letters, 4)
    told = sorted(
        (
            each.header("dead-letter-topic"),
            each.header("dead-letter-offset"),
            each.header("dead-letter-last-offset"),
            each.value,
        )
        for each in sent
    )
    assert told == [
        (topics.statuses.encode(), b"0", b"0", None),
        (topics.triggers.encode(), b"13", b"14", None),
        (topics.triggers.encode(), b"3", b"3", None),
        (topics.triggers.encode(), b"7", b"9", None),
    ]
    assert worker.words().count("action=batch_unreadable") == 4
    counted = f'trigger_worker_unreadable_batches_total{{topic="{topics.triggers}"}} 3.0'
    assert counted in worker.page("/metrics")
    assert worker.get("/readyz") == 200
    with OffsetRangeReader(kafka_settings(broker, settings.topic_prefix), "audit") as reader:
        ranges = [(first, last) for first, last, *_ in found]
        window = OffsetRange(0, 0, 17, unreadable=ranges)
        read = [d.offset for batch in reader.read(topics.triggers, [window]) for d in batch]
        assert read == [0, 1, 2, 4, 5, 6, 10, 11, 12, 15, 16, 17]
        unknown = OffsetRange(0, 0, 17, unreadable=ranges[:1])
        with pytest.raises(Transient, match="partition 0 cannot be read at offset 7"):
            list(reader.read(topics.triggers, [unknown]))


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_a_gigabyte_that_waits_is_passed_before_the_client_unpacks_it(
    start: Start, broker: Broker, topics: Topics, jobs: list[int], database: str
) -> None:
    """300 MB of gzip took 0.9 GB of the client, each time anew after it had been killed for it."""
    set_topic(broker.address, topics.triggers, "compression.type", "producer")
    packed = gzip.compress(batches.record(bytes(300_000_000)))
    first, second = _bodies(jobs, 0, 3), _bodies(jobs, 3, 3)
    produce_raw(broker, topics.triggers, [(b"7", body, [("a", b"b")]) for body in first])
    batches.produce(broker, topics.triggers, batches.batch(b"", codec="gzip", packed=packed))
    produce_raw(broker, topics.triggers, [(None, body, None) for body in second])
    worker = start()
    wait_until(
        lambda: sql.rows(database, LEDGER.format(topics.triggers)) == [(6, 7, 6, 0, 1)],
        30,
        "three triggers before it and three behind",
    )
    (letter,) = sql.rows(database, LETTERS.format(topics.triggers))
    assert letter[:2] == (3, 3)
    assert _peak_mb(worker) < 250


def _peak_mb(worker: WorkerProcess) -> float:
    """The most memory that a worker has had."""
    status = Path(f"/proc/{worker.child.pid}/status").read_text()
    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(peak_kb) / 1000


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_what_unpacks_to_200_mb_is_a_letter_of_a_mebibyte_and_does_not_hold_up_anybody(
    start: Start, broker: Broker, topics: Topics, jobs: list[int], database: str
) -> None:
    """A topic whose brokers leave unpacking to readers: our client has no limit for lz4."""
    set_topic(broker.address, topics.triggers, "compression.type", "producer")
    zeros = bytes(200_000_000)
    packed = lz4.frame.compress(batches.record(zeros), block_linked=False)
    worker = start()
    wait_until(lambda: worker.partitions(topics.triggers) == 1, 20, "that it has looked ahead")
    batches.produce(broker, topics.triggers, batches.batch(zeros, codec="lz4", packed=packed))
    produce_raw(broker, topics.triggers, [(None, body, None) for body in _bodies(jobs, 0, 3)])
    wait_until(
        lambda: sql.rows(database, LEDGER.format(topics.triggers)) == [(3, 4, 3, 0, 1)],
        30,
        "three triggers behind it",
    )
    found = sql.rows(
        database, "select size, sha256, length(value), last_offset, reason from awp_dead_letter"
    )
    assert [(row[0], bytes(row[1]), *row[2:4]) for row in found] == [
        (200_000_000, hashlib.sha256(zeros).digest(), 1_048_576, None)
    ]
    assert "of more than 1048576 none is read" in found[0][4]
    (event,) = read_topic(broker, topics.dead_letters, 1)
    assert event.header("truncated") == b"200000000"
    assert event.header("dead-letter-sha256") == hashlib.sha256(zeros).hexdigest().encode()
    assert len(event.value or b"") < 1_048_576
    assert _peak_mb(worker) < 900
