"""Exports: everything that matches a filter, page by page, in little memory.

Each page is read in a snapshot of its own and its connection given back before a byte is sent, so a
slow reader holds nothing. Lists go by keyset, so a row is neither lost nor repeated on the way; of
what is written meanwhile, nothing is promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from typing import TypeVar

from fastapi import Request
from sqlalchemy import Connection

from job_trigger_worker.clock import Clock
from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.limits import Limiter
from job_trigger_worker.domain.read_models import Page
from job_trigger_worker.errors import Transient, TriggerWorkerError
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.db.pool import Pool

log = logger(__name__)

Row = TypeVar("Row")

_AT_ONCE = 2
_BURST = 6
_REFILL_S = 20.0
_PATIENCE_S = 15.0
_LONGEST_PAGE_S = 60.0


def exports(request: Request) -> Exports:
    """What the routes of exports work with, made once when the console starts."""
    found: Exports = request.app.state.exports
    return found


class Exports:
    """Reads two pages at once for all exports, so that they leave connections to people.

    A user may begin six exports at once, and one more every 20 s.
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._limit = Limiter(clock, burst=_BURST, refill_s=_REFILL_S)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="export")

    def begin(
        self,
        login: str,
        read: Callable[[Connection, str | None], Page[Row]],
        write: Callable[[tuple[Row, ...]], bytes],
        head: bytes = b"",
    ) -> AsyncIterator[bytes]:
        """Read the first page, and answer all of them as bytes behind `head`.

        `read` gets the `next` of the page before. Raises a refusal for too many exports, and what
        the first page raises; later pages raise in the midst of the answer, which then ends without
        its last chunk, so that no client takes it for whole.
        """
        wait_s = self._limit.take(login)
        if wait_s:
            raise problems.too_many(wait_s)

        def page(after: str | None) -> tuple[bytes, str | None]:
            with self._pool.snapshot() as connection:
                found = read(connection, after)
            return write(found.rows), found.next

        reading = self._threads.submit(page, None)
        try:
            first, after = reading.result(_PATIENCE_S)
        except TooLate:
            reading.cancel()
            raise Transient("Other exports took all the time.") from None
        return self._pages(page, head + first, after)

    async def _pages(
        self,
        page: Callable[[str | None], tuple[bytes, str | None]],
        first: bytes,
        after: str | None,
    ) -> AsyncIterator[bytes]:
        yield first
        while after is not None:
            reading = self._threads.submit(page, after)
            try:
                async with asyncio.timeout(_LONGEST_PAGE_S):
                    chunk, after = await asyncio.wrap_future(reading)
            except (TriggerWorkerError, TimeoutError) as error:
                log.warning("export_broken_off", reason=error)
                raise
            if chunk:
                yield chunk
