"""What the status topic claims and is not believed: counted, and written to the log."""

from __future__ import annotations

from collections.abc import Sequence

from job_trigger_worker.clock import Clock
from job_trigger_worker.logs import logger
from job_trigger_worker.metrics import IntakeMetrics
from job_trigger_worker.storage.write.runs import Applied

log = logger(__name__)

_SAY_EVERY_S = 60.0


class UntrustedStatuses:
    """Counts ends that differ from the first one, and runs that have no record.

    Whoever sends statuses decides how many there are, so the log has at most one line a minute; it
    says how many there were since the line before.
    """

    def __init__(self, metrics: IntakeMetrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._said_at = self._not_swept_at = -_SAY_EVERY_S
        self._ends = self._unknown = self._swept = 0

    def note(self, applied: Sequence[Applied], swept: int) -> None:
        """Count what a committed batch brought."""
        ends = sum(each.ends for each in applied)
        unknown = sum(len(each.unknown) for each in applied)
        if not (ends or unknown or swept):
            return
        self._metrics.count_unbelieved(ends=ends, unknown=unknown, swept=swept)
        self._ends += ends
        self._unknown += unknown
        self._swept += swept
        now = self._clock.monotonic()
        if now - self._said_at < _SAY_EVERY_S:
            return
        runs = [run for each in applied for run in (*each.contradicted, *each.unknown)]
        log.warning(
            "untrusted_statuses",
            contradicted_ends=self._ends,
            unknown_executions=self._unknown,
            swept=self._swept,
            execution_id=runs[0] if runs else None,
        )
        self._said_at = now
        self._ends = self._unknown = self._swept = 0

    def note_not_swept(self, reason: str) -> None:
        """Say that runs which nobody knows could not be forgotten, and why."""
        now = self._clock.monotonic()
        if now - self._not_swept_at >= _SAY_EVERY_S:
            log.warning("runs_not_swept", reason=reason)
            self._not_swept_at = now
