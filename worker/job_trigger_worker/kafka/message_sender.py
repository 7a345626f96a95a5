"""Sends messages once more, exactly as they came, and says what became of each.

Uses confluent-kafka, because kafka-python refuses what others may send: a header without a value,
and a message with neither key nor body.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.kafka.admin import TopicAdmin
from job_trigger_worker.kafka.errors import FAILURES, describe, first_error
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_client
from job_trigger_worker.kafka.throttled_errors import ThrottledErrorLog
from job_trigger_worker.logs import logger

log = logger(__name__)

_CONNECT_S = 10.0
_GRACE_S = 1.0
"""So that the client's own verdict, which knows why, comes before ours."""
_LARGEST_BYTES = 64 * 1024 * 1024
"""The broker decides what is too large, not the client."""
_REFUSALS = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE, KafkaError.INVALID_RECORD}


class DeliveryResult(NamedTuple):
    """What became of a message. `error` is None when the brokers have it.

    `is_refused` is True where they will never take it, False where they did not answer in time.
    """

    error: str | None
    is_refused: bool = False


class MessageSender:
    """Sends messages to topics that exist; a context manager.

    Acknowledged by all in-sync replicas, without repeats of the client's own; partitions by key as
    Kafka does (murmur2). Raises `Transient` when no broker answers, `FatalError` for a topic that
    does not exist.
    """

    def __init__(
        self, kafka: KafkaSettings, topics: Sequence[str], *, timeout_s: float = 30.0
    ) -> None:
        self._timeout_s = timeout_s
        with TopicAdmin(kafka, timeout_s=min(timeout_s, _CONNECT_S)) as admin:
            for topic in topics:
                admin.require(topic)
        self._producer = Producer(
            {
                **kafka.confluent(),
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "lz4",
                "partitioner": "murmur2_random",
                "message.timeout.ms": int(timeout_s * 1000),
                "message.max.bytes": _LARGEST_BYTES,
                # With it, `flush` raises a fatal error; without, nobody is told what it was.
                "error_cb": ThrottledErrorLog(log, "resender").note,
                "log_level": 3,
            },
            logger=logging.getLogger(__name__),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        close_client("resender", self._close)

    def _close(self) -> None:
        self._producer.purge(in_queue=True, in_flight=True)
        self._producer.close()

    def send(self, messages: Sequence[Event]) -> list[DeliveryResult]:
        """Send messages and return what became of each, in the order given, within the deadline.

        One that is not acknowledged may have arrived all the same.
        """
        outcomes = [DeliveryResult("not acknowledged in time")] * len(messages)
        for place, message in enumerate(messages):

            def answered(
                error: KafkaError | None,
                sent: Message,
                place: int = place,
                to: str = message.topic,
            ) -> None:
                if error is not None:
                    outcomes[place] = _failed(error, to)
                elif sent.offset() is not None:  # else only supposed to be there (`EventProducer`)
                    outcomes[place] = DeliveryResult(None)

            try:
                self._producer.produce(
                    message.topic,
                    message.value,
                    message.key,
                    headers=list(message.headers),
                    on_delivery=answered,
                )
            except KafkaException as failure:
                outcomes[place] = _failed(first_error(failure), message.topic)
        try:
            self._producer.flush(self._timeout_s + _GRACE_S)
        except FAILURES as failure:
            error = first_error(failure)
            return [
                _failed(error, message.topic) if each.error else each
                for message, each in zip(messages, outcomes, strict=True)
            ]
        return list(outcomes)


def _failed(error: KafkaError, topic: str) -> DeliveryResult:
    why = describe(error)
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        why = f"{topic}: {why}"
    return DeliveryResult(why, is_refused=error.code() in _REFUSALS)
