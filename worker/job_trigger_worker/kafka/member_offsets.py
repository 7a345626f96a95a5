"""The group's offsets, as one of its members reads and commits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from job_trigger_worker.domain.group_copy import GroupCopy, copy_of
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.errors import REFUSALS, describe, first_error, may_not_read
from job_trigger_worker.logs import logger

log = logger(__name__)


class MemberOffsets:
    """Offsets of one topic, which only a current member may commit. Used by one thread.

    An answer names the partitions of its commit and nothing else; those to commits of the same
    partitions come in the order of these. So what was asked before is counted, and passed.

    `behind` are partitions whose offset the group did not accept; the next copy is to have them.
    """

    def __init__(self, consumer: Consumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self._unanswered: Counter[frozenset[int]] = Counter()
        self._asked: frozenset[int] = frozenset()
        self._before = 0
        self._answer: dict[int, KafkaError | None] | None = None
        self.behind: set[int] = set()

    def prove(self, copies: Mapping[int, GroupCopy]) -> None:
        """Begin to commit offsets as they stand, which shows that the group has us as a member.

        The answer comes with a poll. Raises `Transient` when it cannot be asked.
        """
        self._asked, self._answer = frozenset(copies), None
        self._before = self._unanswered[self._asked]
        places = [self._place(partition, copy) for partition, copy in copies.items()]
        try:
            self._begin(places)
        except KafkaException as failure:
            raise self._not_ours(first_error(failure)) from failure

    def proof(self) -> dict[int, str] | None:
        """Which of these are not ours to take, and why; None while no answer has come.

        Raises `FatalError` where we may not read.
        """
        if self._answer is None:
            return None
        found, self._answer = self._answer, None
        return {each: str(self._not_ours(why)) for each, why in found.items() if why is not None}

    def release_all(self) -> None:
        """Wait for no answer any more, nor count on those that are still to come."""
        self._asked, self._answer = frozenset(), None
        self._unanswered.clear()

    def note(self, error: KafkaError | None, places: Iterable[TopicPartition]) -> None:
        """Hear of a commit that did not wait for its answer, from inside of a poll."""
        found = {place.partition: error or place.error for place in places}
        partitions = frozenset(found)
        self.behind |= {partition for partition, why in found.items() if why is not None}
        if self._unanswered[partitions] > 1:
            self._unanswered[partitions] -= 1
        else:
            del self._unanswered[partitions]
        if partitions != self._asked:
            return
        if self._before:
            self._before -= 1
        else:
            self._asked, self._answer = frozenset(), found

    def commit(self, partition: int, copy: GroupCopy) -> None:
        """Commit an offset and wait for the answer.

        Raises `Transient` without one, `FatalError` for a missing right.
        """
        try:
            (result,) = self._consumer.commit(
                offsets=[self._place(partition, copy)], asynchronous=False
            )
        except KafkaException as failure:
            raise self._not_ours(first_error(failure)) from failure
        if result.error is not None:
            raise self._not_ours(result.error)

    def copy(self, claims: Iterable[Claim]) -> None:
        """Tell the group how far we are: a copy of the ledger, for people and lag exporters.

        Does not wait for the answer: nobody continues from the copy, and brokers may be away.
        """
        places = [self._place(claim.partition, copy_of(claim)) for claim in claims]
        self.behind.clear()
        if not places:
            return
        try:
            self._begin(places)
        except KafkaException as error:
            self.behind |= {place.partition for place in places}
            log.warning("offsets_not_copied", topic=self._topic, error=describe(first_error(error)))

    def _begin(self, places: list[TopicPartition]) -> None:
        self._consumer.commit(offsets=places, asynchronous=True)
        self._unanswered[frozenset(place.partition for place in places)] += 1

    def _place(self, partition: int, copy: GroupCopy) -> TopicPartition:
        return TopicPartition(self._topic, partition, copy.offset, copy.metadata)

    def _not_ours(self, error: KafkaError) -> Transient:
        """Raises `FatalError` for a right that is missing."""
        if error.code() in REFUSALS:
            raise may_not_read(self._topic, error)
        return Transient(f"The group does not accept this member: {describe(error)}.")
