"""Membership of one topic's consumer group, and batches from it (DESIGN section 6: batches)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from worker.config import Settings
from worker.domain.delivery import Delivery
from worker.domain.group_copy import GroupCopy, copy_of
from worker.domain.record import Claim
from worker.errors import Stop, Transient
from worker.kafka import access
from worker.kafka.closing import close_client
from worker.kafka.complaints import Complaints
from worker.kafka.faults import ERRORS, Fault
from worker.kafka.received import delivery
from worker.kafka.refusals import REFUSALS, SIGN_IN, error_of, is_fatal, no_right, words
from worker.kafka.settings import KafkaSettings

log = logging.getLogger(__name__)

_SLICE = 200
"""Most messages that are taken at once after the first; fewer where they are large."""

_LONGEST_CALL_S = 5.0
_SOON_S = 0.2


class TopicConsumer:
    """What this process is assigned of one topic. Used by one thread.

    Nothing of a partition arrives before `seek` has said from where on. Callbacks run inside any
    call that polls; they keep `assigned` current and call `on_revoked` with what is about to be
    given up while it is still ours, or `on_lost` with what is no longer. They may run between the
    two calls of a fetch, so the caller drops what was fetched of partitions that changed meanwhile.
    A loss that happens while `seek` lets partitions flow may come as `on_revoked`.

    A partition whose next message the client cannot read is `halted`: it brings nothing more until
    `seek`, and everything before that message was handed over. `faults` has the newest by
    partition. `reached` has the offset, by partition, before which everything that can be read was
    handed over: what aborted transactions leave at the end of a log is no message.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: Settings,
        topic: str,
        *,
        on_revoked: Callable[[list[int]], None],
        on_lost: Callable[[list[int]], None],
    ) -> None:
        self.topic = topic
        self.assigned: set[int] = set()
        self.out_of_range: set[int] = set()
        self.faults: dict[int, Fault] = {}
        self.halted: set[int] = set()
        self.reached: dict[int, int] = {}
        self._given: dict[int, list[Delivery]] = {}
        self._fetched: set[int] = set()  # what librdkafka has been told to fetch
        self._on_revoked = on_revoked
        self._on_lost = on_lost
        self._failure: KafkaError | None = None
        self._is_in_doubt = False
        self._kafka = kafka
        self._complaints = Complaints(log, f"consumer of {topic}")
        self._group = settings.group
        self._call_s = call_deadline_s(settings)
        self._consumer = Consumer(
            {
                **kafka.confluent(),
                "group.id": settings.group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "check.crcs": True,
                "enable.partition.eof": True,
                "partition.assignment.strategy": "cooperative-sticky",
                "max.poll.interval.ms": settings.max_poll_interval_ms,
                **session_of(settings),
                "topic.metadata.refresh.interval.ms": settings.metadata_interval_ms,
                "metadata.max.age.ms": max(settings.metadata_interval_ms * 3, 5_000),
                "fetch.wait.max.ms": settings.fetch_wait_ms,
                "socket.timeout.ms": min(60_000, settings.max_poll_interval_ms // 4),
                # Together these bound the memory of any backlog without starving the loop.
                "queued.min.messages": 1000,
                "queued.max.messages.kbytes": 4096,
                "fetch.queue.backoff.ms": 20,
                # Compressed bytes: a whole answer is unpacked, a larger message still arrives.
                "max.partition.fetch.bytes": 64 * 1024,
                "reconnect.backoff.max.ms": 2000,
                "error_cb": self._note_error,
                "log_level": 2,  # its errors come to `error_cb` too
            },
            logger=log,
        )
        self._consumer.subscribe(
            [topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def fetch(self, most: int, most_bytes: int, wait_s: float) -> list[Delivery]:
        """What is there: waits `wait_s` for the first message, then drains without waiting.

        At most `most` messages and about `most_bytes` of values. Raises `Stop` for what will not
        mend itself, such as a missing right.
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
            reached = self.reached.copy()
            batch = self._consume(1, max(deadline - time.monotonic(), 0))
            if batch or self.reached == reached:
                return batch

    def keep_membership(self, most: int = _SLICE) -> list[Delivery]:
        """Poll, without waiting; returns at most `most` messages, and no more than a slice."""
        return self._consume(min(most, _SLICE), 0)

    def copies(self, partitions: Collection[int]) -> dict[int, GroupCopy]:
        """The group's offsets as they stand.

        Raises `Transient` when the brokers do not say, `Stop` when we may not read.
        """
        places = [TopicPartition(self.topic, partition) for partition in partitions]
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
        copy = self.copies([partition])[partition]
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

    def _place(self, partition: int, copy: GroupCopy) -> TopicPartition:
        return TopicPartition(self.topic, partition, copy.offset, copy.metadata)

    def bounds(self, partition: int) -> tuple[int, int]:
        """Offset of the first message that the log still holds, and the one after its last.

        The embedded broker names the last batch's first message as the end: a position beyond it is
        beyond the log only if the broker refuses it, too (`out_of_range`).
        """
        try:
            bounds = self._consumer.get_watermark_offsets(
                TopicPartition(self.topic, partition), timeout=self._call_s
            )
        except KafkaException as failure:
            error = error_of(failure)
            if error.code() in REFUSALS:
                raise self._no_right(error) from failure
            raise Transient(
                f"The bounds of partition {partition} of {self.topic} cannot be read: "
                f"{words(error)}."
            ) from failure
        if bounds is None:
            raise Transient(f"The brokers do not answer for partition {partition} of {self.topic}.")
        first, end = bounds
        return first, end

    def known_end(self, partition: int) -> int | None:
        """The offset after the log's last message, as the last fetch told it; asks nobody."""
        place = TopicPartition(self.topic, partition)
        known = self._consumer.get_watermark_offsets(place, cached=True)
        return known[1] if known is not None and known[1] >= 0 else None

    def asked_ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """The same, asked of the brokers, of partitions that are paused: nothing fetches them.

        Without those that are not answered at once; after the first of these nobody is asked.
        """
        ends: dict[int, int] = {}
        for partition in partitions:
            place = TopicPartition(self.topic, partition)
            try:
                found = self._consumer.get_watermark_offsets(place, timeout=_SOON_S)
            except KafkaException as failure:
                log.debug("action=ends topic=%s error=%s", self.topic, words(error_of(failure)))
                break
            if found is None:
                break
            ends[partition] = max(found[1], self.known_end(partition) or 0)
        return ends

    def seek(self, partition: int, offset: int) -> None:
        """Let the next message of a partition be the one at `offset`.

        One that was paused needs `resume`, also when it was paused before it was last taken away.
        """
        place = TopicPartition(self.topic, partition, offset)
        self.halted.discard(partition)
        self.reached.pop(partition, None)
        self._given.pop(partition, None)
        try:
            if partition in self._fetched:
                try:
                    self._consumer.seek(place)
                except KafkaException as error:
                    if error_of(error).code() != KafkaError._STATE:  # noqa: SLF001
                        raise
                    # Told 'out of range', a fetcher has ended; only a new one can be placed.
                    self._stop_fetching([place])
            if partition not in self._fetched:
                self._consumer.incremental_assign([place])
                self._fetched.add(partition)
        except KafkaException as error:
            why = words(error_of(error))
            raise Transient(
                f"Partition {partition} of {self.topic} cannot be started: {why}."
            ) from error

    def hand_over(self, partition: int, deliveries: list[Delivery], fault: Fault) -> None:
        """Let these be what a partition brings, in place of fetching, and halt it behind them."""
        self.faults[partition] = fault
        self.halted.discard(partition)
        self.reached.pop(partition, None)
        self._stop_fetching([TopicPartition(self.topic, partition)])
        self._given[partition] = deliveries
        self._halt_if_empty(partition)

    def _halt_if_empty(self, partition: int) -> None:
        if not self._given[partition]:
            del self._given[partition]
            self.halted.add(partition)

    def _handed_over(self, most: int) -> list[Delivery]:
        partition, given = next(iter(self._given.items()))
        self._given[partition] = given[most:]
        self._halt_if_empty(partition)
        return given[:most]

    def pause(self, partitions: Iterable[int]) -> None:
        """Let nothing more of these arrive."""
        places = [TopicPartition(self.topic, p) for p in partitions if p in self._fetched]
        if places:
            self._consumer.pause(places)

    def resume(self, partitions: Iterable[int]) -> None:
        """Go on where `pause` stopped."""
        places = [TopicPartition(self.topic, p) for p in partitions if p in self._fetched]
        if places:
            self._consumer.resume(places)

    def copy_offsets(self, claims: Iterable[Claim]) -> None:
        """Tell the group how far we are: a copy of the ledger, for people and lag exporters.

        Does not wait for the answer: nobody continues from the copy, and brokers may be away.
        """
        places = [self._place(claim.partition, copy_of(claim)) for claim in claims]
        if not places:
            return
        try:
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            log.warning("action=copy_offsets topic=%s error=%s", self.topic, words(error_of(error)))

    def close(self) -> None:
        """Leave the group, and give nothing up: neither callback runs any more.

        Ends within `call_deadline_s`, also without brokers: librdkafka would wait for offsets on
        their way as long as a session lasts. Then the group notices when the session times out.
        """
        self._on_revoked = self._on_lost = lambda _: None
        close_client(f"consumer of {self.topic}", self._consumer.close, self._call_s)

    def _consume(self, most: int, wait_s: float) -> list[Delivery]:
        try:
            messages = self._consumer.consume(most, wait_s)
        except KafkaException as failure:
            error = error_of(failure)
            if is_fatal(error) or error.code() in REFUSALS:
                raise self._refusal(error) from failure
            raise Transient(f"{self.topic} cannot be read: {words(error)}.") from failure
        deliveries: list[Delivery] = []
        for message in messages:
            if self.halted and message.partition() in self.halted:
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
            access.check(self._kafka, self._call_s)
        if self._given and most > len(deliveries):
            deliveries += self._handed_over(most - len(deliveries))
        return deliveries

    def _note_message_error(self, message: Message, error: KafkaError) -> None:
        partition, offset = message.partition(), message.offset()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            if partition is not None and offset is not None:
                self.reached[partition] = offset
            return
        if error.code() == KafkaError._AUTO_OFFSET_RESET and partition is not None:  # noqa: SLF001
            self.out_of_range.add(partition)
        elif error.code() in ERRORS and partition is not None and offset is not None:
            self._halt(partition, offset, words(error))
        elif error.code() in REFUSALS or is_fatal(error):
            self._failure = error
        log.warning("action=consume topic=%s error=%s", self.topic, error.str())

    def _halt(self, partition: int, offset: int, reason: str) -> None:
        """By itself librdkafka tries again for ever, or goes on behind what it cannot read."""
        known = self.faults.get(partition)
        times = known.times + 1 if known is not None and known.offset == offset else 1
        self.faults[partition] = Fault(offset, reason, times)
        self.halted.add(partition)
        self._stop_fetching([TopicPartition(self.topic, partition)])

    def _note_error(self, error: KafkaError) -> None:
        if error.code() == SIGN_IN:
            self._is_in_doubt = True
        elif error.code() in REFUSALS:  # a fatal one is raised by a call, or comes as a message
            self._failure = error
        self._complaints.note(error)

    def _not_ours(self, partition: int, error: KafkaError) -> Stop | Transient:
        if error.code() in REFUSALS:
            return self._no_right(error)
        return Transient(
            f"The group does not let us have partition {partition} of {self.topic}: {words(error)}."
        )

    def _refusal(self, error: KafkaError) -> Stop:
        return no_right(error, group=self._group, topic=self.topic)

    def _no_right(self, error: KafkaError) -> Stop:
        return Stop(
            f"The worker may not read {self.topic}: {words(error)}.",
            remedy="Grant its principal READ on the topic and on the consumer group.",
        )

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        # An answer to the group, and no more. A fetcher has to begin at a known offset: librdkafka
        # (2.16) asks again for a relative one half a second after an answer that came too late, and
        # goes back there, whatever was sought and read meanwhile.
        consumer.incremental_assign([])
        self.assigned |= {place.partition for place in places}
        log.info("action=assigned topic=%s partitions=%s", self.topic, _numbers(places))

    def _revoked(self, _: Consumer, places: list[TopicPartition]) -> None:
        log.info("action=revoked topic=%s partitions=%s", self.topic, _numbers(places))
        self._give_up(places, self._on_revoked)

    def _lost(self, _: Consumer, places: list[TopicPartition]) -> None:
        log.warning("action=lost topic=%s partitions=%s", self.topic, _numbers(places))
        self._give_up(places, self._on_lost)

    def _give_up(self, places: list[TopicPartition], tell: Callable[[list[int]], None]) -> None:
        """The group is answered whatever the caller makes of it: it waits for nothing else."""
        partitions = [place.partition for place in places]
        try:
            tell(partitions)
        finally:
            self.assigned -= set(partitions)
            self.out_of_range -= set(partitions)
            self.halted -= set(partitions)
            for partition in partitions:
                self.faults.pop(partition, None)
                self.reached.pop(partition, None)
                self._given.pop(partition, None)
            self._stop_fetching(places)

    def _stop_fetching(self, places: list[TopicPartition]) -> None:
        fetched = [place for place in places if place.partition in self._fetched]
        self._consumer.incremental_unassign(fetched)
        self._fetched -= {place.partition for place in fetched}


def call_deadline_s(settings: Settings) -> float:
    """How long a single call to a broker may take: several fit between two polls."""
    return min(_LONGEST_CALL_S, settings.max_poll_interval_ms / 4000)


def session_of(settings: Settings) -> dict[str, int]:
    """How long the group waits for us, and how often we tell it that we are there.

    librdkafka wants a session within the poll interval, and several heartbeats within a session.
    """
    session_ms = min(settings.session_timeout_ms, settings.max_poll_interval_ms)
    return {
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": max(session_ms // 10, 300),
    }


def _numbers(places: list[TopicPartition]) -> str:
    return ",".join(str(number) for number in sorted(place.partition for place in places))
