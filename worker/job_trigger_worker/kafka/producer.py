"""Sends committed events, and knows when every one of them is acknowledged or refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaError,
    KafkaException,
    Message,
    Producer,
)

from job_trigger_worker.clock import Clock, SystemClock
from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.errors import FAILURES, REFUSALS, describe, first_error, is_fatal
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_client
from job_trigger_worker.kafka.throttled_errors import ThrottledErrorLog
from job_trigger_worker.logs import logger

log = logger(__name__)
_client_log = logging.getLogger(f"{__name__}.client")
_client_log.addFilter(lambda record: not record.getMessage().startswith("FATAL "))
"""librdkafka's fatal errors come as exceptions, and are said in our words where they matter."""

_SLICE_S = 0.2
_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE}
_GAP = KafkaError._GAPLESS_GUARANTEE  # noqa: SLF001
"""A record batch was refused, and nothing that was to follow it has been taken."""

_SMALL_BATCH = 16 * 1024
"""Bytes of a record batch of several events, once a broker has refused one."""

_MISSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
}


class Interrupted(Transient):
    """The assignment changed while events were on their way; what was sent is not known."""


class Append(NamedTuple):
    """When a broker appended an event, by its clock, and between which moments of ours that was."""

    sent_at: datetime
    appended_at: datetime
    acknowledged_at: datetime


