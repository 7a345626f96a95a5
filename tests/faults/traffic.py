"""A producer's side of a run: fires jobs at an even pace and knows what the brokers took."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event, Lock, Thread

from confluent_kafka import KafkaError, Message, Producer

from tests.support.load import Sent, Slot
from tests.support.topics import quiet_client

_TICK_S = 0.02
_REPEATED = 0.02
_RECENT = 500
_PATIENCE_MS = 120_000
_FLUSH_S = 130.0


class Traffic:
    """Fires `jobs` in turn, each time at a slot of its own, `per_s` a second, from a thread.

    Keyed by job id as Kafka's own producers do. One in fifty is a trigger sent before, as a
    scheduler that is not sure sends it again. `sent` holds what was acknowledged; `unknown` the
    slots of which no answer came, or none that says where: then librdkafka has concluded from the
    answer to later ones that the brokers must have these, too, and the log says whether they do.
    """

    def __init__(
        self, brokers: str, topic: str, jobs: Sequence[int], rng: Random, *, per_s: int = 150
    ) -> None:
        self.generation = 0
        self._brokers = brokers
        self._topic = topic
        self._jobs = list(jobs)
        self._rng = rng
        self._per_s = per_s
        self._begun_at = datetime.now(UTC) - timedelta(minutes=5)
        self._fired: list[Slot] = []
        self._sent: list[Sent] = []
        self._unknown: set[Slot] = set()
        self._lock = Lock()
        self._flows = Event()
        self._rests = Event()
        self._is_over = False
        self._producer = self._connected()
        self._thread = Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        """Begin to fire."""
        self._flows.set()
        self._thread.start()

    def pause(self) -> None:
        """Fire no more, and return when every trigger under way has its answer."""
        self._flows.clear()
        assert self._rests.wait(10), "the traffic does not rest"
        left = self._producer.flush(_FLUSH_S)
        assert not left, f"{left} triggers without an answer"

    def resume(self) -> None:
        """Fire again."""
        self._rests.clear()
        self._flows.set()

    def stop(self) -> None:
        """End it, as `pause` does."""
        self.pause()
        self._is_over = True
        self._flows.set()
        self._thread.join(10)

    def burst(self, count: int) -> None:
        """Fire so many at once while paused, and return when all have their answers."""
        for number in range(count):
            self._fire(self._next())
            if number % 1000 == 0:
                self._producer.poll(0)
        self.pause()

    def also(self, job_id: int) -> None:
        """Fire one more job in its turn."""
        self._jobs.append(job_id)

    def recreated(self) -> None:
        """The topic was deleted and made again, while paused: offsets begin anew."""
        self.generation += 1
        self._producer = self._connected()

    def sent(self) -> list[Sent]:
        """What was acknowledged so far."""
        with self._lock:
            return list(self._sent)

    def unknown(self) -> frozenset[Slot]:
        """Slots of which no answer came so far, and which may be there or not."""
        with self._lock:
            return frozenset(self._unknown)

    def unanswered(self) -> frozenset[Slot]:
        """Slots that were never acknowledged, however often they were sent."""
        return self.unknown() - {each.slot for each in self.sent()}

    def slots(self) -> int:
        """How many firings were acknowledged so far."""
        return len({each.slot for each in self.sent()})

    def _connected(self) -> Producer:
        return Producer(
            {
                **quiet_client(self._brokers),
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "message.timeout.ms": _PATIENCE_MS,
                "linger.ms": 2,
                "topic.metadata.refresh.interval.ms": 1000,
            }
        )

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            if not self._flows.is_set():
                self._rests.set()
                self._flows.wait()
                due = time.monotonic()
            if self._is_over:
                return
            due = max(due + _TICK_S, time.monotonic() - 1)
            for _ in range(self._count()):
                self._fire(self._next())
            self._producer.poll(max(due - time.monotonic(), 0))
            time.sleep(max(due - time.monotonic(), 0))

    def _count(self) -> int:
        """How many in this tick: as many as the pace says, on average."""
        mean = self._per_s * _TICK_S
        return int(mean) + (self._rng.random() < mean % 1)

    def _next(self) -> Slot:
        if self._fired and self._rng.random() < _REPEATED:
            return self._rng.choice(self._fired[-_RECENT:])
        number = len(self._fired)
        at = self._begun_at + timedelta(milliseconds=number)
        slot = self._jobs[number % len(self._jobs)], at.isoformat(timespec="microseconds")
        self._fired.append(slot)
        return slot

    def _fire(self, slot: Slot) -> None:
        job_id, at = slot
        generation = self.generation

        def answered(error: KafkaError | None, message: Message) -> None:
            partition, offset = message.partition() or 0, message.offset()
            with self._lock:
                if error is None and offset is not None:
                    self._sent.append(Sent(job_id, at, partition, offset, generation))
                else:
                    self._unknown.add(slot)

        body = json.dumps({"job_id": job_id, "scheduled_at": at})
        try:
            self._producer.produce(self._topic, body, str(job_id), on_delivery=answered)
        except BufferError:
            with self._lock:  # no room: nobody has it, and nobody may have it later
                self._unknown.add(slot)
