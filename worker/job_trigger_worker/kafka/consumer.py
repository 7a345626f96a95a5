"""Membership of one topic's consumer group, and batches from it (design 6.1)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka import connectivity
from job_trigger_worker.kafka.consumer_config import call_deadline_s, consumer_config
from job_trigger_worker.kafka.errors import (
    REFUSALS,
    SIGN_IN,
    describe,
    duplicate_member,
    first_error,
    is_fatal,
    no_right,
)
from job_trigger_worker.kafka.log_ends import LogEnds
from job_trigger_worker.kafka.member_offsets import MemberOffsets
from job_trigger_worker.kafka.message import delivery
from job_trigger_worker.kafka.partition_flow import PartitionFlow
from job_trigger_worker.kafka.read_errors import ERRORS
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_client
from job_trigger_worker.kafka.throttled_errors import ThrottledErrorLog
from job_trigger_worker.logs import logger

log = logger(__name__)

_SLICE = 200
"""Most messages that are taken at once after the first; fewer where they are large."""

_LAST_POLLS = 3


class TopicConsumer:
    """What this process is assigned of one topic. Used by one thread.

    Nothing of a partition arrives before `flow.seek` has said from where on. Callbacks run inside
    any call that polls; they keep `assigned` current and call `on_revoked` with what is about to be
    given up while it is still ours, or `on_lost` with what is no longer. They may run between the
    two calls of a fetch, so the caller drops what was fetched of partitions that changed meanwhile.
    A loss that happens while `flow.seek` lets partitions flow may come as `on_revoked`.

    `offsets` are the group's, `ends` those of the logs.
    """

    def __init__(self, kafka: KafkaSettings, settings: Settings, topic: str) -> None:
        self.topic = topic
        self.assigned: set[int] = set()
        self._on_revoked: Callable[[list[int]], None] = _nothing
        self._on_lost: Callable[[list[int]], None] = _nothing
        self._failure: KafkaError | None = None
        self._is_in_doubt = False
        self._kafka = kafka
        self._complaints = ThrottledErrorLog(log, f"consumer of {topic}")
        self._group = settings.consumer_group
        self._member = settings.group_instance_id
        self._call_s = call_deadline_s(settings)
        self._consumer = Consumer(
            {
                **consumer_config(kafka, settings, topic),
                "error_cb": self._note_error,
                "on_commit": self._note_commit,
            },
            logger=logging.getLogger(__name__),
        )
        self.flow = PartitionFlow(self._consumer, topic)
        self.offsets = MemberOffsets(self._consumer, topic)
        self.ends = LogEnds(self._consumer, topic)

    def join(
        self, on_revoked: Callable[[list[int]], None], on_lost: Callable[[list[int]], None]
    ) -> None:
        """Become a member of the group; once, before the first fetch."""
        self._on_revoked, self._on_lost = on_revoked, on_lost
        self._consumer.subscribe(
            [self.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def fetch(self, most: int, most_bytes: int, wait_s: float) -> list[Delivery]:
        """What is there: waits `wait_s` for the first message, then drains without waiting.

        At most `most` messages and about `most_bytes` of values. Raises `FatalError` for what does
        not get better by itself, such as a missing right.
        """
        batch = self._first(wait_s)
        if not batch:
            return batch
        size = largest = len(batch[0].value or b"")
        while len(batch) < most and size < most_bytes:
            room = 1 + (most_bytes - size) // (largest + 1)  # of messages as large as any so far
            more = self._consume(min(_SLICE, room, most - len(batch)), 0)
            if not more:
                break
            sizes = [len(each.value or b"") for each in more]
            size += sum(sizes)
            largest = max(largest, *sizes)
            batch += more
        return batch

    def _first(self, wait_s: float) -> list[Delivery]:
        """One message: news of a log's end, which come like messages, do not end the wait."""
        deadline = time.monotonic() + wait_s
        while True:
            reached = self.flow.reached.copy()
            batch = self._consume(1, max(deadline - time.monotonic(), 0))
            if batch or self.flow.reached == reached:
                return batch

    def keep_membership(self, most: int = _SLICE) -> list[Delivery]:
        """Poll without waiting; returns at most `most` messages and at most a slice of them."""
        return self._consume(min(most, _SLICE), 0)

    def close(self) -> None:
        """Leave the group, and give nothing up: neither callback runs any more.

        Ends within `call_deadline_s`, also without brokers: librdkafka would wait for offsets on
        their way as long as a session lasts. Then the group notices when the session times out.
        """
        self._on_revoked = self._on_lost = _nothing
        close_client(f"consumer of {self.topic}", self._leave, self._call_s)

    def _leave(self) -> None:
        # What the group has asked is answered first. Answered while it closes, librdkafka (2.16,
        # its issue 4884) now and then waits for ever, inside of a callback, and the whole process
        # with it: the binding lets no other thread run there.
        for _ in range(_LAST_POLLS):
            self._consumer.poll(0)
        self._consumer.close()

    def _consume(self, most: int, wait_s: float) -> list[Delivery]:
        try:
            messages = self._consumer.consume(most, wait_s)
        except KafkaException as failure:
            error = first_error(failure)
            if is_fatal(error) or error.code() in REFUSALS:
                raise self._refusal(error) from failure
            raise Transient(f"{self.topic} cannot be read: {describe(error)}.") from failure
        deliveries: list[Delivery] = []
        for message in messages:
            if self.flow.halted and message.partition() in self.flow.halted:
                continue  # behind a message that cannot be read; `seek` brings it again
            problem = message.error()
            if problem is None:
                deliveries.append(delivery(message))
            else:
                self._note_message_error(message, problem)
        if self._failure is not None:
            raise self._refusal(self._failure)
        if self._is_in_doubt:
            self._is_in_doubt = False
            connectivity.check(self._kafka, self._call_s)
        return deliveries + self.flow.handed_over(most - len(deliveries))

    def _note_message_error(self, message: Message, error: KafkaError) -> None:
        partition, offset = message.partition(), message.offset()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            if partition is not None and offset is not None:
                self.flow.reached[partition] = offset
            return
        if error.code() == KafkaError._AUTO_OFFSET_RESET and partition is not None:  # noqa: SLF001
            self.flow.out_of_range.add(partition)
        elif error.code() in ERRORS and partition is not None and offset is not None:
            self.flow.halt(partition, offset, describe(error))
        elif error.code() in REFUSALS or is_fatal(error):
            self._failure = error
        log.warning("consume_failed", topic=self.topic, error=describe(error))

    def _note_error(self, error: KafkaError) -> None:
        if error.code() == SIGN_IN:
            self._is_in_doubt = True
        elif error.code() in REFUSALS:  # a fatal one is raised by a call, or comes as a message
            self._failure = error
        self._complaints.note(error)

    def _note_commit(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        self.offsets.note(error, places)

    def _refusal(self, error: KafkaError) -> FatalError:
        if self._member is not None and is_fatal(error):
            return duplicate_member(error, group=self._group, member=self._member)
        return no_right(error, group=self._group, topic=self.topic)

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        # This only answers the group: `flow.seek` assigns later, at a known offset. For a relative
        # one librdkafka (2.16) asks again half a second after an answer that came too late, and
        # goes back there, whatever was sought and read in the meantime.
        consumer.incremental_assign([])
        self.assigned |= {place.partition for place in places}
        log.info("assigned", topic=self.topic, partitions=_numbers(places))

    def _revoked(self, _: Consumer, places: list[TopicPartition]) -> None:
        log.info("revoked", topic=self.topic, partitions=_numbers(places))
        self._give_up(places, self._on_revoked)

    def _lost(self, _: Consumer, places: list[TopicPartition]) -> None:
        log.warning("lost", topic=self.topic, partitions=_numbers(places))
        self._give_up(places, self._on_lost)

    def _give_up(self, places: list[TopicPartition], tell: Callable[[list[int]], None]) -> None:
        """Answer the group even if the callback raises: the group waits for nothing else."""
        partitions = [place.partition for place in places]
        try:
            tell(partitions)
        finally:
            self.assigned -= set(partitions)
            self.flow.end(partitions)


def _nothing(_: list[int]) -> None:
    """The callback of a consumer that has not joined, or has left: it does nothing."""


def _numbers(places: list[TopicPartition]) -> str:
    return ",".join(str(number) for number in sorted(place.partition for place in places))
