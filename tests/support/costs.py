"""Committed limits of what something costs, and what to say where they do not hold."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Figures = Mapping[str, Mapping[int, int]]
"""Counter -> size of the batch -> what was counted."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a counter counts, its limit by size of the batch, and how far above the figure it lies.

    Without a margin the counter is the same in every run, and the limit is the figure.
    """

    what: str
    margin: float
    most: Mapping[int, int]


def load(path: Path) -> dict[str, Limit]:
    """The limits of a file, by counter."""
    return {
        name: Limit(
            entry["what"],
            entry["margin"],
            {int(size): most for size, most in entry["most"].items()},
        )
        for name, entry in tomllib.loads(path.read_text()).items()
    }


def complaints(measured: Figures, limits: Mapping[str, Limit]) -> list[str]:
    """A sentence for each figure above its limit, and for each limit that is out of date.

    A limit is out of date when the figure is more than twice the margin below it: it would let
    somebody give away in silence what somebody else has gained. Every limit needs a figure and
    every figure a limit.
    """
    said = []
    for name in sorted(measured.keys() | limits.keys()):
        limit = limits.get(name, Limit("not in the file of limits", 0, {}))
        figures = measured.get(name, {})
        for size in sorted(figures.keys() | limit.most.keys()):
            fault = _fault(figures.get(size), limit.most.get(size), limit.margin)
            if fault:
                said.append(f"{name} of a batch of {size:,}: {fault} ({limit.what})")
    return said


def _fault(figure: int | None, most: int | None, margin: float) -> str:
    if most is None:
        return f"measured {figure:,}, and no limit"
    if figure is None:
        return f"at most {most:,}, and nothing measured"
    if figure > most:
        return f"measured {figure:,}, at most {most:,}"
    if figure < most * (1 - 2 * margin):
        return f"measured {figure:,}, so lower the limit of {most:,}"
    return ""
