"""Figures for Prometheus. Names and labels are listed here and nowhere else."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as CountOf
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, repeat

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from job_trigger_worker.domain.backlog import Backlog, Waiting
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Record, Tally

_LATENCY_S = (
    *(0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.0125, 0.015, 0.02, 0.025),
    *(0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)
_DURATION_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


class Metrics:
    """Every figure of a worker process, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.deliveries = Counter(
            "trigger_worker_deliveries_total",
            "Messages accounted for, by bin.",
            ["topic", "bin"],
            registry=registry,
        )
        self.outcomes = Counter(
            "trigger_worker_outcomes_total",
            "Execution records written, by failure code ('passed' without one).",
            ["code"],
            registry=registry,
        )
        self.contradicted_ends = Counter(
            "trigger_worker_contradicted_ends_total",
            "Ends reported for a run that differ from the one that counts.",
            registry=registry,
        )
        self.unknown_executions = Counter(
            "trigger_worker_unknown_executions_total",
            "Runs without a record that statuses named: kept, and swept again.",
            ["what"],
            registry=registry,
        )
        self.latency = LatencyHistogram()
        registry.register(self.latency)
        self.batch_size = Histogram(
            "trigger_worker_batch_size",
            "Messages in a batch.",
            ["topic"],
            buckets=_SIZES,
            registry=registry,
        )
        self.step = Histogram(
            "trigger_worker_step_seconds",
            "Time of a batch in each step.",
            ["topic", "step"],
            buckets=_DURATION_S,
            registry=registry,
        )
        self.retries = Counter(
            "trigger_worker_retries_total",
            "Times that a loop had to wait for something transient.",
            ["topic"],
            registry=registry,
        )
        self.unreadable = Counter(
            "trigger_worker_unreadable_batches_total",
            "Batches passed because they cannot be unpacked; a dead letter names each.",
            ["topic"],
            registry=registry,
        )
        self.rewound = Counter(
            "trigger_worker_rewound_offsets_total",
            "Offsets that the database had forgotten and that are read again.",
            ["topic"],
            registry=registry,
        )
        self.waiting = Gauge(
            "trigger_worker_waiting",
            "1 while a loop waits for a broker or the database.",
            ["topic"],
            registry=registry,
        )
        self.partitions = Gauge(
            "trigger_worker_partitions",
            "Partitions owned.",
            ["topic"],
            registry=registry,
        )
        self.clock_skew = Gauge(
            "trigger_worker_clock_skew_seconds",
            "How far this machine's clock is ahead of another's, at the last look.",
            ["against"],
            registry=registry,
        )
        self.jobs_behind = Gauge(
            "trigger_worker_jobs_behind",
            "Jobs that do not show their newest record yet, because somebody has locked them.",
            registry=registry,
        )
        self.backlogs = Backlogs()
        registry.register(self.backlogs)
        self.last_turn = Gauge(
            "trigger_worker_last_turn_timestamp_seconds",
            "When a loop last turned.",
            ["topic"],
            registry=registry,
        )


class LatencyHistogram(Collector):
    """Time from a trigger's append to its acknowledged event, observed a batch at a time.

    The library's histogram costs as much as decoding a trigger does, once for each of a batch.
    """

    def __init__(self) -> None:
        self._counts = [0] * (len(_LATENCY_S) + 1)
        self._sum_s = 0.0
        self._bounds_ms = [bound * 1000 for bound in _LATENCY_S]

    def observe(self, latencies_ms: Iterable[float]) -> None:
        """Count milliseconds; a clock that went back counts as none."""
        found = [max(latency_ms, 0.0) for latency_ms in latencies_ms]
        for place, count in CountOf(map(bisect_left, repeat(self._bounds_ms), found)).items():
            self._counts[place] += count
        self._sum_s += sum(found) / 1000

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """See `Collector.collect`."""
        bounds = [*map(str, _LATENCY_S), "+Inf"]
        yield HistogramMetricFamily(
            "trigger_worker_append_to_event_seconds",
            "From a trigger's append to the broker's acknowledgement of its event.",
            buckets=list(zip(bounds, accumulate(self._counts), strict=True)),
            sum_value=self._sum_s,
        )