class EventProducer:
    """An idempotent librdkafka producer. Used by one thread.

    One set of events at a time: `send`, then `wait`. Events of one key keep their order on their
    topic (Kafka's default partitioner). A message waits for its broker without limit: `wait` ends
    early only through its `tick`. What either raises has the set forgotten here; the outbox has it.

    Acknowledged is what a broker has given an offset. librdkafka (2.16) also reports as delivered,
    without one, a request that was refused when a later one was taken: so it is for a leader that
    knows the producer, and takes nothing out of sequence. One that does not yet, as after an
    election, takes the later one alone, and the earlier one is nowhere.

    Brokers refuse a record batch as a whole, for the size of one event or of all; those that came
    with it must not come after what follows. So the first refusal ends the producer, with nothing
    behind it taken, and raises `Transient`; from then on a larger event goes in a record batch of
    its own. Two holes are left, both where a topic takes less than `topics check` asks for: the
    first refusal when another record batch is on its way to a leader that has nothing of this
    producer yet, and so takes it; and small events on a topic that refuses `_SMALL_BATCH` bytes.
    """

    def __init__(self, kafka: KafkaSettings, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._sent_at = self._clock.now()
        self._placed: Message | None = None
        self._append: Append | None = None
        self._complaints = ThrottledErrorLog(log, "producer")
        self._config: dict[str, Any] = {
            **kafka.confluent(),
            "acks": "all",
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "compression.type": "lz4",
            # A set gathers into few, large requests; waiting for it ends the gathering.
            "linger.ms": 5,
            "message.timeout.ms": 0,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 65_536,
            "topic.metadata.propagation.max.ms": 10_000,
            "reconnect.backoff.max.ms": 2000,
            "error_cb": self._complaints.note,
            "log_level": 2,  # its errors come to `error_cb` too
        }
        self._sent: Sequence[Event] = ()
        self._reports: list[tuple[KafkaError | None, Message]] = []
        self._untaken: list[tuple[KafkaError, Event]] = []
        self._producer = Producer(self._config, logger=_client_log)

    def send(self, events: Sequence[Event], tick: Callable[[], None] = lambda: None) -> None:
        """Hand events over, in order. `tick` runs about every 0.2 s while the queue is full.

        Raises `Transient` when the producer had to be made anew, `FatalError` when it may not
        write.
        """
        reports: list[tuple[KafkaError | None, Message]] = []

        def reported(error: KafkaError | None, message: Message) -> None:
            if error is not None or message.offset() is None:
                reports.append((error, message))
            else:
                self._placed = message

        self._sent_at, self._placed = self._clock.now(), None
        self._sent, self._reports, self._untaken = events, reports, []
        produce = self._producer.produce
        with self._made_anew_on_failure():
            for event in events:
                topic, key, headers, value = event
                while True:
                    try:
                        produce(topic, value, key, headers=headers, on_delivery=reported)
                    except BufferError:
                        self._producer.poll(_SLICE_S)
                        tick()
                    except KafkaException as failure:
                        # Larger than what the client takes, so no broker has seen it.
                        if first_error(failure).code() not in _TOO_LARGE:
                            raise
                        self._untaken.append((first_error(failure), event))
                        break
                    else:
                        break

    def wait(self, tick: Callable[[], None] = lambda: None) -> list[Event]:
        """Wait until the broker has every event; returns those that it refuses for their size.

        `tick` runs about every 0.2 s of waiting; what it raises ends the wait. Raises `Transient`
        when the producer had to be made anew or some events are only supposed to be there,
        `FatalError` for a topic that is missing or may not be written.
        """
        with self._made_anew_on_failure():
            while self._producer.flush(_SLICE_S):
                tick()
            refusals = [(error, message) for error, message in self._reports if error is not None]
            supposed = len(self._reports) - len(refusals)
            self._note_append()
            if supposed:
                raise Transient(f"No broker says where it has {supposed} of the events.")
        refused = _too_large(_named(refusals, self._sent))
        untaken = [event for _, event in self._untaken]
        if len(refused) + len(untaken) == 1 == len(self._sent):
            return refused + untaken
        # Of several that were refused together, alone each speaks for itself.
        return untaken + [event for each in refused for event in self._alone(each, tick)]

    def take_append(self) -> Append | None:
        """The newest answer of a broker that told its time, once (topics with LogAppendTime)."""
        found, self._append = self._append, None
        return found

    def _note_append(self) -> None:
        placed, self._placed = self._placed, None
        if placed is None:
            return
        kind, appended_ms = placed.timestamp()
        if kind == TIMESTAMP_LOG_APPEND_TIME:
            appended_at = datetime.fromtimestamp(appended_ms / 1000, UTC)
            self._append = Append(self._sent_at, appended_at, self._clock.now())

    def abandon(self) -> None:
        """Replace the producer: what is still under way in it can no longer be told apart."""
        self.close()
        self._sent, self._reports, self._untaken = (), [], []
        self._producer = Producer(self._config, logger=_client_log)

    def _alone(self, event: Event, tick: Callable[[], None]) -> list[Event]:
        self.send([event], tick)
        return self.wait(tick)

    def close(self) -> None:
        """Forget what is under way and end the connections, within 2 s."""
        producer = self._producer

        def close() -> None:
            # Waits for nothing, whatever its argument `blocking` is called (as of 2.16).
            producer.purge(in_queue=True, in_flight=True)
            try:
                producer.close()
            except FAILURES as failure:
                if first_error(failure).code() != _GAP:  # the purge itself leaves one
                    raise

        close_client("producer", close)

    @contextmanager
    def _made_anew_on_failure(self) -> Iterator[None]:
        """An error that ends a set ends its producer; a fatal one is reported in our words.

        librdkafka's fatal errors come as exceptions out of the calls, never to `error_cb`.
        """
        try:
            yield
        except FAILURES as failure:
            error = self._cause(first_error(failure))
            if error.code() == _GAP:
                self._config |= {"enable.gapless.guarantee": False, "batch.size": _SMALL_BATCH}
                log.warning("small_batches", bytes=_SMALL_BATCH, reason=describe(error))
            self.abandon()
            if not is_fatal(error):
                raise
            if error.code() in REFUSALS:
                raise FatalError(
                    f"The worker may not write: {describe(error)}.",
                    remedy="Grant its principal WRITE on the outgoing topics, or correct the "
                    "TRIGGER_WORKER_KAFKA_… settings; nothing is lost meanwhile.",
                ) from failure
            raise Transient(f"The producer must be created again: {describe(error)}.") from failure
        except BaseException:
            self.abandon()
            raise

    def _cause(self, error: KafkaError) -> KafkaError:
        try:
            self._producer.poll(0)
        except FAILURES as failure:
            return first_error(failure)
        return error


def _named(
    reports: Sequence[tuple[KafkaError, Message]], events: Sequence[Event]
) -> list[tuple[KafkaError, Event]]:
    """The event that each report is about; equal events are told apart by their order."""
    left = list(events)
    named = []
    for error, message in reports:
        topic, value = message.topic(), message.value()
        place = next(i for i, e in enumerate(left) if e.topic == topic and e.value == value)
        named.append((error, left.pop(place)))
    return named


def _too_large(refused: Sequence[tuple[KafkaError, Event]]) -> list[Event]:
    """Refusals by size; any other refusal is raised."""
    other = next((pair for pair in refused if pair[0].code() not in _TOO_LARGE), None)
    if other is None:
        return [event for _, event in refused]
    error, event = other
    if error.code() in _MISSING:
        raise FatalError(
            f"The topic {event.topic} does not exist.",
            remedy="Make it with `trigger-worker topics create`; nothing is lost meanwhile.",
        )
    if error.code() in (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    ):
        raise FatalError(
            f"The worker may not write to {event.topic}: {describe(error)}.",
            remedy="Grant its principal WRITE on the topic; nothing is lost meanwhile.",
        )
    raise Transient(f"{event.topic} did not accept an event: {describe(error)}.")
