"""From which offset each partition's messages are fetched, and whether they are at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.errors import describe, first_error
from job_trigger_worker.kafka.read_errors import ReadError


class PartitionFlow:
    """What a consumer brings of the partitions assigned to it. Used by the consumer's thread.

    Nothing of a partition arrives before `seek` has said from where on. One whose next message the
    client cannot read is `halted`: it brings nothing more until `seek`, and everything before that
    message was handed over. `faults` has the newest by partition. `reached` has the offset, by
    partition, before which everything that can be read was handed over: what aborted transactions
    leave at the end of a log is no message. `out_of_range` are those whose position the brokers
    refused.
    """

    def __init__(self, consumer: Consumer, topic: str) -> None:
        self.halted: set[int] = set()
        self.faults: dict[int, ReadError] = {}
        self.reached: dict[int, int] = {}
        self.out_of_range: set[int] = set()
        self._consumer = consumer
        self._topic = topic
        self._fetched: set[int] = set()  # what librdkafka has been told to fetch
        self._given: dict[int, list[Delivery]] = {}

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Let the next message of each partition be the one at its offset.

        One that was paused needs `resume`, also when it was paused before it was last taken away.
        Raises `Transient` when the client cannot.
        """
        self._forget_state(offsets)
        places = {each: TopicPartition(self._topic, each, at) for each, at in offsets.items()}
        try:
            for partition in places.keys() & self._fetched:
                try:
                    self._consumer.seek(places[partition])
                except KafkaException as error:
                    if first_error(error).code() != KafkaError._STATE:  # noqa: SLF001
                        raise
                    # Told 'out of range', a fetcher has ended; only a new one can be placed.
                    self._stop_fetching([partition])
            new = places.keys() - self._fetched
            if new:
                self._consumer.incremental_assign([places[each] for each in sorted(new)])
                self._fetched |= new
        except KafkaException as error:
            which = ", ".join(map(str, sorted(offsets)))
            why = describe(first_error(error))
            raise Transient(
                f"Partitions {which} of {self._topic} cannot be started: {why}."
            ) from error

    def hand_over(self, partition: int, deliveries: list[Delivery], fault: ReadError) -> None:
        """Let these be what a partition brings, in place of fetching, and halt it behind them."""
        self._forget_state([partition])
        self.faults[partition] = fault
        self._stop_fetching([partition])
        self._given[partition] = deliveries
        self._halt_if_empty(partition)

    def handed_over(self, most: int) -> list[Delivery]:
        """At most so many of the deliveries that `hand_over` left, of one partition."""
        if not self._given or most <= 0:
            return []
        partition, given = next(iter(self._given.items()))
        self._given[partition] = given[most:]
        self._halt_if_empty(partition)
        return given[:most]

    def halt(self, partition: int, offset: int, reason: str) -> None:
        """Stop before a message that cannot be read.

        Left alone, librdkafka would try again for ever or skip what it cannot read.
        """
        known = self.faults.get(partition)
        times = known.times + 1 if known is not None and known.offset == offset else 1
        self.faults[partition] = ReadError(offset, reason, times)
        self.halted.add(partition)
        self._stop_fetching([partition])

    def pause(self, partitions: Iterable[int]) -> None:
        """Let nothing more of these arrive."""
        places = [TopicPartition(self._topic, p) for p in partitions if p in self._fetched]
        if places:
            self._consumer.pause(places)

    def resume(self, partitions: Iterable[int]) -> None:
        """Go on where `pause` stopped."""
        places = [TopicPartition(self._topic, p) for p in partitions if p in self._fetched]
        if places:
            self._consumer.resume(places)

    def end(self, partitions: list[int]) -> None:
        """Bring nothing more of these, and forget what is known of them: they are not ours."""
        self._forget_state(partitions)
        self.out_of_range -= set(partitions)
        for partition in partitions:
            self.faults.pop(partition, None)
        self._stop_fetching(partitions)

    def _forget_state(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self.halted.discard(partition)
            self.reached.pop(partition, None)
            self._given.pop(partition, None)

    def _halt_if_empty(self, partition: int) -> None:
        if not self._given[partition]:
            del self._given[partition]
            self.halted.add(partition)

    def _stop_fetching(self, partitions: Iterable[int]) -> None:
        fetched = [partition for partition in partitions if partition in self._fetched]
        # Also with none: called from a callback, this is the answer to the group.
        self._consumer.incremental_unassign([TopicPartition(self._topic, p) for p in fetched])
        self._fetched -= set(fetched)
