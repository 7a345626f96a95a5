"""Time as an object, so that nothing below the entry points asks the machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The present moment, timezone-aware UTC."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, for deadlines and durations."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()


def rest_s(took_s: float) -> float:
    """For how long to ask nothing more of that kind, after what was asked beside batches.

    So no more than a tenth of the time goes into it, also on a way with long round trips.
    """
    return 10 * took_s