class LoopMetrics:
    """The figures of one loop."""

    def __init__(self, metrics: Metrics, topic: str, backlog: Backlog) -> None:
        self.backlog = backlog
        metrics.backlogs.add(backlog)
        self._topic = topic
        self.retries = metrics.retries.labels(topic)
        self.unreadable = metrics.unreadable.labels(topic)
        self.rewound = metrics.rewound.labels(topic)
        self._waiting = metrics.waiting.labels(topic)
        self.partitions = metrics.partitions.labels(topic)
        self.clock_skew = metrics.clock_skew.labels("database")
        self.broker_clock_skew = metrics.clock_skew.labels("brokers")
        self._last_turn = metrics.last_turn.labels(topic)
        self._size = metrics.batch_size.labels(topic)
        self._transaction = metrics.step.labels(topic, "transaction")
        self._publish = metrics.step.labels(topic, "publish")
        self._latency = metrics.latency
        self.turned_at: datetime | None = None
        self.turned_s = 0.0
        self.is_stuck = False
        self.held: str | None = None

    def waits(self, is_stuck: bool, held: str | None = None) -> None:
        """The loop waits for something, or no longer does; `held` is what a person has to fix."""
        self.is_stuck = is_stuck
        self.held = held
        self._waiting.set(is_stuck)

    def turned(self, now: datetime, passed_s: float) -> None:
        """The loop is alive. `passed_s` are seconds that go on evenly when the clock is set."""
        self.turned_at, self.turned_s = now, passed_s
        self._last_turn.set(now.timestamp())

    def why_not_ready(self) -> str | None:
        """What keeps the loop from its work now, None where nothing does."""
        if self.turned_at is None:
            return f"the loop of {self._topic} has not begun"
        if self.held is not None:
            return f"the loop of {self._topic} waits: {self.held}"
        standing = self.backlog.why_standing()
        if standing is not None:
            return standing
        if self.is_stuck:
            return f"the loop of {self._topic} waits for a broker or the database"
        return None

    def observe_batch(self, size: int, transaction_s: float) -> None:
        """A batch is committed."""
        self._size.observe(size)
        self._transaction.observe(transaction_s)

    def observe_events(self, batch: Sequence[Delivery], now: datetime, publish_s: float) -> None:
        """The events of a batch are acknowledged (statuses have none)."""
        self._publish.observe(publish_s)
        now_ms = now.timestamp() * 1000
        self._latency.observe(
            [now_ms - delivery.appended_ms for delivery in batch if delivery.appended_ms > 0]
        )


class IntakeMetrics:
    """What triggers became."""

    def __init__(self, metrics: Metrics, topic: str) -> None:
        self._outcomes = metrics.outcomes
        self._jobs_behind = metrics.jobs_behind
        self._contradicted_ends = metrics.contradicted_ends
        self._unknown_executions = metrics.unknown_executions
        self._bins = {
            name: metrics.deliveries.labels(topic, name)
            for name in ("records", "duplicates", "redeliveries", "dead_letters", "applied")
        }

    def count(self, tallies: Mapping[int, Tally], records: Iterable[Record]) -> None:
        """Add a committed batch; `records` are those written."""
        for tally in tallies.values():
            for name, counter in self._bins.items():
                counter.inc(getattr(tally, name))
        for code, count in CountOf(record.code or "passed" for record in records).items():
            self._outcomes.labels(code).inc(count)

    def note_behind(self, jobs: int) -> None:
        """So many jobs do not show their newest record."""
        self._jobs_behind.set(jobs)

    def count_unbelieved(self, *, ends: int, unknown: int, swept: int) -> None:
        """Add what a committed batch of statuses said that is not believed."""
        self._contradicted_ends.inc(ends)
        self._unknown_executions.labels("kept").inc(unknown)
        self._unknown_executions.labels("swept").inc(swept)


class Backlogs(Collector):
    """The backlogs of a process, for Prometheus."""

    def __init__(self) -> None:
        self._backlogs: list[Backlog] = []

    def add(self, backlog: Backlog) -> None:
        """Tell of one more."""
        self._backlogs.append(backlog)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """See `Collector.collect`."""
        unread = _family("unread_messages", "Messages in the log that wait to be accounted for.")
        oldest = _family("oldest_unread_age_seconds", "How long the first of them has waited.")
        rows = _family("outbox_rows", "Rows of the outbox that wait for the brokers.")
        age = _family("oldest_outbox_row_age_seconds", "How long the first of them has waited.")
        for backlog in self._backlogs:
            now = backlog.clock.now()
            for partition, each in backlog.items():
                labels = [backlog.topic, str(partition)]
                unread.add_metric(labels, each.unread)
                oldest.add_metric(labels, _unread_s(each, now) if each.unread else 0)
                rows.add_metric(labels, each.outbox_rows)
                since = each.outbox_since
                age.add_metric(labels, max((now - since).total_seconds(), 0) if since else 0)
        return unread, oldest, rows, age


def _unread_s(each: Waiting, now: datetime) -> float:
    """By the message's own time where it has one, else by how long the position has stood."""
    began_s = each.moved_at.timestamp() if each.oldest_ms is None else each.oldest_ms / 1000
    return max(now.timestamp() - began_s, 0)


def _family(name: str, words: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"trigger_worker_{name}", words, labels=["topic", "partition"])
