"""How long a trigger takes at a steady rate, in a worker that is warm.

Measured twice: by the worker's own histogram (from the broker's timestamp of the trigger to the
acknowledgement of its event) and from outside, by a consumer of the outgoing topics on the same
clock (from the sender's `produce` to the moment that the event is in the consumer's hand).
"""

import re
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.draining import PRODUCT
from tests.benchmarks.inventory import JOBS
from tests.benchmarks.stage import Stage
from tests.benchmarks.triggers import backlog, body, send
from tests.support.topics import Broker
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess
from worker.domain.topics import Topics

PARTITIONS = 6
WARM_UP = 30_000
WARM_UP_S = 5.0
LAST_S = 30.0
CALL_S = 10.0
HISTOGRAM = "trigger_worker_append_to_event_seconds"
BATCHES = "trigger_worker_batch_size"

Buckets = dict[float, float]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds, as the worker counts them and as seen by a consumer; and how many there were.

    `batch` is how many triggers the worker took at once, on average.
    """

    p50: float
    p99: float
    seen_p50: float
    seen_p99: float
    count: int
    batch: float


def measure(stage: Stage, broker: Broker, *, per_s: int, seconds: float) -> Latency:
    """A worker at `per_s` for so long, after a backlog and some seconds of the same."""
    with stage.set(broker, partitions=PARTITIONS) as settings:
        topics = Topics.under(settings.topic_prefix)
        send(broker.address, topics.triggers, backlog(WARM_UP))
        process = WorkerProcess(settings, stage.folder / "latency.log", program=PRODUCT)
        try:
            wait_until(lambda: _count(process) >= WARM_UP, LAST_S * 2, "the end of the warm-up")
            watcher = _Watcher(broker.address, topics)
            try:
                sent = _send(broker.address, topics.triggers, per_s, WARM_UP_S, age_s=600)
                watcher.wait_for(len(sent))
                before = _figures(process)
                sent = _send(broker.address, topics.triggers, per_s, seconds, age_s=300)
                seen = watcher.wait_for(len(sent))
                wait_until(lambda: _count(process) >= before[1] + len(sent), LAST_S, "the figures")
                after = _figures(process)
            finally:
                watcher.close()
        finally:
            process.stop()
    spent = sorted((seen[key] - sent_at) * 1000 for key, sent_at in sent.items())
    buckets = {limit: after[0][limit] - before[0][limit] for limit in after[0]}
    return Latency(
        p50=quantile(buckets, 0.50) * 1000,
        p99=quantile(buckets, 0.99) * 1000,
        seen_p50=statistics.median(spent),
        seen_p99=spent[int(len(spent) * 0.99)],
        count=len(spent),
        batch=len(sent) / (after[2] - before[2]),
    )


def quantile(buckets: Buckets, share: float) -> float:
    """A quantile from cumulative counts by upper limit, linear within a bucket."""
    limits = sorted(buckets)
    wanted = buckets[limits[-1]] * share
    low, below = 0.0, 0.0
    for limit in limits:
        if buckets[limit] >= wanted:
            inside = (wanted - below) / max(buckets[limit] - below, 1)
            return low + (limit - low) * inside
        low, below = limit, buckets[limit]
    return low


Key = tuple[str, str]
"""Job and slot: what a trigger and its event have in common."""


def _send(brokers: str, topic: str, per_s: int, seconds: float, *, age_s: int) -> dict[Key, float]:
    """Send at an even pace; when each was handed over. Their slots begin `age_s` ago."""
    producer = Producer(
        {"bootstrap.servers": brokers, "linger.ms": 0, "partitioner": "murmur2_random"}
    )
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=age_s)
    sent: dict[Key, float] = {}
    began = time.monotonic()
    for place in range(int(per_s * seconds)):
        time.sleep(max(0.0, began + place / per_s - time.monotonic()))
        job_id = place * 7 % JOBS + 1
        value = body(job_id, first, place // JOBS)
        trigger = orjson.loads(value)
        sent[trigger["job_id"], trigger["scheduled_at"]] = time.time()
        producer.produce(topic, value, str(job_id).encode())
        producer.poll(0)
    assert not producer.flush(LAST_S), "triggers were not acknowledged"
    return sent


class _Watcher:
    """A consumer of the outgoing topics in a thread of its own: when each event came."""

    def __init__(self, brokers: str, topics: Topics) -> None:
        self._seen: dict[Key, float] = {}
        self._stopping = threading.Event()
        self._consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": "bench", "fetch.wait.max.ms": 100}
        )
        places = [
            TopicPartition(topic, partition, OFFSET_END)
            for topic in topics.outcomes()
            for partition in self._consumer.list_topics(topic, timeout=CALL_S)
            .topics[topic]
            .partitions
        ]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=CALL_S)[1]
        self._consumer.assign(places)
        self._thread = threading.Thread(target=self._watch, name="watcher")
        self._thread.start()

    def wait_for(self, count: int) -> dict[Key, float]:
        """Everything seen since the last call, once there are `count`."""
        wait_until(lambda: len(self._seen) >= count, LAST_S, f"{count} events")
        seen, self._seen = self._seen, {}
        return seen

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.2)
            if message is None or message.error() is not None:
                continue
            seen_at = time.time()
            event = orjson.loads(message.value() or b"{}")
            self._seen[event["job_id"], event["scheduled_at"]] = seen_at


def _count(process: WorkerProcess) -> float:
    return _figures(process)[1]


def _figures(process: WorkerProcess) -> tuple[Buckets, float, float]:
    """The histogram's cumulative counts by limit, its count, and how many batches there were."""
    buckets: Buckets = {}
    batches = 0.0
    for name, labels, value in _samples(process):
        if name == f"{HISTOGRAM}_bucket":
            buckets[float(labels["le"])] = value
        elif name == f"{BATCHES}_count" and "triggers" in labels["topic"]:
            batches = value
    return buckets, buckets[float("inf")], batches


def _samples(process: WorkerProcess) -> Iterator[tuple[str, dict[str, str], float]]:
    address = re.findall(r"action=listening address=(\S+)", process.words())[-1]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=CALL_S) as answer:
        page = answer.read().decode()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value
