"""What the live view shows, read in the background: ledger, topic, worker and streams."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field, replace
from threading import Event as Flag
from threading import Thread

from confluent_kafka import Consumer, KafkaException, TopicPartition
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.audit.equations import Line, equations
from job_trigger_worker.demo.probes import Cause, Figures, Histogram, read_causes, read_figures
from job_trigger_worker.demo.stack import Stack
from job_trigger_worker.kafka.shutdown import close_client
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.read.activity import Failure, latest_failures
from job_trigger_worker.storage.read.audit import LedgerRow, ledger_rows

log = logger(__name__)

LATEST = 20
"""Failures that are read; a view shows as many as fit."""

_INTERVAL_S = 0.25
_FIGURES_INTERVAL_S = 1.0
_DATABASE_SHARE = 20
"""A reading of the tables that takes long is repeated that much less often."""

_STANDSTILL_S = 10.0
"""How long a trigger may wait in the topic before the count is no longer called closed."""

_RATE_WINDOW_S = 6.0
_LATENCY_WINDOW_S = 60.0
_BROKER_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Counts:
    """The trigger topic's numbers, over every run on this database."""

    delivered: int = 0
    records: int = 0
    repeats: int = 0
    unreadable: int = 0
    dispatched: int = 0
    failures: int = 0
    waiting: int = 0

    @classmethod
    def of(cls, rows: list[LedgerRow]) -> Counts:
        """Summed over ledger rows; `dispatched` and `failures` are counted from the records."""
        triggers = [row for row in rows if row.is_triggers]
        dispatched = sum(row.counted_dispatched for row in rows)
        return cls(
            delivered=sum(row.deliveries for row in triggers),
            records=sum(row.records for row in triggers),
            repeats=sum(row.duplicates + row.redeliveries for row in triggers),
            unreadable=sum(row.dead_letters for row in triggers),
            dispatched=dispatched,
            failures=sum(row.counted_records for row in rows) - dispatched,
            waiting=sum(row.waiting for row in rows),
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """Everything that a view needs at one moment.

    `lines` are the audit's equations. `in_topic` is how many triggers nobody has read yet, None
    while the broker does not say; `is_stalled` when one has waited for too long, whoever runs.
    Rates are a second; latencies are of the last minute, in milliseconds, None without any.
    `causes` is None until the streams answer.
    """

    counts: Counts = Counts()
    lines: tuple[Line, ...] = ()
    in_topic: int | None = None
    is_stalled: bool = False
    passed_per_s: float = 0.0
    failed_per_s: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    is_worker_ready: bool = False
    causes: tuple[Cause, ...] | None = None
    latest: tuple[Failure, ...] = ()

    @property
    def closes(self) -> bool:
        """True when every equation holds."""
        return bool(self.lines) and all(line.holds for line in self.lines)


class Standstill:
    """Notices a partition that has triggers waiting and whose position does not move."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[int, float]] = {}

    def note(self, partition: int, position: int, waiting: int, now: float) -> bool:
        """True when it has stood still for too long; `now` is monotonic, in seconds."""
        known = self._since.get(partition)
        if not waiting or known is None or known[0] != position:
            self._since[partition] = (position, now)
            return False
        return now - known[1] > _STANDSTILL_S


@dataclass(slots=True)
class _Past:
    """Earlier readings, for what is said per second and of the last minute."""

    counts: deque[tuple[float, int, int]] = field(default_factory=deque)
    latency: deque[tuple[float, Histogram]] = field(default_factory=deque)


class Measurements:
    """Reads in a thread until `stop`; `latest` is always whole, and old when a source is away."""

    def __init__(self, stack: Stack) -> None:
        self.latest = Measurement()
        self._stack = stack
        self._topic = stack.kafka.topics.triggers
        self._stopping = Flag()
        self._past = _Past()
        self._standstill = Standstill()
        self._next_database = 0.0
        self._next_figures = 0.0
        self._consumer = Consumer(
            {**stack.kafka.confluent(), "group.id": "demo-view", "log_level": 2},
            logger=logging.getLogger(__name__),
        )
        self._thread = Thread(target=self._run, name="readings", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more; a second call does nothing."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._thread.join(2 * _BROKER_TIMEOUT_S)
            close_client("reader of figures", self._consumer.close)

    def _run(self) -> None:
        while not self._stopping.wait(_INTERVAL_S):
            now = time.monotonic()
            if now >= self._next_database:
                self._read_tables()
                took_s = time.monotonic() - now
                self._next_database = now + took_s * _DATABASE_SHARE
            if now >= self._next_figures:
                self._read_processes()
                self._next_figures = now + _FIGURES_INTERVAL_S

    def _read_tables(self) -> None:
        try:
            with self._stack.engine.connect() as connection:
                rows = ledger_rows(connection)
                latest = latest_failures(connection, LATEST)
        except DBAPIError as problem:
            log.warning("tables_not_read", reason=type(problem.orig).__name__)
            return
        counts = Counts.of(rows)
        passed_per_s, failed_per_s = self._rates(counts)
        in_topic, is_stalled = self._in_topic(rows)
        self.latest = replace(
            self.latest,
            counts=counts,
            lines=equations(rows),
            in_topic=in_topic,
            is_stalled=is_stalled,
            passed_per_s=passed_per_s,
            failed_per_s=failed_per_s,
            latest=tuple(latest),
        )

    def _in_topic(self, rows: list[LedgerRow]) -> tuple[int | None, bool]:
        """How far the ledger is behind this run's topic, and whether it stands still there."""
        newest = {row.partition: row for row in rows if row.topic == self._topic}
        waiting, is_stalled, now = 0, False, time.monotonic()
        for partition in range(self._stack.partitions):
            try:
                bounds = self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, partition), timeout=_BROKER_TIMEOUT_S
                )
            except KafkaException as problem:
                log.warning("topic_not_read", reason=problem)
                return None, False
            if bounds is None:
                return None, False
            row = newest.get(partition)  # rows come by id: the last one is this run's
            position = row.last_offset + 1 if row else 0
            behind = max(0, bounds[1] - position)
            waiting += behind
            is_stalled = self._standstill.note(partition, position, behind, now) or is_stalled
        return waiting, is_stalled

    def _rates(self, counts: Counts) -> tuple[float, float]:
        now = time.monotonic()
        past = self._past.counts
        past.append((now, counts.dispatched, counts.failures))
        while len(past) > 2 and past[1][0] < now - _RATE_WINDOW_S:  # noqa: PLR2004 - a pair is left
            past.popleft()
        then, dispatched, failures = past[0]
        span_s = now - then
        if span_s <= 0:
            return 0.0, 0.0
        return (counts.dispatched - dispatched) / span_s, (counts.failures - failures) / span_s

    def _read_processes(self) -> None:
        figures = read_figures(self._stack.worker.listen, self._topic)
        owned = figures.partitions.get(self._topic, 0) if figures else 0
        p50_ms, p99_ms = self._latency(figures)
        causes = read_causes(self._stack.streams.listen)
        self.latest = replace(
            self.latest,
            is_worker_ready=owned >= self._stack.partitions,
            p50_ms=p50_ms,
            p99_ms=p99_ms,
            causes=self.latest.causes if causes is None else causes,
        )

    def _latency(self, figures: Figures | None) -> tuple[float | None, float | None]:
        if figures is None:
            return self.latest.p50_ms, self.latest.p99_ms
        now = time.monotonic()
        past = self._past.latency
        past.append((now, figures.latency))
        while past[0][0] < now - _LATENCY_WINDOW_S:
            past.popleft()
        recent = figures.latency.since(past[0][1] if len(past) > 1 else Histogram())
        return recent.quantile_ms(0.5), recent.quantile_ms(0.99)
