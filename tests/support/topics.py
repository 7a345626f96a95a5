"""Messages in and out of a broker, as a stranger to the product would send and read them."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

Header = tuple[str, bytes | None]
Range = tuple[int, int, int]
"""Partition, and offsets, first and last."""

_END = KafkaError._PARTITION_EOF
Raw = tuple[bytes | str | None, bytes | str | None, list[Header] | None]


class Broker(Protocol):
    """A broker under test: host:port, and 'kafka' or 'embedded'."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it was read."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]

    def header(self, name: str) -> bytes | None:
        """The first header of that name, or None."""
        return next((value for key, value in self.headers if key == name), None)


def quiet_client(address: str) -> dict[str, Any]:
    """Settings of a client whose brokers may die, which is no news to a test."""
    return {"bootstrap.servers": address, "log_level": 0, "error_cb": lambda _: None}


def set_topic(address: str, topic: str, name: str, value: str) -> None:
    """Change a setting of a topic; brokers hear of it one after the other."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient(quiet_client(address))
    (done,) = admin.incremental_alter_configs([resource]).values()
    done.result(10)


def produce_raw(
    broker: Broker, topic: str, messages: Iterable[Raw], *, partition: int | None = None
) -> list[tuple[int, int]]:
    """Send (key, value, headers) as they are; returns (partition, offset) of each, in order.

    Partitions by key as Kafka does (murmur2) unless `partition` is given. Raises AssertionError
    when one is not acknowledged within 20 s.
    """
    producer = Producer(
        {
            "bootstrap.servers": broker.address,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "message.timeout.ms": 20_000,
            "linger.ms": 1,
            "message.max.bytes": 8_000_000,
        }
    )
    placed: dict[int, tuple[int, int]] = {}
    failed: list[str] = []
    sent = 0
    for sent, (key, value, headers) in enumerate(messages, 1):

        def acknowledged(error: KafkaError | None, message: Message, position: int = sent) -> None:
            if error is None:
                placed[position] = (int(message.partition() or 0), int(message.offset() or 0))
            else:
                failed.append(f"message {position}: {error}")

        where: dict[str, Any] = {} if partition is None else {"partition": partition}
        producer.produce(
            topic, value, key, headers=list(headers or []), on_delivery=acknowledged, **where
        )
        producer.poll(0)
    producer.flush(25)
    assert not failed, f"not acknowledged by {topic}: {failed[:3]}"
    assert len(placed) == sent, f"{sent - len(placed)} messages to {topic} without an answer"
    return [placed[position] for position in range(1, sent + 1)]


def read_topic(
    broker: Broker, topic: str, until: int, deadline: float = 30.0, *, settle_s: float = 0.0
) -> list[Received]:
    """At least `until` messages from the beginning of the topic, within `deadline` seconds.

    In order of partition and offset. Goes on for `settle_s` afterwards, to see what should not be
    there. Raises AssertionError that says how many came; `until=0` with a `settle_s` reads what is
    there.
    """
    consumer = _reader(broker, topic)
    received: list[Received] = []
    try:
        end = time.monotonic() + deadline
        while len(received) < until:
            assert time.monotonic() < end, (
                f"{topic} brought {len(received)} of {until} messages within {deadline:g} s"
            )
            received += _consume(consumer, wait_s=0.2)
        settled = time.monotonic() + settle_s
        while settle_s and time.monotonic() < settled:
            received += _consume(consumer, wait_s=0.1)
    finally:
        consumer.close()
    return sorted(received, key=lambda each: (each.partition, each.offset))


def read_whole(
    broker: Broker, topic: str, deadline_s: float = 60.0, *, without: Sequence[Range] = ()
) -> list[Received]:
    """Every message of a topic up to the end of each partition, on brokers that tell it.

    In order of partition and offset. Raises AssertionError when the ends are not reached in time.
    What stands `without` is left out, readable or not.
    """
    consumer = _reader(broker, topic, **{"enable.partition.eof": True})
    received: list[Received] = []
    open_ends = {place.partition for place in consumer.assignment()}
    end = time.monotonic() + deadline_s
    try:
        while open_ends:
            assert time.monotonic() < end, f"the ends of {topic} {sorted(open_ends)} did not come"
            for message in consumer.consume(500, 0.1):
                error = message.error()
                partition, offset = int(message.partition() or 0), int(message.offset() or 0)
                last = _last(without, partition, offset) if without else None
                if last is not None and (error is None or error.code() != _END):
                    if error is not None:
                        _go_on(consumer, TopicPartition(topic, partition, last + 1))
                elif error is not None and error.code() == _END:
                    open_ends.discard(partition)
                elif error is None or not error.retriable():
                    received.append(_received(message))
    finally:
        consumer.close()
    return sorted(received, key=lambda each: (each.partition, each.offset))


class Collector:
    """Reads a topic from its beginning and keeps what came; `look` adds what is new."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.received: list[Received] = []
        self._consumer = _reader(broker, topic)

    def look(self) -> list[Received]:
        """Everything so far, in the order of each partition."""
        self.received += _consume(self._consumer, wait_s=0.05)
        return self.received

    def close(self) -> None:
        """End its connections."""
        self._consumer.close()


def _reader(broker: Broker, topic: str, **more: object) -> Consumer:
    consumer = Consumer(
        {
            **quiet_client(broker.address),
            "group.id": "reader-of-a-test",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            **more,
        }
    )
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    assert partitions, f"there is no topic {topic} on {broker.address}"
    consumer.incremental_assign(
        [TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions]
    )
    return consumer


def _last(without: Sequence[Range], partition: int, offset: int) -> int | None:
    """The last offset of what is left out, where an offset is in it."""
    return next(
        (last for p, first, last in without if p == partition and first <= offset <= last), None
    )


def _go_on(consumer: Consumer, place: TopicPartition) -> None:
    consumer.incremental_unassign([place])
    consumer.incremental_assign([place])


def _consume(consumer: Consumer, wait_s: float) -> list[Received]:
    first = consumer.consume(1, wait_s)
    return [_received(each) for each in first + (consumer.consume(500, 0) if first else [])]


def _received(message: Message) -> Received:
    error = message.error()
    assert error is None, f"reading failed: {error}"
    return Received(
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        key=message.key(),
        value=message.value(),
        headers=tuple(cast("list[Header]", message.headers() or ())),
    )
