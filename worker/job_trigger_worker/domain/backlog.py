"""What waits, by partition: in the log behind our position, and in the outbox behind the brokers.

The loop notes it about once a second; Prometheus and `/readyz` ask for it from threads of their
own, so that an age grows also while the loop does not turn (promise 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from job_trigger_worker.clock import Clock

STANDSTILL_S = 60.0
"""How long a position may stand still before the end of its log."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One partition. `position` is the next offset to be accounted for, `unread` what is behind it.

    `moved_at` and `moved_s` say when that last moved, or when the first message came behind it
    (the moment, and the clock's seconds); `oldest_ms` is the first unread message's timestamp in
    milliseconds since 1970, None where it is not known. `outbox_since` is when its oldest row was
    written.
    """

    position: int
    moved_at: datetime
    moved_s: float
    unread: int = 0
    oldest_ms: int | None = None
    reason: str = ""
    outbox_rows: int = 0
    outbox_since: datetime | None = None


class Backlog:
    """The partitions of one topic that this process serves, or is about to take again."""

    def __init__(self, topic: str, clock: Clock) -> None:
        self.topic = topic
        self.clock = clock
        self._partitions: Mapping[int, Waiting] = {}
        """Never changed in place: other threads walk through it."""

    def note(
        self, partition: int, position: int, end: int, oldest_ms: int | None, reason: str
    ) -> None:
        """Note how far we are of a log that ends before `end`.

        Without an `oldest_ms` the one known of this position stands. `reason` is why it cannot be
        read at the moment, as far as that is known.
        """
        known = self._partitions.get(partition)
        unread = max(0, end - position)
        if known is None or known.position != position or not known.unread:
            now, now_s = self.clock.now(), self.clock.monotonic()
            kept = known or Waiting(position, now, now_s)
            found = replace(kept, position=position, moved_at=now, moved_s=now_s, oldest_ms=None)
        else:
            found = known
        if oldest_ms is not None and unread:
            found = replace(found, oldest_ms=oldest_ms)
        self._put(partition, replace(found, unread=unread, reason=reason))

    def note_end(self, partition: int, end: int) -> None:
        """Note where a log ends by now, of a partition whose position stands."""
        known = self._partitions.get(partition)
        if known is not None:
            self.note(partition, known.position, end, None, known.reason)

    def explain(self, reason: str) -> None:
        """Note why nothing can be read or written at the moment, of all partitions."""
        for partition, known in self._partitions.items():
            self._put(partition, replace(known, reason=reason))

    def note_outbox(self, rows: Mapping[int, tuple[int, datetime]]) -> None:
        """Note how many outbox rows wait by partition, and since when; the rest have none."""
        for partition, known in self._partitions.items():
            count, since = rows.get(partition, (0, None))
            self._put(partition, replace(known, outbox_rows=count, outbox_since=since))

    def keep(self, partitions: Iterable[int]) -> None:
        """Forget every other partition: it is somebody else's."""
        kept = set(partitions)
        self._partitions = {p: each for p, each in self._partitions.items() if p in kept}

    def why_standing(self) -> str | None:
        """A partition whose position has stood before the end of its log for `STANDSTILL_S`."""
        now_s = self.clock.monotonic()
        for partition, each in self._partitions.items():
            if each.unread and now_s - each.moved_s > STANDSTILL_S:
                return (
                    f"partition {partition} of {self.topic} has stood at offset {each.position} "
                    f"since {each.moved_at.isoformat(timespec='seconds')} and {each.unread} wait: "
                    f"{each.reason or 'why is not known'}"
                )
        return None

    def items(self) -> Iterable[tuple[int, Waiting]]:
        """Every partition as it was noted last."""
        return self._partitions.items()

    def _put(self, partition: int, waiting: Waiting) -> None:
        self._partitions = {**self._partitions, partition: waiting}
