"""Spans of time, as people write and read them."""

from __future__ import annotations

import re

_SPAN = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ROUNDED = ((2 * 86_400, 86_400, "days"), (2 * 3600, 3600, "h"), (120, 60, "min"), (0, 1, "s"))


def parsed(written: str) -> int | None:
    """Seconds of `90s`, `30m`, `1h` or `7d`; None for anything else."""
    found = _SPAN.fullmatch(written)
    return int(found[1]) * _SECONDS[found[2]] if found else None


def rounded(seconds: float) -> str:
    """`3 min`: a whole number of the largest unit of which there are at least two."""
    _, size, unit = next(each for each in _ROUNDED if seconds >= each[0])
    return f"{int(seconds // size)} {unit}"
