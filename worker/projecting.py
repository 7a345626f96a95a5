"""Showing records on the platform's jobs (R3), around whatever somebody else has locked.

What a job shows is not the truth, so nobody's trigger waits for it. A job whose row is locked is
noted in the transaction of its records, and shown between two batches as soon as it is free, by
whichever worker comes first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from worker.clock import Clock
from worker.domain.record import Record
from worker.errors import JobsLocked, Refused
from worker.metrics import IntakeMetrics
from worker.storage import lock_holders, projection, reprojections
from worker.storage.engine import Session
from worker.storage.isolation import write_isolated
from worker.storage.reprojections import Note

log = logging.getLogger(__name__)

_PAGE = 500
"""Notes of a transaction: some ten milliseconds between two batches."""

_LOOK_EVERY_S = 5.0
"""Notes that another worker has left are found so soon."""

_TRY_EVERY_S = 0.5
_REST_S = 1.0
"""Between two tries at the least where batches leave notes. Workers that share jobs, because
triggers come without keys, lock them for each other all the time: once a second is enough then."""

_LONGEST_PAUSE_S = 5.0
_SAY_AFTER_S = 2.0
"""For how long a job is behind before it is said: workers lock jobs for each other for less."""

_SAY_EVERY_S = 10.0
_SAY_AGAIN_S = 30.0
_MOST_LINES = 20

# The table itself may be locked: that is for the next try.
_IMPATIENT = text("set local lock_timeout = '100ms'")


class Projector:
    """Shows the records of one loop's batches, and catches up with what was left."""

    def __init__(self, session: Session, metrics: IntakeMetrics, clock: Clock) -> None:
        self._session = session
        self._metrics = metrics
        self._clock = clock
        self._is_deferred = False
        self._waits_for_rows = False
        self._next_s = self._tried_s = clock.monotonic()
        self._pause_s = _TRY_EVERY_S
        self._after = 0
        self._locked: set[int] = set()
        self._said: tuple[int | None, float] | None = None
        self._behind = 0

    def show(self, connection: Connection, batch: Sequence[Record], ids: Mapping[str, int]) -> None:
        """Show new records, in the transaction that writes them; see `projection.project`.

        Raises `JobsLocked` where it would have to wait for longer: `defer`, and write the batch
        again.
        """
        left = projection.project(connection, batch, ids, is_deferred=self._is_deferred)
        if left and not self._is_deferred:
            self._next_s = min(self._next_s, self._tried_s + _REST_S)

    def defer(self) -> None:
        """Show nothing with a batch until it has been possible to catch up: note it only."""
        self._is_deferred = True
        self._next_s = self._clock.monotonic() + self._pause_s

    def catch_up(self) -> None:
        """Show what was left, where it is due: a page at most. Called between two batches.

        Waits for nobody's lock. Raises as any transaction does.
        """
        now = self._clock.monotonic()
        if now < self._next_s:
            return
        try:
            is_more = self._show_page()
        except JobsLocked as error:
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
            self._is_deferred = True
            self._after = 0
            self._say(None, self._who() or str(error), 0)
            is_more, wait_s = False, self._pause_s
        else:
            wait_s = _TRY_EVERY_S if self._behind else _LOOK_EVERY_S
        self._tried_s = self._clock.monotonic()
        self._next_s = self._tried_s + (0.0 if is_more else wait_s)

    def _show_page(self) -> bool:
        """Set columns again from the records; True while there are more notes in this pass."""
        with self._session.transaction() as connection:
            notes = reprojections.page(connection, self._after, _PAGE)
            if notes:
                connection.execute(_IMPATIENT)
                self._reproject(connection, notes)
                self._waits_for_rows = projection.waits_for_rows(connection)
            if len(notes) < _PAGE:
                self._behind = reprojections.count(connection) if notes or self._behind else 0
        if len(notes) == _PAGE:
            self._after = notes[-1].id
            return True
        self._end_pass()
        return False

    def _reproject(self, connection: Connection, notes: Sequence[Note]) -> None:
        locked: set[int] = set()

        def show(job_ids: Sequence[int]) -> None:
            locked.update(projection.reproject(connection, job_ids).locked)

        refused: list[tuple[int, Refused]] = []
        write_isolated(
            connection,
            sorted({note.job_id for note in notes}),
            show,
            lambda job_id, error: refused.append((job_id, error)),
        )
        say_not_shown(refused)
        done = [note.id for note in notes if note.job_id not in locked]
        if done:
            reprojections.forget(connection, done)
        self._locked |= locked
        waiting = {note.job_id for note in notes if note.age_s > _SAY_AFTER_S} & locked
        if waiting:
            found = lock_holders.of_jobs(connection, waiting)
            job_id, holder = found or (min(waiting), "not known")
            self._say(job_id, str(holder), len(waiting))

    def _who(self) -> str:
        """Who has locked what could not be locked, where that is known."""
        with self._session.transaction() as connection:
            return str(lock_holders.alone_with_jobs(connection) or "")

    def _end_pass(self) -> None:
        """Every note has been looked at once since the last call."""
        self._after = 0
        self._pause_s = _TRY_EVERY_S
        self._is_deferred &= self._waits_for_rows and bool(self._locked)
        self._locked.clear()
        self._metrics.note_behind(self._behind)
        if self._said is not None and not self._behind:
            self._said = None
            log.info("action=jobs_shown message='every job shows its newest record again'")

    def _say(self, job_id: int | None, holder: str, jobs: int) -> None:
        """Say whose lock keeps which job behind, once, and now and then again."""
        now = self._clock.monotonic()
        said_id, said_s = self._said or (None, -_SAY_AGAIN_S)
        if now - said_s < (_SAY_AGAIN_S if said_id == job_id else _SAY_EVERY_S):
            return
        self._said = (job_id, now)
        log.warning(
            'action=jobs_locked jobs=%s job=%s holder="%s" message=\'what they show is behind '
            "their records; triggers do not wait for it'",
            "all" if job_id is None else jobs,
            "any" if job_id is None else job_id,
            holder,
        )


def say_not_shown(refused: Sequence[tuple[int, Refused]], left_out: int = 0) -> None:
    """A line for each job whose row the database does not let us change, `_MOST_LINES` at most.

    `trigger-worker jobs reproject` shows them once it does.
    """
    for job_id, error in refused[:_MOST_LINES]:
        log.warning("action=not_shown job=%d reason=%s", job_id, error.message)
    if more := len(refused[_MOST_LINES:]) + left_out:
        log.warning("action=not_shown more=%d", more)
