"""How long a trigger takes at a steady rate, in a worker that is warm.

Measured three times: by the worker's own histogram (from the broker's timestamp of the trigger to
the acknowledgement of its event), and from outside, on the sender's clock from `produce` on: until
the event is in the hand of a consumer of the outgoing topics, and until another session of the
database sees the record. The latter looks every 5 ms.
"""

import re
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import psycopg2.extensions
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from tests.benchmarks.draining import PRODUCT
from tests.benchmarks.inventory import JOBS
from tests.benchmarks.stage import Stage
from tests.benchmarks.triggers import backlog, body, send
from tests.support.sql import session
from tests.support.topics import Broker
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

PARTITIONS = 6
WARM_UP = 30_000
WARM_UP_PER_S = 200
WARM_UP_S = 60.0
"""As long as the broker's second compiler takes: it would share the cores with what is measured."""

LAST_S = 30.0
CALL_S = 10.0
LOOK_S = 0.005
APART_S = 300
HISTOGRAM = "trigger_worker_append_to_event_seconds"
BATCHES = "trigger_worker_batch_size"
NEWER_RECORDS = """
    prepare newer_records (bigint) as
    select id, job_id, scheduled_at from awp_job_execution where id > $1 order by id limit 1000
"""

Buckets = dict[float, float]
Moments = dict["Key", float]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Milliseconds."""

    p50: float
    p99: float
    p999: float

    def as_json(self) -> dict[str, float]:
        """Rounded to what the figures are worth."""
        return {name: round(getattr(self, name), 1) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Latency:
    """Until the event is acknowledged, is seen by a consumer, and its record by another session.

    `count` is how many triggers there were, `batch` how many the worker took at once, on average.
    """

    published: Quantiles
    seen: Quantiles
    record: Quantiles
    count: int
    batch: float


def measure(
    stage: Stage, broker: Broker, *, rates: Sequence[int], seconds: float
) -> dict[int, Latency]:
    """A worker at each of so many triggers a second for so long, after a backlog to warm up."""
    with ExitStack() as stack:
        settings = stack.enter_context(stage.set(broker, partitions=PARTITIONS))
        topics = Topics.under(settings.topic_prefix)
        send(broker.address, topics.triggers, backlog(WARM_UP))
        process = WorkerProcess(settings, stage.folder / "latency.log", program=PRODUCT)
        stack.callback(process.stop)
        wait_until(lambda: _count(process) >= WARM_UP, LAST_S * 2, "the end of the warm-up")
        url = settings.database_url.get_secret_value()
        opened = stack.enter_context(session(url, application="watcher"))
        opened.autocommit = True
        watched = _Watched(_Events(broker.address, topics), _Records(opened))
        stack.callback(watched.close)
        _steady(settings, process, watched, WARM_UP_PER_S, WARM_UP_S, age_s=APART_S)
        return {
            rate: _steady(settings, process, watched, rate, seconds, age_s=APART_S * (place + 2))
            for place, rate in enumerate(rates)
        }


def _steady(
    settings: Settings,
    process: WorkerProcess,
    watched: "_Watched",
    per_s: int,
    seconds: float,
    *,
    age_s: int,
) -> Latency:
    """One rate. The slots of its triggers begin `age_s` ago, each rate's elsewhere."""
    before = _figures(process)
    topic = Topics.under(settings.topic_prefix).triggers
    sent = _send(settings.kafka_brokers, topic, per_s, seconds, age_s=age_s)
    events, records = watched.wait_for(len(sent))
    wait_until(lambda: _count(process) >= before[1] + len(sent), LAST_S, "the figures")
    after = _figures(process)
    buckets = {limit: after[0][limit] - before[0][limit] for limit in after[0]}
    return Latency(
        published=Quantiles(*(quantile(buckets, share) * 1000 for share in (0.5, 0.99, 0.999))),
        seen=_spent(sent, events),
        record=_spent(sent, records),
        count=len(sent),
        batch=len(sent) / (after[2] - before[2]),
    )


def _spent(sent: Moments, came: Moments) -> Quantiles:
    spent = sorted((came[key] - sent_at) * 1000 for key, sent_at in sent.items())
    return Quantiles(*(spent[int(len(spent) * share)] for share in (0.5, 0.99, 0.999)))


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


class _Watched:
    """Two threads that note when each event and each record came."""

    def __init__(self, events: "_Events", records: "_Records") -> None:
        self._parts = (events, records)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(part,)) for part in self._parts]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> tuple[Moments, Moments]:
        """The events and the records since the last call, once there are `count` of each."""
        events, records = self._parts
        wait_until(lambda: len(events.came) >= count, LAST_S, f"{count} events")
        wait_until(lambda: len(records.came) >= count, LAST_S, f"{count} records")
        came = events.came, records.came
        events.came, records.came = {}, {}
        return came

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for part in self._parts:
            part.close()

    def _watch(self, part: "_Events | _Records") -> None:
        while not self._stopping.is_set():
            part.look()


class _Events:
    """A consumer of the outgoing topics, from their ends on."""

    def __init__(self, brokers: str, topics: Topics) -> None:
        self.came: Moments = {}
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

    def look(self) -> None:
        """Take one event, if there is one within 0.2 s."""
        message = self._consumer.poll(0.2)
        if message is None or message.error() is not None:
            return
        came_at = time.time()
        event = orjson.loads(message.value() or b"{}")
        self.came[event["job_id"], event["scheduled_at"]] = came_at

    def close(self) -> None:
        self._consumer.close()


class _Records:
    """A session that asks for newer records, from the newest on."""

    def __init__(self, opened: psycopg2.extensions.connection) -> None:
        self.came: Moments = {}
        self._cursor = opened.cursor()
        self._cursor.execute("select max(id) from awp_job_execution")
        ((self._last,),) = self._cursor.fetchall()
        # What looks on shares the cores with what it looks at: planned once, and by the index.
        self._cursor.execute(NEWER_RECORDS)
        self._cursor.execute("set plan_cache_mode = force_generic_plan")

    def look(self) -> None:
        """Ask once, and leave the database alone for a moment."""
        self._cursor.execute("execute newer_records (%s)", (self._last,))
        found = self._cursor.fetchall()
        came_at = time.time()
        for self._last, job_id, slot in found:
            moment = slot.astimezone(UTC).isoformat().replace("+00:00", "Z")
            self.came[str(job_id), moment] = came_at
        time.sleep(LOOK_S)

    def close(self) -> None:
        self._cursor.close()


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
