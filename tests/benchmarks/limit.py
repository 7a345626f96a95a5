"""*limit*: the product's own clients, statements and payloads, and nothing else.

No message is decoded, no fact is looked at, no literal is built that is not different in every
batch (keys, ids, positions): what remains is what librdkafka, psycopg2, PostgreSQL and the broker
take for the same bytes. A process of its own, like the worker; batches are always full.
"""

import os
import signal
import sys
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Any

import psycopg2
from confluent_kafka import Message, TopicPartition
from sqlalchemy import make_url

from job_trigger_worker.config import Settings
from job_trigger_worker.config import load as load_settings
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.producer import EventProducer
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.storage.db.arrays import bigints
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.write import ledger
from tests.benchmarks.templates import PREFIX, Statement, Template, load

BATCH = 1000
WAIT_S = 0.2
FLUSH_S = 30
COPY_EVERY_S = 1.0
TEMPLATES = "BENCH_TEMPLATES"
"""Environment variable: the file with the templates."""


class Limit:
    """Replays templates for whatever the topic brings."""

    def __init__(self, settings: Settings, templates: list[Template]) -> None:
        kafka = KafkaSettings.of(settings)
        self.topic = kafka.topics.triggers
        self.templates = cycle([_under(settings.topic_prefix, each) for each in templates])
        self.reader = _connect(settings)
        self.reader.set_session(isolation_level="REPEATABLE READ", readonly=True)
        self.writer = _connect(settings)
        self.producer = EventProducer(kafka)._producer
        self.membership = TopicConsumer(kafka, settings, self.topic)
        self.membership.join(_nothing, _nothing)
        self.consumer = self.membership._consumer
        self.session = Session(make_engine(settings))
        self.claims: dict[int, Claim] = {}
        self.rows: list[int] = []
        self.batches = 0
        self.ends: dict[int, int] = {}
        self.copied_at = time.monotonic()
        self.known: set[tuple[str, int]] = set()  # what is prepared, and on which connection

    def take(self) -> None:
        """Claim what was assigned since the last look, and let it flow."""
        for partition in self.membership.assigned - self.claims.keys():
            with self.session.transaction() as connection:
                self.claims[partition] = ledger.take(
                    connection,
                    topic=self.topic,
                    topic_id="limit",
                    owner="limit/1",
                    log_starts={partition: 0},
                )[partition]
            self.membership.flow.seek({partition: 0})
            self.membership.flow.resume([partition])

    def fetch(self, stopping: Event) -> list[Message]:
        """A full batch."""
        batch: list[Message] = []
        while len(batch) < BATCH and not stopping.is_set():
            came = self.consumer.consume(BATCH - len(batch), WAIT_S)
            batch += [each for each in came if each.error() is None]  # a log's end comes, too
            self.take()
            if not batch and self.rows:
                self.forget()
        return batch

    def forget(self) -> None:
        """Delete what is published when no batch comes that would."""
        with self.writer, self.writer.cursor() as cursor:
            cursor.execute("delete from awp_trigger_outbox where id = any(%s)", (self.rows,))
        self.rows = []

    def turn(self, batch: list[Message]) -> None:
        """What the product does with a batch, as far as others than its own code see it."""
        template = next(self.templates)
        with self.reader, self.reader.cursor() as cursor:
            for statement in template.reads:
                self.run(cursor, statement, statement.values)
                cursor.fetchall()
        counts: Counter[int] = Counter()
        ends: dict[int, int] = {}
        for message in batch:
            partition = message.partition() or 0
            counts[partition] += 1
            ends[partition] = message.offset() or 0
        self.batches += 1
        with self.writer, self.writer.cursor() as cursor:
            self.write(cursor, template.writes, counts, ends)
        produce = self.producer.produce
        for topic, key, headers, value in template.events:
            produce(topic, value, key, headers=list(headers))
        if self.producer.flush(FLUSH_S):
            raise RuntimeError("events were not acknowledged")
        self.ends |= ends
        if time.monotonic() - self.copied_at >= COPY_EVERY_S:
            places = [TopicPartition(self.topic, p, end + 1) for p, end in self.ends.items()]
            self.consumer.commit(offsets=places, asynchronous=True)
            self.copied_at = time.monotonic()

    def write(
        self,
        cursor: Any,
        writes: list[Statement],
        counts: Counter[int],
        ends: dict[int, int],
    ) -> None:
        """The product's statements, with what must differ from the batch before."""
        ids: list[int] = []
        published, self.rows = self.rows, []
        for statement in writes:
            values = statement.values
            changed: dict[str, Any] = {}
            if "idempotency_key" in values:
                changed = {"idempotency_key": _keys()}
            elif "record_id" in values:
                jobs = values["record_id"].count(",") + 1
                slot = f"2{self.batches:03d}-01-01T00:00:00Z"
                changed = {
                    "record_id": bigints(ids[-jobs:]),
                    "scheduled_at": "{" + ",".join([slot] * jobs) + "}",
                }
            elif "payload" in values:
                changed = {"ledger_id": bigints([self.claims[next(iter(ends))].ledger_id])}
            elif "epoch" in values:
                changed = self.positions(counts, ends)
            elif "id" in values:
                changed = {"id": bigints(published)}
            self.run(cursor, statement, {**values, **changed})
            if "idempotency_key" in values:
                ids = sorted(row[0] for row in cursor.fetchall())
            elif "payload" in values:
                self.rows = [row[0] for row in cursor.fetchall()]

    def run(self, cursor: Any, statement: Statement, values: dict[str, Any]) -> None:
        """Execute by name what was prepared, once a connection."""
        place = (statement.name, id(cursor.connection))
        if place not in self.known:
            cursor.execute(statement.preparation)
            self.known.add(place)
        cursor.execute(statement.call, values)

    def positions(self, counts: Counter[int], ends: dict[int, int]) -> dict[str, str]:
        """The ledger's columns."""
        claims = [self.claims[partition] for partition in ends]
        deliveries = bigints(counts[partition] for partition in ends)
        nothing = bigints(0 for _ in ends)
        return {
            "id": bigints(claim.ledger_id for claim in claims),
            "epoch": bigints(claim.epoch for claim in claims),
            "known": bigints(claim.last_offset for claim in claims),
            "last_offset": bigints(ends.values()),
            **dict.fromkeys(("deliveries", "records", "events", "published"), deliveries),
            **dict.fromkeys(("applied", "duplicates", "redeliveries", "dead_letters"), nothing),
        }


def _under(prefix: str, template: Template) -> Template:
    """A template whose events go to the topics of this run."""
    events = [
        event._replace(topic=prefix + event.topic.removeprefix(PREFIX)) for event in template.events
    ]
    return template._replace(events=tuple(events))


def _keys() -> str:
    """Keys of triggers of this moment: its time, then noise."""
    head = f"{time.time_ns() // 1_000_000:012x}8"
    length = 32 - len(head)
    noise = os.urandom(length * BATCH).hex()
    tails = sorted([noise[at : at + length] for at in range(0, length * BATCH, length)])
    return "{" + ",".join([head + tail for tail in tails]) + "}"


def _connect(settings: Settings) -> Any:
    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql")
    return psycopg2.connect(url.render_as_string(hide_password=False))


def _nothing(_: list[int]) -> None:
    """It ends with its measurement; nobody takes over."""


def main() -> None:
    """Drain until SIGTERM."""
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    limit = Limit(load_settings(), load(Path(os.environ[TEMPLATES])))
    while not stopping.is_set():
        batch = limit.fetch(stopping)
        if len(batch) == BATCH:
            limit.turn(batch)
    limit.membership.close()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
