"""A stand-in for common-job: fires the demo jobs, a minute of their schedules in a second."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import Event as Flag
from threading import Thread

from confluent_kafka import KafkaException, Producer
from cronsim import CronSim

from job_trigger_schemas import JobTrigger
from job_trigger_schemas.publisher import NotAcknowledged
from job_trigger_worker.demo.plan import Entry, Firing, entries, exactly, fire
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.publisher import connect
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_client
from job_trigger_worker.logs import logger

log = logger(__name__)

SPEED = 60
"""Seconds of the schedules that pass in one of ours."""

_BATCH = 2_000
_TIMEOUT_S = 10.0
_LONGEST_PAUSE_S = 0.1
_RETRY_S = 0.5
_FIRST_REPEAT, _REPEAT_EVERY = 40, 150
_FIRST_RUBBISH, _RUBBISH_EVERY = 200, 900
_RUBBISH = b"job=17;at=now"
"""What an old script sends: no JSON, so it is a dead letter without a record."""


class DemoSender:
    """Sends firings as common-job would: `TriggerPublisher`, and raw bytes where it must be wrong.

    Not for several threads. Raises `Transient` when it cannot connect.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._topic = kafka.topics.triggers
        self._publisher = connect(kafka, timeout_s=_TIMEOUT_S)
        self._raw = Producer(
            {
                **kafka.confluent(),
                "partitioner": "murmur2_random",
                "message.timeout.ms": int(_TIMEOUT_S * 1000),
                "log_level": 3,
            },
            logger=logging.getLogger(__name__),
        )

    def send(self, firings: Sequence[Firing]) -> None:
        """Send and return when all are acknowledged. Raises `Transient` when some are not."""
        raw = [(str(f.job_id).encode(), f.raw) for f in firings if f.raw is not None]
        self._publish([f.trigger for f in firings if f.trigger is not None])
        self.send_raw(raw)

    def send_raw(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Send (key, body) pairs as they are."""
        faults: list[str] = []
        for key, body in messages:
            try:
                self._raw.produce(
                    self._topic, body, key, on_delivery=lambda error, _: _note(faults, error)
                )
            except (KafkaException, BufferError) as error:
                faults.append(str(error))
        left = self._raw.flush(_TIMEOUT_S) if messages else 0
        if left or faults:
            raise Transient(f"{left or len(faults)} raw triggers were not acknowledged: {faults}")

    def close(self) -> None:
        """Disconnect."""
        self._publisher.close()
        close_client("producer of raw triggers", self._raw.close)

    def _publish(self, triggers: Sequence[JobTrigger]) -> None:
        """Send, and once more what was not acknowledged: the worker recognises a repeat."""
        if not triggers:
            return
        try:
            self._publisher.publish(triggers)
        except NotAcknowledged as first:
            try:
                self._publisher.publish(first.failed)
            except NotAcknowledged as again:
                raise Transient(again.message, remedy=again.remedy) from again


class Scheduler:
    """Fires what is due, in a thread, until `stop`; now and then something twice, or rubbish."""

    def __init__(self, sender: DemoSender) -> None:
        self._sender = sender
        self._stopping = Flag()
        self._thread = Thread(target=self._run, name="common-job", daemon=True)
        self._sent = 0

    def start(self) -> None:
        """Begin to fire."""
        self._thread.start()

    def stop(self) -> None:
        """Fire no more, and return when what is under way is acknowledged. Twice does nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT_S)
        self._sender.close()

    def _run(self) -> None:
        listed = [_Turn(entry, place) for place, entry in enumerate(entries())]
        heapq.heapify(listed)
        began = time.monotonic()
        while not self._stopping.is_set():
            demo_now = (time.monotonic() - began) * SPEED
            due = []
            while listed[0].due_s <= demo_now:
                due.append(fire(listed[0].entry, datetime.now(UTC)))
                listed[0].move()
                heapq.heapreplace(listed, listed[0])
            try:
                self._fire(due)
            except Transient as problem:
                log.warning("fire_failed", reason=problem)
                self._stopping.wait(_RETRY_S)
            pause_s = (listed[0].due_s - demo_now) / SPEED
            self._stopping.wait(min(max(pause_s, 0.0), _LONGEST_PAUSE_S))

    def _fire(self, due: Sequence[Firing]) -> None:
        if not due:
            return
        self._sender.send(due)
        before, self._sent = self._sent, self._sent + len(due)
        if _passes(before, self._sent, _FIRST_REPEAT, _REPEAT_EVERY):
            self._sender.send(due[-1:])
        if _passes(before, self._sent, _FIRST_RUBBISH, _RUBBISH_EVERY):
            self._sender.send_raw([(b"17", _RUBBISH)])


class _Turn:
    """An entry and when it is due, in seconds of the demo's time."""

    def __init__(self, entry: Entry, place: int) -> None:
        self.entry = entry
        self._start = datetime(2026, 1, 1, tzinfo=UTC)
        self._slots: Iterator[datetime] = CronSim(entry.schedule, self._start - _MINUTE)
        self._second = place * 7 % 60  # so that a minute's jobs do not all fire at once
        self.due_s = 0.0
        self.move()

    def __lt__(self, other: _Turn) -> bool:
        return self.due_s < other.due_s

    def move(self) -> None:
        """Go on to the next slot."""
        self.due_s = (next(self._slots) - self._start).total_seconds() + self._second


_MINUTE = timedelta(minutes=1)


def send_exactly(
    sender: DemoSender,
    count: int,
    start: datetime,
    on_sent: Callable[[int], None],
    stopping: Flag,
) -> None:
    """Send `count` distinct triggers of the whole list, in bounded memory.

    `on_sent` is told how many are acknowledged so far. Ends early when `stopping` is set.
    """
    firings = exactly(count, start)
    sent = 0
    while not stopping.is_set() and (batch := list(islice(firings, _BATCH))):
        sender.send(batch)
        sent += len(batch)
        on_sent(sent)


def _passes(before: int, after: int, first: int, every: int) -> bool:
    """Whether counting from `before` to `after` reaches `first`, or a further `every`."""
    return (after - first) // every > (before - first) // every if after >= first else False


def _note(faults: list[str], error: object) -> None:
    if error is not None:
        faults.append(str(error))
