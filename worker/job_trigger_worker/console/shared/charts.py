"""Failures over time as stacked bars: the geometry of a picture, in whole numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from job_trigger_worker.domain.read_models import Bucket

WIDTH = 600
HEIGHT = 100
_SERIES = 5
"""Codes with a colour of their own; the rest share the one after."""
_GAP = 0.15


@dataclass(frozen=True, slots=True)
class Part:
    """One colour of one bar, in the picture's units. `series` counts from 1."""

    series: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A step of time with what failed in it: (code, count), the most frequent first."""

    start: datetime
    total: int
    counts: tuple[tuple[str, int], ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The picture. `legend` is (series, code, count); a code of None stands for the others."""

    bars: tuple[Bar, ...]
    legend: tuple[tuple[int, str | None, int], ...]
    highest: int
    total: int


def chart(buckets: Sequence[Bucket]) -> Chart:
    """Bars for steps of time; those without a failure have no parts."""
    totals: Counter[str] = Counter()
    for bucket in buckets:
        totals.update(bucket.by_code)
    codes = [code for code, count in sorted(totals.items(), key=_order) if count]
    series = {code: min(place, _SERIES) + 1 for place, code in enumerate(codes)}
    highest = max((sum(bucket.by_code.values()) for bucket in buckets), default=0)
    step = WIDTH / max(len(buckets), 1)
    bars = tuple(
        _bar(bucket, place * step, step, highest, series) for place, bucket in enumerate(buckets)
    )
    legend: list[tuple[int, str | None, int]] = [
        (series[code], code, totals[code]) for code in codes[:_SERIES]
    ]
    if others := sum(totals[code] for code in codes[_SERIES:]):
        legend.append((_SERIES + 1, None, others))
    return Chart(bars, tuple(legend), highest, sum(totals.values()))


def _bar(bucket: Bucket, x: float, step: float, highest: int, series: dict[str, int]) -> Bar:
    counts = tuple(sorted(((c, n) for c, n in bucket.by_code.items() if n), key=_order))
    heights: Counter[int] = Counter()
    for code, count in counts:
        heights[series[code]] += count
    parts, top = [], float(HEIGHT)
    for number in sorted(heights):
        height = heights[number] * HEIGHT / highest
        top -= height
        x_in = x + step * _GAP / 2
        parts.append(
            Part(
                number,
                round(x_in, 1),
                round(top, 1),
                round(step * (1 - _GAP), 1),
                round(height, 1),
            )
        )
    return Bar(bucket.start, sum(heights.values()), counts, tuple(parts))


def _order(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]
