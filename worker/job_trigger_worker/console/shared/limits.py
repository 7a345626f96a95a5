"""Rate limits: a bucket a key that fills again with time."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from job_trigger_worker.clock import Clock

_MOST_KEYS = 20_000


class Limiter:
    """At most `burst` at once for a key, and one more every `refill_s`.

    Held in memory: each instance of the console counts for itself. At most 20,000 keys are kept;
    the one used least recently is forgotten first.
    """

    def __init__(self, clock: Clock, *, burst: int, refill_s: float) -> None:
        self._clock = clock
        self._burst = burst
        self._refill_s = refill_s
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one for a key: 0.0 when it was free, else the seconds until one is."""
        with self._lock:
            left = self._left(key)
            if left < 1.0:
                return (1.0 - left) * self._refill_s
            self._keep(key, left - 1.0)
            return 0.0

    def give_back(self, key: str) -> None:
        """Undo one `take`: what was limited did not happen."""
        with self._lock:
            self._keep(key, min(float(self._burst), self._left(key) + 1.0))

    def _left(self, key: str) -> float:
        left, at = self._buckets.get(key, (float(self._burst), self._clock.monotonic()))
        return min(float(self._burst), left + (self._clock.monotonic() - at) / self._refill_s)

    def _keep(self, key: str, left: float) -> None:
        self._buckets[key] = (left, self._clock.monotonic())
        self._buckets.move_to_end(key)
        while len(self._buckets) > _MOST_KEYS:
            self._buckets.popitem(last=False)
