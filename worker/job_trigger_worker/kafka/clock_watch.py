"""Compares this machine's clock with the database's, and holds a loop back while it is wrong.

What is expired and what is too early is decided by the clock of whoever decides. The database's is
the one that all workers share, and asking it costs a round trip. The brokers tell theirs with the
acknowledgement of our own events, where the topic of these has LogAppendTime; nothing else that
could be asked tells it without writing to a topic (docs/decisions, 32).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from job_trigger_worker.clock import Clock
from job_trigger_worker.errors import ClockWrong
from job_trigger_worker.kafka.producer import Append
from job_trigger_worker.logs import logger
from job_trigger_worker.metrics import LoopMetrics
from job_trigger_worker.storage.db import server_clock
from job_trigger_worker.storage.db.engine import Session

log = logger(__name__)

_EVERY_S = 60.0
_TOLD_S = 5.0
"""A difference that is said, and a step of the clock that has it looked at again at once."""


class _Look(NamedTuple):
    """When it was looked last, by both of this machine's clocks."""

    wall: datetime
    passed_s: float


class ClockWatch:
    """Looks at each taking of partitions, each minute, and when the clock was set meanwhile."""

    def __init__(
        self,
        *,
        session: Session,
        take_append: Callable[[], Append | None],
        clock: Clock,
        max_skew_s: float,
        metrics: LoopMetrics,
    ) -> None:
        self._session = session
        self._take_append = take_append
        self._clock = clock
        self._max_skew_s = max_skew_s
        self._metrics = metrics
        self._last: _Look | None = None

    def check(self, *, is_taking: bool) -> None:
        """Compare the clocks, if it is time to.

        Raises `ClockWrong` while ours is further from the database's than the setting allows, each
        time that it is called; `Transient` where the database cannot be asked.
        """
        if not is_taking and not self._is_due():
            return
        try:
            self._compare()
        except BaseException:
            self._last = None  # not looked at until it is right
            raise
        self._last = _Look(self._clock.now(), self._clock.monotonic())

    def _compare(self) -> None:
        """Hold the clocks against each other; see `check` for what it raises."""
        with self._session.transaction() as connection:
            before, began = self._clock.now(), self._clock.monotonic()
            theirs = server_clock.now(connection)
            round_trip_s = self._clock.monotonic() - began
        skew_s = (before - theirs).total_seconds() + round_trip_s / 2
        self._metrics.clock_skew.set(skew_s)
        # The database answered at some moment of the round trip: what that explains is no fault.
        certain_s = max(abs(skew_s) - round_trip_s / 2, 0.0)
        words = (
            f"This machine's clock is {abs(skew_s):.1f} s "
            f"{'ahead of' if skew_s > 0 else 'behind'} the database's"
        )
        if certain_s > self._max_skew_s:
            raise ClockWrong(
                f"{words}: nothing is decided.",
                remedy=f"Set the clock right (NTP); up to {self._max_skew_s:g} s are allowed "
                "(TRIGGER_WORKER_MAX_CLOCK_SKEW_S).",
            )
        if certain_s > _TOLD_S:
            log.warning("clock_skew", skew_s=round(skew_s, 1), message=f"{words}.")
        self._hear_brokers()

    def _hear_brokers(self) -> None:
        """Say how far the brokers' clock is away, where one of them told it since the last look.

        Nothing waits for that: ours is the database's then, and it is the brokers' that is wrong.
        """
        append = self._take_append()
        if append is None:
            return
        ahead_s = (append.sent_at - append.appended_at).total_seconds()
        behind_s = (append.appended_at - append.acknowledged_at).total_seconds()
        skew_s = ahead_s if ahead_s > 0 else min(-behind_s, 0.0)
        self._metrics.broker_clock_skew.set(skew_s)
        if abs(skew_s) > _TOLD_S:
            log.warning(
                "broker_clock_skew",
                skew_s=round(skew_s, 1),
                message=(
                    "This clock is so far ahead of the brokers' (behind, if negative), but "
                    "agrees with the database's."
                ),
            )

    def believe(self, moment: datetime, passed_s: float) -> None:
        """Raises `ClockWrong` for a moment of a decision before which the clock was set.

        `passed_s` are the seconds of `Clock.monotonic` then. May be called in another thread.
        """
        if self._has_stepped(moment, passed_s):
            raise ClockWrong("This machine's clock was set; it is looked at before anything else.")

    def _is_due(self) -> bool:
        if self._last is None:
            return True
        wall, passed_s = self._clock.now(), self._clock.monotonic()
        return passed_s - self._last.passed_s >= _EVERY_S or self._has_stepped(wall, passed_s)

    def _has_stepped(self, wall: datetime, passed_s: float) -> bool:
        last = self._last
        if last is None:
            return True
        stepped_s = (wall - last.wall).total_seconds() - (passed_s - last.passed_s)
        return abs(stepped_s) > _TOLD_S
