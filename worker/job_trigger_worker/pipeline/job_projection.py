"""Showing records on the platform's jobs (R3), skipping jobs that are locked or refused.

What a job shows is only a copy, so no trigger waits for it. A job whose row is locked, or which the
database does not let us change, is noted in the transaction of its records, and shown between two
batches as soon as that is possible, by whichever worker comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, text

from job_trigger_worker.clock import Clock, rest_s
from job_trigger_worker.domain.record import Record
from job_trigger_worker.errors import JobsLocked, JobsRefused, Refused
from job_trigger_worker.logs import logger
from job_trigger_worker.metrics import IntakeMetrics
from job_trigger_worker.migrations.prerequisites import JOBS
from job_trigger_worker.storage.db import lock_holders
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import projection, reprojections
from job_trigger_worker.storage.write.bisection import write_isolated
from job_trigger_worker.storage.write.reprojections import Note

log = logger(__name__)

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

_TRY_REFUSED_EVERY_S = 30.0
"""A row that the database does not let us change is left for so long: a person has to fix it."""

_MOST_REFUSED = 20
"""So many refusals without a row between them that is shown: then it is not the rows."""

Item = TypeVar("Item")

# The table itself may be locked: that is for the next try.
_IMPATIENT = text("set local lock_timeout = '100ms'")


class _Refusals(NamedTuple):
    """Jobs that cannot be shown, with the reasons, and those not tried after too many refusals.

    `is_all` where none of several could be shown: then it is hardly the rows.
    """

    refused: list[tuple[int, Refused]]
    untried: list[int]
    is_all: bool

    @property
    def jobs(self) -> set[int]:
        """All of them."""
        return {job_id for job_id, _ in self.refused}.union(self.untried)


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
        self._refused: set[int] = set()
        self._try_refused_s = 0.0
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

    def show_isolated(
        self, connection: Connection, batch: Sequence[Record], ids: Mapping[str, int]
    ) -> None:
        """Show new records, but for the jobs whose row the database does not let us change.

        Those are noted, and never in the way of the records. Where no row can be changed, the next
        batches only note their jobs.
        """
        found = _show_isolated(
            connection,
            batch,
            lambda rows: self.show(connection, rows, ids),
            lambda record: record.trigger.job_id,
        )
        if found.jobs:
            reprojections.note(connection, found.jobs)
        if found.is_all:
            self.defer()
            self._say_refused(found)
        else:
            _say_not_shown(found)

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
        except (JobsLocked, JobsRefused) as error:
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
            self._is_deferred = True
            self._after = 0
            if isinstance(error, JobsLocked):
                self._say(None, self._who() or str(error), 0)
            is_more, wait_s = False, self._pause_s
        else:
            wait_s = _TRY_EVERY_S if self._behind > len(self._refused) else _LOOK_EVERY_S
        self._tried_s = self._clock.monotonic()
        wait_s = max(wait_s, rest_s(self._tried_s - now))
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
        now = self._clock.monotonic()
        if now >= self._try_refused_s:
            self._try_refused_s = now + _TRY_REFUSED_EVERY_S
            self._refused.clear()
        locked: set[int] = set()

        def show(job_ids: Sequence[int]) -> None:
            locked.update(projection.reproject(connection, job_ids).locked)

        jobs = sorted({note.job_id for note in notes} - self._refused)
        found = _show_isolated(connection, jobs, show, int)
        if found.is_all:
            self._say_refused(found)
            raise JobsRefused(found.refused[0][1].message)
        _say_not_shown(found)
        self._refused |= found.jobs
        left = self._refused | locked
        done = [note.id for note in notes if note.job_id not in left]
        if done:
            reprojections.forget(connection, done)
        self._locked |= locked
        waiting = {note.job_id for note in notes if note.age_s > _SAY_AFTER_S} & locked
        if waiting:
            holder = lock_holders.of_jobs(connection, waiting)
            job_id, who = holder or (min(waiting), "not known")
            self._say(job_id, str(who), len(waiting))

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
            log.info("jobs_shown", message="every job shows its newest record again")

    def _say_refused(self, found: _Refusals) -> None:
        """Say that none of these jobs can be shown, and now and then again."""
        now = self._clock.monotonic()
        if self._said is not None and now - self._said[1] < _SAY_AGAIN_S:
            return
        self._said = (None, now)
        log.warning(
            "not_shown",
            jobs=len(found.jobs),
            view=JOBS,
            reason=found.refused[0][1],
            message=(
                "what they show is behind their records; triggers do not wait for it. It is "
                "tried again; `trigger-worker platform check` names the rows for which the "
                "view raises"
            ),
        )

    def _say(self, job_id: int | None, holder: str, jobs: int) -> None:
        """Log whose lock keeps which job behind, once, and again from time to time."""
        now = self._clock.monotonic()
        said_id, said_s = self._said or (None, -_SAY_AGAIN_S)
        if now - said_s < (_SAY_AGAIN_S if said_id == job_id else _SAY_EVERY_S):
            return
        self._said = (job_id, now)
        log.warning(
            "jobs_locked",
            jobs="all" if job_id is None else jobs,
            job_id="any" if job_id is None else job_id,
            holder=holder,
            message="what they show is behind their records; triggers do not wait for it",
        )


def _show_isolated(
    connection: Connection,
    items: Sequence[Item],
    show: Callable[[Sequence[Item]], None],
    job_of: Callable[[Item], int],
) -> _Refusals:
    """Show all but what the database refuses; after too many in a row the rest is not tried."""
    refused: list[tuple[int, Refused]] = []
    untried: list[int] = []
    in_a_row = 0

    def show_some(some: Sequence[Item]) -> None:
        nonlocal in_a_row
        if in_a_row >= _MOST_REFUSED:
            untried.extend(map(job_of, some))
            return
        show(some)
        in_a_row = 0

    def refuse(item: Item, error: Refused) -> None:
        nonlocal in_a_row
        in_a_row += 1
        refused.append((job_of(item), error))

    write_isolated(connection, items, show_some, refuse)
    is_all = len(refused) > 1 and len(refused) + len(untried) == len(items)
    return _Refusals(refused, untried, is_all)


def _say_not_shown(found: _Refusals) -> None:
    """A line for each job whose row the database does not let us change, `_MOST_LINES` at most."""
    for job_id, error in found.refused[:_MOST_LINES]:
        log.warning("not_shown", job_id=job_id, view=JOBS, reason=error)
    if more := len(found.refused[_MOST_LINES:]) + len(found.untried):
        log.warning("not_shown", more=more, view=JOBS)
