"""Partitions that cannot be taken at the moment, and why; the others do not wait for them."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from job_trigger_worker.clock import Clock
from job_trigger_worker.logs import logger

log = logger(__name__)

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_NAMED = 20
"""Most partitions that a line names."""


class _Entry(NamedTuple):
    reason: str
    tries: int
    until_s: float


class Postponements:
    """When each may be tried again: a little later each time, with jitter."""

    def __init__(self, topic: str, clock: Clock) -> None:
        self._topic = topic
        self._clock = clock
        self._entries: dict[int, _Entry] = {}

    def note(self, reasons: Mapping[int, str]) -> None:
        """Put off these partitions, and say why."""
        now = self._clock.monotonic()
        for partition, reason in reasons.items():
            known = self._entries.get(partition)
            tries = 1 if known is None else known.tries + 1
            longest_s = min(_FIRST_PAUSE_S * 2 ** min(tries - 1, 10), _LONGEST_PAUSE_S)
            pause_s = random.uniform(longest_s / 2, longest_s)  # noqa: S311  # jitter, no secret
            self._entries[partition] = _Entry(reason, tries, now + pause_s)
        for reason in dict.fromkeys(reasons.values()):
            alike = sorted(each for each, why in reasons.items() if why == reason)
            log.warning(
                "take_later",
                topic=self._topic,
                partitions=",".join(map(str, alike[:_NAMED])),
                count=len(alike),
                reason=reason,
            )

    def due(self, partitions: Iterable[int]) -> set[int]:
        """Those that are not put off any more."""
        now = self._clock.monotonic()
        found = set(partitions)
        return {p for p in found if p not in self._entries or self._entries[p].until_s <= now}

    def forget(self, partitions: Iterable[int]) -> None:
        """These are taken, or no longer ours to take."""
        for partition in partitions:
            self._entries.pop(partition, None)

    def why(self, missing: Collection[int]) -> str | None:
        """Why the first of those missing cannot be taken; None where nothing is known to hinder."""
        found = sorted(self._entries.keys() & set(missing))
        if not found:
            return None
        more = f" (and {len(found) - 1} others)" if len(found) > 1 else ""
        return f"partition {found[0]}{more} cannot be taken: {self._entries[found[0]].reason}"
