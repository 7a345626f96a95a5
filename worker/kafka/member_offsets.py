"""The group's offsets, as one of its members reads and commits them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from worker.domain.group_copy import GroupCopy, copy_of
from worker.domain.record import Claim
from worker.errors import Stop, Transient
from worker.kafka.refusals import REFUSALS, error_of, may_not_read, words

log = logging.getLogger(__name__)


class MemberOffsets:
    """Offsets of one topic. Only a current member may commit; an answer takes `call_s` at most."""

    def __init__(self, consumer: Consumer, topic: str, call_s: float) -> None:
        self._consumer = consumer
        self._topic = topic
        self._call_s = call_s

    def read(self, partitions: Collection[int]) -> dict[int, GroupCopy]:
        """The group's offsets as they stand.

        Raises `Transient` when the brokers do not say, `Stop` when we may not read.
        """
        places = [TopicPartition(self._topic, partition) for partition in partitions]
        if not places:
            return {}
        try:
            found = self._consumer.committed(places, timeout=self._call_s)
        except KafkaException as failure:
            raise self._not_ours(places[0].partition, error_of(failure)) from failure
        for each in found:
            if each.error is not None:
                raise self._not_ours(each.partition, each.error)
        return {each.partition: GroupCopy.of(each.offset, each.metadata) for each in found}

    def commit_as_it_stands(self, partition: int) -> GroupCopy:
        """Commit the group's own offset again, which only a current member may do; returns it.

        Raises `Transient` when the group refuses because the assignment is stale, `Stop` when it
        refuses because we may not read.
        """
        copy = self.read([partition])[partition]
        self.commit(partition, copy)
        return copy

    def commit(self, partition: int, copy: GroupCopy) -> None:
        """Commit an offset and wait for the answer; raises like `commit_as_it_stands`."""
        place = self._place(partition, copy)
        try:
            (result,) = self._consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as failure:
            raise self._not_ours(partition, error_of(failure)) from failure
        if result.error is not None:
            raise self._not_ours(partition, result.error)

    def copy(self, claims: Iterable[Claim]) -> None:
        """Tell the group how far we are: a copy of the ledger, for people and lag exporters.

        Does not wait for the answer: nobody continues from the copy, and brokers may be away.
        """
        places = [self._place(claim.partition, copy_of(claim)) for claim in claims]
        if not places:
            return
        try:
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            log.warning(
                "action=copy_offsets topic=%s error=%s", self._topic, words(error_of(error))
            )

    def _place(self, partition: int, copy: GroupCopy) -> TopicPartition:
        return TopicPartition(self._topic, partition, copy.offset, copy.metadata)

    def _not_ours(self, partition: int, error: KafkaError) -> Stop | Transient:
        if error.code() in REFUSALS:
            return may_not_read(self._topic, error)
        return Transient(
            f"The group does not let us have partition {partition} of {self._topic}: "
            f"{words(error)}."
        )
