"""Reads the outcome topics themselves, and counts distinct events."""

from __future__ import annotations

import logging
from uuid import UUID

import orjson
from confluent_kafka import Consumer, TopicPartition

from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_client
from job_trigger_worker.logs import logger

log = logger(__name__)

_TIMEOUT_S = 5.0
_AT_ONCE = 1_000


class OutcomeTopics:
    """Counts what appears after it was made. A repeat of an event counts once.

    Holds 16 bytes of each event's id. Raises `Transient` when the broker does not answer.
    """

    def __init__(self, kafka: KafkaSettings, partitions: int) -> None:
        self._failures_topic = kafka.topics.failures
        self._dispatched: set[bytes] = set()
        self._failures: set[bytes] = set()
        self._consumer = Consumer(
            {
                **kafka.confluent(),
                "group.id": "demo-report",
                "enable.auto.commit": False,
                "queued.min.messages": 1000,
                "queued.max.messages.kbytes": 4096,
                "log_level": 3,
            },
            logger=logging.getLogger(__name__),
        )
        places = []
        for topic in kafka.topics.outcomes():
            for partition in range(partitions):
                place = TopicPartition(topic, partition)
                bounds = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)
                if bounds is None:
                    self.close()
                    raise Transient(f"The broker does not say where {topic} ends.")
                place.offset = bounds[1]
                places.append(place)
        self._consumer.assign(places)

    @property
    def dispatched(self) -> int:
        """Distinct dispatch events."""
        return len(self._dispatched)

    @property
    def failures(self) -> int:
        """Distinct failure events."""
        return len(self._failures)

    def read(self, wait_s: float) -> int:
        """Read what is there; returns how many events were new."""
        before = self.dispatched + self.failures
        for message in self._consumer.consume(_AT_ONCE, wait_s):
            if message.error() is None:
                body = orjson.loads(message.value() or b"")
                seen = self._failures if self._is_failure(message.topic()) else self._dispatched
                seen.add(UUID(body["event_id"]).bytes)
        return self.dispatched + self.failures - before

    def close(self) -> None:
        """Disconnect."""
        close_client("reader of outcomes", self._consumer.close)

    def _is_failure(self, topic: str | None) -> bool:
        return topic == self._failures_topic
