"""How long reads take at the server, each among the others."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from job_trigger_worker.storage.db.pool import Pool
from tests.benchmarks.console_reads import Case

_SEED = 11
_SAID_S = 20.0


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of a case: milliseconds, and the most rows that one of its reads gave."""

    p50: float
    p95: float
    p99: float
    n: int
    target: int | None
    rows: int

    @property
    def is_reached(self) -> bool:
        """True when p95 keeps to the target, or there is none."""
        return self.target is None or self.p95 <= self.target

    def as_json(self) -> dict[str, object]:
        """Rounded to what it is worth."""
        return {
            "p50": round(self.p50, 1),
            "p95": round(self.p95, 1),
            "p99": round(self.p99, 1),
            "n": self.n,
            "target": self.target,
            "ok": self.is_reached,
            "rows": self.rows,
        }


def measure(
    pool: Pool, cases: Sequence[Case], samples: int, say: Callable[[str], None]
) -> dict[str, Figure]:
    """Time every case about `samples` times, in one order drawn over all of them.

    A sample is what a page does: a connection of the pool, a snapshot, the statements, the rows as
    values. Everything was read once before, so that no sample reads what nobody has read yet.
    """
    drawn = random.Random(_SEED)  # noqa: S311 - no secret
    asked = []
    for case in cases:
        times = math.ceil(samples / len(case.reads))
        asked += [(case, read) for read in case.reads for _ in range(times)]
    for case in cases:
        for read in case.reads:
            with pool.snapshot() as connection:
                read(connection)
    say(f"{sum(len(case.reads) for case in cases):,} reads, each made once")
    drawn.shuffle(asked)
    took: dict[str, list[float]] = {case.name: [] for case in cases}
    rows = dict.fromkeys(took, 0)
    said_at = time.monotonic()
    for number, (case, read) in enumerate(asked):
        began = time.perf_counter()
        with pool.snapshot() as connection:
            found = read(connection)
        took[case.name].append((time.perf_counter() - began) * 1000)
        rows[case.name] = max(rows[case.name], found)
        if time.monotonic() - said_at > _SAID_S:
            said_at = time.monotonic()
            say(f"{number:,} of {len(asked):,} samples")
    return {case.name: figure(took[case.name], case.target_ms, rows[case.name]) for case in cases}


def figure(milliseconds: Sequence[float], target: int | None, rows: int) -> Figure:
    """The figure of some samples."""
    ordered = sorted(milliseconds)

    def percentile(share: float) -> float:
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    return Figure(percentile(0.5), percentile(0.95), percentile(0.99), len(ordered), target, rows)
