"""kafka-python with a SQLAlchemy session, a transaction and an awaited send a message.

What one finds in many services: each message is a unit of its own. The same SQL as *plain*'s,
through the session's connection, which is less than an object-relational mapping would cost.
"""

import os
import signal
from threading import Event
from typing import Any

import orjson
import psycopg2.extras
from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import OffsetAndMetadata, TopicPartition
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from job_trigger_worker.config import Settings, load
from tests.benchmarks.plain import Delivered, Work

POLL_MS = 500
ACKNOWLEDGED_S = 30


class OneByOne:
    """One message after the other."""

    def __init__(self, settings: Settings) -> None:
        self.work = Work(settings)
        psycopg2.extras.register_default_jsonb(globally=True, loads=orjson.loads)
        self.engine = create_engine(settings.database_url.get_secret_value())
        self.producer = KafkaProducer(
            bootstrap_servers=settings.kafka_brokers, acks="all", linger_ms=0
        )
        self.consumer = KafkaConsumer(
            self.work.topics.triggers,
            bootstrap_servers=settings.kafka_brokers,
            group_id=settings.consumer_group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_interval_ms=settings.max_poll_interval_ms,
        )

    def turn(self) -> None:
        """What one poll brings, message by message."""
        brought = self.consumer.poll(timeout_ms=POLL_MS)
        for place, messages in brought.items():
            if place.partition not in self.work.positions:
                self.work.take(place.partition)
            for message in messages:
                self.handle(place, Delivered(place.partition, message.offset, message.value))
        if not brought:
            self.work.rest()

    def handle(self, place: TopicPartition, trigger: Delivered) -> None:
        """A session, a transaction, a send, a commit of the offset."""
        if trigger.offset > self.work.positions[trigger.partition]:
            with Session(self.engine) as session, session.begin():
                raw: Any = session.connection().connection
                with raw.cursor() as cursor:
                    events, rows = self.work.write(cursor, [trigger])
            for topic, key, headers, value in events:
                sent = self.producer.send(topic, value, key, headers=headers)
                sent.get(timeout=ACKNOWLEDGED_S)
            self.work.published = rows
            self.work.positions[trigger.partition] = trigger.offset
        self.consumer.commit({place: OffsetAndMetadata(trigger.offset + 1, "", -1)})


def main() -> None:
    """Drain until SIGTERM."""
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    worker = OneByOne(load())
    while not stopping.is_set():
        worker.turn()
    os._exit(0)
