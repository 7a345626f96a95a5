"""What the worker and the streams say of themselves over HTTP: figures, readiness, windows."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

LATENCY = "trigger_worker_append_to_event_seconds"
PARTITIONS = "trigger_worker_partitions"
_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts at or below each bound in seconds, ascending; the last bound is infinite."""

    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()

    def since(self, earlier: Histogram) -> Histogram:
        """What was added after `earlier`; all of it where the process is another one."""
        is_same = self.bounds == earlier.bounds and self.counts[-1:] >= earlier.counts[-1:]
        if not is_same:
            return self
        added = zip(self.counts, earlier.counts, strict=True)
        return Histogram(self.bounds, tuple(now - then for now, then in added))

    def quantile_ms(self, share: float) -> float | None:
        """Interpolated within its bucket, as Prometheus does; None without observations."""
        total = self.counts[-1] if self.counts else 0.0
        if total <= 0:
            return None
        rank = total * share
        below, floor = 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count >= rank:
                if bound == float("inf"):
                    return floor * 1000
                inside = (rank - below) / (count - below) if count > below else 1.0
                return (floor + (bound - floor) * inside) * 1000
            below, floor = count, bound
        return floor * 1000


@dataclass(frozen=True, slots=True)
class Figures:
    """A worker's figures at one moment."""

    latency: Histogram
    partitions: Mapping[str, int]


def read_figures(listen: str, triggers: str) -> Figures | None:
    """The figures at host:port, None where nobody answers; `triggers` is the topic's name."""
    body = _get(listen, "/metrics")
    if body is None:
        return None
    bounds: list[tuple[float, float]] = []
    partitions: dict[str, int] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            if sample.name == f"{LATENCY}_bucket":
                if sample.labels.get("topic", triggers) == triggers:
                    bounds.append((float(sample.labels["le"]), sample.value))
            elif sample.name == PARTITIONS:
                partitions[sample.labels["topic"]] = int(sample.value)
    bounds.sort()
    return Figures(
        Histogram(tuple(bound for bound, _ in bounds), tuple(count for _, count in bounds)),
        partitions,
    )


@dataclass(frozen=True, slots=True)
class Cause:
    """Why triggers fail, as the streams count it; `message` is its newest sentence."""

    cause: str
    code: str
    message: str
    triggers: int
    jobs: int


def read_causes(listen: str) -> tuple[Cause, ...] | None:
    """The causes of the last 60 minutes, most triggers first; None where nobody answers yet."""
    body = _get(listen, "/windows")
    if body is None:
        return None
    listed: Sequence[Mapping[str, Any]] = json.loads(body)["windows"]["60m"]["by_cause"]
    causes = [
        Cause(
            each["cause"],
            each["code"],
            each["message"],
            int(each["triggers"]),
            int(each["jobs"]),
        )
        for each in listed
    ]
    return tuple(sorted(causes, key=lambda each: (-each.triggers, each.cause)))


def _get(listen: str, path: str) -> bytes | None:
    connection = http.client.HTTPConnection(listen, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status == http.client.OK else None
