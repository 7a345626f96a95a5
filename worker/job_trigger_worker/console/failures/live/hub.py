"""One reader of new failures for everybody who watches this instance of the console.

The failure topic says *when* (the tail), the table says *what*: a position is a record id behind
which everything has settled (`storage.queries.feed`), so that nothing is missed whoever commits in
which order, and any instance can go on where another one stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from starlette.concurrency import run_in_threadpool

from job_trigger_worker.clock import Clock
from job_trigger_worker.console.failures.live.catch_up import PAGE, Viewer, end_of_table, from_table
from job_trigger_worker.console.failures.live.recent import Batch, Entry, Recent, bounded
from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.ports import FailureTail
from job_trigger_worker.domain.read_models import EVERYTHING, AsOf, Feed, RecordRow
from job_trigger_worker.errors import TriggerWorkerError
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.read import failure_feed, scope

log = logger(__name__)

BEAT_S = 1.0
"""The table is read at most so often, however many fail and however many watch."""

POLL_S = 2.0
"""And at least so often: the topic may be away, or a transaction still open when it spoke."""

MOST_VIEWERS = 500
MOST_OF_ONE = 10
_READ = 1_000
_READERS = 2
"""Viewers that may read the table at once, so that pages always find a free connection."""


class Hub:
    """Lets viewers wait for failures. Used by the thread of the event loop; `wake` by any.

    It reads while somebody watches: two statements a beat in all. What was read last is shared by
    all who follow closely; whoever is further behind, because they are slow or were away, reads the
    table by their own position and at their own pace, and nobody waits for them.
    """

    def __init__(self, pool: Pool, clock: Clock, no_answer_after_s: int, tail: FailureTail) -> None:
        self._pool = pool
        self._clock = clock
        self._no_answer_after_s = no_answer_after_s
        self._tail = tail
        self._seats: Counter[str] = Counter()
        self._recent: Recent | None = None
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Event()
        self._woken = asyncio.Event()
        self._readers = asyncio.Semaphore(_READERS)
        self.trouble = ""
        """Why the table cannot be read just now; empty while it can."""
        self._is_ending = False

    @property
    def kept(self) -> int:
        """How many failures are in memory."""
        return len(self._recent) if self._recent else 0

    @property
    def viewers(self) -> int:
        """How many watch."""
        return self._seats.total()

    async def now(self) -> int:
        """The position of this moment: what fails from here on is behind it. Raises as reading."""
        return await run_in_threadpool(end_of_table, self._pool, self._as_of())

    def enter(self, login: str) -> None:
        """Take a place for a viewer, until `leave`. Raises a refusal where none is free."""
        if self._is_ending or self.viewers >= MOST_VIEWERS:
            raise problems.no_place()
        if self._seats[login] >= MOST_OF_ONE:
            raise problems.too_many_streams(MOST_OF_ONE)
        self._seats[login] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._follow())

    def leave(self, login: str) -> None:
        """Give a place back; when the last one leaves, reading ends."""
        self._seats[login] -= 1
        if not self._seats[login]:
            del self._seats[login]
        self._woken.set()

    def end(self) -> None:
        """End every stream now, and let nobody in any more."""
        self._is_ending = True
        self._woken.set()
        self._ring()

    async def batch(self, viewer: Viewer, patience_s: float) -> tuple[RecordRow, ...] | None:
        """What is new for a viewer, the oldest first; None when streams end.

        The viewer's position moves behind it. Empty when there was nothing new for `patience_s`, or
        when the table could not be read meanwhile.
        """
        deadline = self._clock_s() + patience_s
        while not self._is_ending:
            turn = self._turn  # before looking, so that nothing happens between
            longest_s = deadline - self._clock_s()
            try:
                found = await self._look(viewer)
            except TriggerWorkerError as error:
                self._say(str(error))
                longest_s = min(longest_s, POLL_S)
            else:
                viewer.position = found.position
                if found.rows:
                    return found.rows
                if not found.is_all:
                    continue
            if self._task is not None and self._task.done():
                self._task.result()  # raises: a fault of ours is not to be waited out
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(longest_s):
                    await turn.wait()
            if self._clock_s() >= deadline and self._turn is turn:
                return ()
        return None

    async def _look(self, viewer: Viewer) -> Batch:
        recent = self._recent
        if recent is None or not recent.covers(viewer.position):
            floor = 0 if recent is None else recent.floor
            async with self._readers:
                return await run_in_threadpool(from_table, self._pool, self._as_of(), viewer, floor)
        if viewer.newest is not None:
            return recent.newest(viewer.position, viewer.scope, viewer.newest)
        return recent.after(viewer.position, viewer.scope, PAGE)

    async def _follow(self) -> None:
        """Read while somebody watches."""
        loop = asyncio.get_running_loop()
        self._tail.begin(lambda: loop.call_soon_threadsafe(self._woken.set))
        try:
            while self._seats and not self._is_ending:
                self._woken.clear()
                if not await self.read():
                    await self._wait(POLL_S)
        finally:
            self._tail.end()
            self._recent = None

    async def _wait(self, longest_s: float) -> None:
        """Until failures have appeared, or `longest_s`; a beat at least while somebody watches."""
        began = self._clock_s()
        try:
            async with asyncio.timeout(longest_s):
                await self._woken.wait()
        except TimeoutError:
            return
        rest = BEAT_S - (self._clock_s() - began)
        if rest > 0 and self._seats and not self._is_ending:
            await asyncio.sleep(rest)

    async def read(self) -> bool:
        """Read what is new once, for all; True when there is more to read at once."""
        try:
            if self._recent is None:
                self._recent = Recent(await self.now())
            recent = self._recent
            found, groups = await run_in_threadpool(self._read, recent.position)
        except TriggerWorkerError as error:
            self._say(str(error))
            return False
        self._say("")
        recent.add(
            [Entry(bounded(row), groups.get(row.job_id, frozenset())) for row in found.rows],
            found.position,
        )
        if found.rows:
            self._ring()
        return len(found.rows) == _READ

    def _read(self, position: int) -> tuple[Feed, dict[int, frozenset[int]]]:
        with self._pool.snapshot() as connection:
            found = failure_feed.failures_after(
                connection, EVERYTHING, self._as_of(), position, limit=_READ
            )
            if not found.rows:
                return found, {}
            return found, scope.groups_of(connection, [row.job_id for row in found.rows])

    def _ring(self) -> None:
        """Wake all who wait."""
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    def _say(self, trouble: str) -> None:
        """One line when reading stops working, and one when it works again."""
        if bool(trouble) != bool(self.trouble):
            if trouble:
                log.warning("live_feed", state="away", reason=trouble)
            else:
                log.info("live_feed", state="reading")
        self.trouble = trouble

    def _as_of(self) -> AsOf:
        return AsOf(self._clock.now(), self._no_answer_after_s)

    @staticmethod
    def _clock_s() -> float:
        return asyncio.get_running_loop().time()
