"""Figures of a console for Prometheus: requests, sign-ins, streams and connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIGN_INS = ("signed_in", "failed", "limited")
"""How an attempt to sign in ended."""


class ConsoleMetrics:
    """Every figure of a console, in a registry of its own. Counters stand at zero from the start.

    `viewers` and `connections` are asked when somebody looks: how many streams are open, and how
    many connections of the pool are in use.
    """

    def __init__(self, viewers: Callable[[], int], connections: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "trigger_worker_console_requests_total",
            "Requests answered, by route, method and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "trigger_worker_console_request_seconds",
            "From a request to the end of its answer; a stream counts when it ends.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._sign_ins = Counter(
            "trigger_worker_console_sign_ins_total",
            "Attempts to sign in, by how they ended.",
            ["result"],
            registry=self.registry,
        )
        for result in SIGN_INS:
            self._sign_ins.labels(result)
        self.registry.register(
            _Gauges(
                (
                    "trigger_worker_console_streams",
                    "Streams of failures that are open.",
                    viewers,
                ),
                (
                    "trigger_worker_console_connections_in_use",
                    "Connections of the pool that are in use.",
                    connections,
                ),
            )
        )

    def answered(self, route: str, method: str, status: int, took_s: float) -> None:
        """Count a request. `route` has the names of its parameters, never their values."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(took_s)

    def signed_in(self, result: str) -> None:
        """Count an attempt to sign in, by one of `SIGN_INS`."""
        self._sign_ins.labels(result).inc()


class _Gauges(Collector):
    """Values that are asked for when somebody looks."""

    def __init__(self, *gauges: tuple[str, str, Callable[[], int]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """See `Collector.collect`."""
        for name, words, ask in self._gauges:
            yield GaugeMetricFamily(name, words, value=ask())
