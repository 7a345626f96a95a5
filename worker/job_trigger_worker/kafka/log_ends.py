"""Where the logs of a topic end, as far as a consumer of it knows."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from job_trigger_worker.kafka.errors import describe, first_error
from job_trigger_worker.logs import logger

log = logger(__name__)

_SOON_S = 0.2


class LogEnds:
    """Asks a consumer, or with it the brokers."""

    def __init__(self, consumer: Consumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic

    def known(self, partition: int) -> int | None:
        """The offset after the log's last message, as the last fetch told it; asks nobody."""
        place = TopicPartition(self._topic, partition)
        known = self._consumer.get_watermark_offsets(place, cached=True)
        return known[1] if known is not None and known[1] >= 0 else None

    def asked(self, partitions: Iterable[int]) -> dict[int, int]:
        """The same, asked of the brokers, of partitions that are paused: nothing fetches them.

        Without those that are not answered at once; after the first of these nobody is asked.
        """
        ends: dict[int, int] = {}
        for partition in partitions:
            place = TopicPartition(self._topic, partition)
            try:
                found = self._consumer.get_watermark_offsets(place, timeout=_SOON_S)
            except KafkaException as failure:
                log.debug(
                    "log_ends_unknown", topic=self._topic, error=describe(first_error(failure))
                )
                break
            if found is None:
                break
            ends[partition] = max(found[1], self.known(partition) or 0)
        return ends
