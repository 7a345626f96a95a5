"""Stand-ins for the action service and for orch: take dispatches, report how the runs go."""

from __future__ import annotations

import heapq
import logging
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from threading import Event as Flag
from threading import Thread
from uuid import UUID

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from pydantic import ValidationError

from job_trigger_schemas import ExecutionStatus, JobDispatch, cloudevents, explain
from job_trigger_schemas.execution_status import StatusWord
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.logs import logger

log = logger(__name__)

_REJECTED_TARGET = ("action", 14)
"""Port scans: the action service takes none outside of their window."""

_WAIT_S = 0.1
_AT_ONCE = 500
_MOST_RUNNING = 20_000
_JOIN_S = 2.0
_MOST_KNOWN = 200_000
_FAILURES = (
    "Exit status 1: no space left on device.",
    "Exit status 124: timed out after 600 s.",
    "ssh: connection reset by peer.",
    "Exit status 2: lock file exists.",
)
_FAILING = 0.04


@dataclass(frozen=True, slots=True, order=True)
class _Report:
    due_s: float
    number: int
    execution_id: str
    job_type: str
    status: StatusWord
    message: str | None


def _too_late(expires_at: datetime) -> str:
    """What is told of a dispatch that came when its run was over: nothing was started."""
    return f"Came too late: it was to start by {expires_at:%Y-%m-%d %H:%M:%S} UTC."


class _Known:
    """The ids that came last, as many as are kept: a dispatch may come again, and runs once."""

    def __init__(self, most: int = _MOST_KNOWN) -> None:
        self._most = most
        self._ids: dict[UUID, None] = {}

    def is_new(self, execution_id: UUID) -> bool:
        """Whether it is the first time; it is known from now on."""
        if execution_id in self._ids:
            return False
        self._ids[execution_id] = None
        if len(self._ids) > self._most:
            del self._ids[next(iter(self._ids))]
        return True


class Services:
    """Both services in one thread. A run is accepted at once, starts, and ends within seconds.

    Reads the dispatch topics from their beginning, without a group: the embedded broker's topics
    begin with each run. Of runs under way when it is stopped nothing more is heard. An execution
    that it knows is not run again.
    """

    def __init__(self, kafka: KafkaSettings, partitions: int) -> None:
        self._kafka = kafka
        self._partitions = partitions
        self._stopping = Flag()
        self._reports: list[_Report] = []
        self._numbers = count()
        self._known = _Known()
        self._dice = random.Random(7)  # noqa: S311 - how runs end, no secret
        self._thread = Thread(target=self._run, name="services", daemon=True)

    def start(self) -> None:
        """Begin to take dispatches."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more; returns within 2 s."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        consumer = Consumer(
            {
                **self._kafka.confluent(),
                "group.id": "demo-services",
                "enable.auto.commit": False,
                "queued.min.messages": 1000,
                "queued.max.messages.kbytes": 4096,
                "log_level": 3,
            },
            logger=logging.getLogger(__name__),
        )
        producer = Producer(
            {**self._kafka.confluent(), "partitioner": "murmur2_random", "log_level": 3},
            logger=logging.getLogger(__name__),
        )
        topics = self._kafka.topics
        consumer.assign(
            [
                TopicPartition(topic, partition, OFFSET_BEGINNING)
                for topic in (topics.dispatch_action, topics.dispatch_orch)
                for partition in range(self._partitions)
            ]
        )
        try:
            while not self._stopping.is_set():
                self._turn(consumer, producer)
        finally:
            producer.flush(_WAIT_S)
            consumer.close()

    def _turn(self, consumer: Consumer, producer: Producer) -> None:
        try:
            if len(self._reports) < _MOST_RUNNING:
                wait_s = self._reports[0].due_s - time.monotonic() if self._reports else _WAIT_S
                for message in consumer.consume(_AT_ONCE, min(max(wait_s, 0.01), _WAIT_S)):
                    self._take(message)
            now = time.monotonic()
            while self._reports and self._reports[0].due_s <= now:
                self._tell(producer, heapq.heappop(self._reports))
            producer.poll(0)
        except (KafkaException, BufferError) as problem:
            log.warning("serve_failed", reason=problem)
            self._stopping.wait(_WAIT_S)

    def _take(self, message: Message) -> None:
        """Accept a dispatch; what cannot be read is said, and costs no other its run."""
        error = message.error()
        if error is not None:
            log.warning("serve_failed", reason=error.str())
            return
        try:
            run = JobDispatch.model_validate_json(message.value() or b"")
        except ValidationError as problem:
            log.warning("serve_failed", reason=explain(problem))
        else:
            self._accept(run)

    def _accept(self, run: JobDispatch) -> None:
        """Plan what will be told of a run; one that is known was taken before."""
        if not self._known.is_new(run.execution_id):
            return
        now = time.monotonic()
        told: list[tuple[float, StatusWord, str | None]] = [(0.0, "accepted", None)]
        if run.expires_at is not None and run.expires_at < datetime.now(UTC):
            told = [(0.0, "rejected", _too_late(run.expires_at))]
        elif (run.job_type, run.target_id) == _REJECTED_TARGET:
            told = [(0.0, "rejected", "Port scans run between 01:00 and 05:00 only.")]
        else:
            end_s = self._dice.uniform(0.8, 5.0)
            told.append((self._dice.uniform(0.1, 0.5), "running", None))
            if self._dice.random() < _FAILING:
                told.append((end_s, "failed", self._dice.choice(_FAILURES)))
            else:
                told.append((end_s, "succeeded", None))
        for after_s, status, message in told:
            heapq.heappush(
                self._reports,
                _Report(
                    now + after_s,
                    next(self._numbers),
                    str(run.execution_id),
                    run.job_type,
                    status,
                    message,
                ),
            )

    def _tell(self, producer: Producer, report: _Report) -> None:
        status = ExecutionStatus.model_validate(
            {
                "execution_id": report.execution_id,
                "job_type": report.job_type,
                "status": report.status,
                "message": report.message,
                "at": datetime.now(UTC),
            }
        )
        service = "action-service" if report.job_type == "action" else "orch"
        producer.produce(
            self._kafka.topics.statuses,
            status.model_dump_json(exclude_none=True).encode(),
            report.execution_id.encode(),
            headers=list(
                cloudevents.headers(
                    event_type=cloudevents.TYPE_EXECUTION_STATUS,
                    event_id=f"{report.execution_id}-{report.status}",
                    time=status.at.isoformat(),
                    source=service,
                )
            ),
        )
