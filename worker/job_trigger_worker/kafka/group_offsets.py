"""A consumer group's offsets, read and set from outside of the group."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from job_trigger_worker.domain.group_copy import GroupCopy
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.errors import REFUSALS, describe, first_error, no_right
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_client
from job_trigger_worker.logs import logger

log = logger(__name__)

_HAS_MEMBERS = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION)


class GroupOffsets:
    """The offsets of one group; an answer takes `deadline_s` at most. A context manager."""

    def __init__(self, kafka: KafkaSettings, group: str, deadline_s: float = 5.0) -> None:
        self._group = group
        self._deadline_s = deadline_s
        self._consumer = Consumer(
            {
                **kafka.confluent(),
                "group.id": group,
                "enable.auto.commit": False,
                "log_level": 2,
                "error_cb": lambda _: None,
            },
            logger=logging.getLogger(__name__),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect, within the deadline."""
        close_client("consumer for offsets", self._consumer.close, self._deadline_s)

    def read(self, topic: str, partitions: Collection[int]) -> dict[int, GroupCopy]:
        """The group's offsets.

        Raises `Transient` without an answer, `FatalError` for a missing right.
        """
        places = [TopicPartition(topic, partition) for partition in partitions]
        try:
            found = self._consumer.committed(places, timeout=self._deadline_s)
        except KafkaException as failure:
            raise self._failed(topic, first_error(failure)) from failure
        for each in found:
            if each.error is not None:
                raise self._failed(topic, each.error)
        return {each.partition: GroupCopy.of(each.offset, each.metadata) for each in found}

    def first(self, topic: str, partition: int) -> int:
        """Offset of the first message that the log still holds; raises like `read`."""
        place = TopicPartition(topic, partition)
        try:
            bounds = self._consumer.get_watermark_offsets(place, timeout=self._deadline_s)
        except KafkaException as failure:
            raise self._failed(topic, first_error(failure)) from failure
        if bounds is None:
            raise Transient(f"The brokers do not answer for partition {partition} of {topic}.")
        return int(bounds[0])

    def set(self, topic: str, copies: Mapping[int, GroupCopy]) -> None:
        """Commit these offsets.

        Raises what `read` raises, and `FatalError` while the group has members.
        """
        places = [
            TopicPartition(topic, partition, copy.offset, copy.metadata)
            for partition, copy in copies.items()
        ]
        try:
            done = self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as failure:
            raise self._failed(topic, first_error(failure)) from failure
        for each in done:
            if each.error is not None:
                raise self._failed(topic, each.error)

    def _failed(self, topic: str, error: KafkaError) -> FatalError | Transient:
        if error.code() in _HAS_MEMBERS:
            return FatalError(
                f"The group {self._group} has members.",
                remedy="Stop its workers with SIGTERM, wait until they have left, and try again.",
            )
        if error.code() in REFUSALS:
            return no_right(error, group=self._group, topic=topic)
        return Transient(
            f"The brokers do not give or accept the offsets of the group {self._group}: "
            f"{describe(error)}."
        )
