"""Triggers that a test sends and remembers: its own list, to hold what came out against."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from confluent_kafka import KafkaError, Message, Producer

from tests.support.topics import Broker

ANY_PARTITION = -1
Slot = tuple[int, str]
"""Job id and `scheduled_at`: what one firing is."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A trigger that the broker has acknowledged.

    `offset` is None where a retry was acknowledged: the broker says that it has it, and not where.
    """

    job_id: int
    scheduled_at: str
    partition: int
    offset: int | None
    topic_generation: int

    @property
    def slot(self) -> Slot:
        return self.job_id, self.scheduled_at


@dataclass
class Load:
    """Fires jobs in turn, each time at a slot of its own, and keeps the list."""

    broker: Broker
    topic: str
    jobs: Sequence[int]
    sent: list[Sent] = field(default_factory=list)
    generation: int = 0
    _begun_at: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=5))
    _slots: int = 0
    _producer: Producer = field(init=False)

    def __post_init__(self) -> None:
        self.reconnect()

    def reconnect(self) -> None:
        """Another producer, which knows the topic as it is now."""
        self._producer = Producer(
            {
                "bootstrap.servers": self.broker.address,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "message.timeout.ms": 20_000,
                "linger.ms": 1,
            }
        )

    def fire(self, count: int, *, partition: int | None = None) -> list[Sent]:
        """`count` new triggers, keyed by job id, or all to one partition."""
        return self._send([self._next_slot() for _ in range(count)], partition)

    def again(self, triggers: Iterable[Sent], *, partition: int | None = None) -> list[Sent]:
        """The same triggers once more, as a producer that is not sure would."""
        return self._send([each.slot for each in triggers], partition)

    def recreated(self) -> None:
        """The topic was deleted and made again: offsets begin anew."""
        self.generation += 1
        self.reconnect()

    def _next_slot(self) -> Slot:
        job_id = self.jobs[self._slots % len(self.jobs)]
        at = self._begun_at + timedelta(milliseconds=self._slots)
        self._slots += 1
        return job_id, at.isoformat(timespec="microseconds")

    def _send(self, slots: list[Slot], partition: int | None) -> list[Sent]:
        placed: dict[int, Sent] = {}
        where = ANY_PARTITION if partition is None else partition
        for place, (job_id, at) in enumerate(slots):

            def acknowledged(
                error: KafkaError | None,
                message: Message,
                place: int = place,
                slot: Slot = (job_id, at),
            ) -> None:
                assert error is None, error
                partition = message.partition() or 0
                placed[place] = Sent(*slot, partition, message.offset(), self.generation)

            body = json.dumps({"job_id": job_id, "scheduled_at": at})
            self._producer.produce(self.topic, body, str(job_id), where, acknowledged)
        unanswered = self._producer.flush(25)
        assert not unanswered, f"{unanswered} triggers without an answer"
        new = [placed[place] for place in range(len(slots))]
        self.sent += new
        return new
