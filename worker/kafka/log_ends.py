"""Where the logs of a topic begin and end."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from worker.errors import Transient
from worker.kafka.refusals import REFUSALS, error_of, may_not_read, words

log = logging.getLogger(__name__)

_SOON_S = 0.2


class LogEnds:
    """Asks a consumer, or with it the brokers; an answer takes `call_s` at most."""

    def __init__(self, consumer: Consumer, topic: str, call_s: float) -> None:
        self._consumer = consumer
        self._topic = topic
        self._call_s = call_s

    def bounds(self, partition: int) -> tuple[int, int]:
        """Offset of the first message that the log still holds, and the one after its last.

        The embedded broker names the last batch's first message as the end: a position beyond it is
        beyond the log only if the broker refuses it, too (`Flow.out_of_range`).
        """
        try:
            bounds = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=self._call_s
            )
        except KafkaException as failure:
            error = error_of(failure)
            if error.code() in REFUSALS:
                raise may_not_read(self._topic, error) from failure
            raise Transient(
                f"The bounds of partition {partition} of {self._topic} cannot be read: "
                f"{words(error)}."
            ) from failure
        if bounds is None:
            raise Transient(
                f"The brokers do not answer for partition {partition} of {self._topic}."
            )
        first, end = bounds
        return first, end

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
                log.debug("action=ends topic=%s error=%s", self._topic, words(error_of(failure)))
                break
            if found is None:
                break
            ends[partition] = max(found[1], self.known(partition) or 0)
        return ends
