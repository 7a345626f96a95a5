"""Figures of the streams for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LAG_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


class StreamsMetrics:
    """Every figure of a streams process, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.events = Counter(
            "trigger_worker_streams_events_total",
            "Failure events read, by what became of them.",
            ["fate"],
            registry=registry,
        )
        self.lag = Histogram(
            "trigger_worker_streams_lag_seconds",
            "From a trigger's failure to its place in the windows.",
            buckets=_LAG_S,
            registry=registry,
        )
        self.buckets = Gauge(
            "trigger_worker_streams_buckets",
            "Counts kept, one for each minute, partition and code or cause.",
            registry=registry,
        )
        self.jobs = Gauge(
            "trigger_worker_streams_jobs",
            "Jobs named in the counts.",
            registry=registry,
        )
        self.partitions = Gauge(
            "trigger_worker_streams_partitions",
            "Partitions of the failure topic that this process counts.",
            registry=registry,
        )
