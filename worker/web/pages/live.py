"""The stream of the failures page: new rows for its list, and its sums at a calm rhythm.

Made for many who look at the same: a row is put into words once for all who read one language in
one zone, and sums are read once for all who may see the same, and put on the page once, too.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import replace

import orjson
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from worker.domain.reading import Scope
from worker.errors import TriggerWorkerError
from worker.web.access import Viewing
from worker.web.asking import console
from worker.web.live import sums
from worker.web.live.following import Viewer
from worker.web.live.frames import BEAT_S, EventStream, beat, frame, opening
from worker.web.live.sums import Span, Sums
from worker.web.live.watching import After, LastEventId, Watch
from worker.web.pages.failures import NEWEST, sum_values
from worker.web.rendering import Page
from worker.web.state import Console

router = APIRouter(include_in_schema=False)

SUMS_S = 5.0
"""How often sums follow while something fails; `QUIET_S` while nothing does."""

QUIET_S = 30.0


@router.get("/failures/stream")
async def stream(
    request: Request,
    viewer: Viewing,
    span: str = "",
    after: After = None,
    last_event_id: LastEventId = None,
) -> EventStream:
    """Follow what the page shows: `rows` for its list of the newest, and `sums`."""
    watch = await Watch.begin(request, viewer, after, last_event_id, NEWEST)
    view, _ = console(request).pages.page(request)
    # Nothing on it is of one person alone: it is shared.
    shared = replace(view, principal=None, form_token="")
    return watch.answer(_events(request, watch, shared, sums.span_of(span)))


async def _events(
    request: Request, watch: Watch, view: Page, span: Span
) -> AsyncGenerator[bytes, None]:
    telling = console(request).telling
    is_new, summed_at = False, time.monotonic()
    yield opening()
    while (rows := await watch.batch(SUMS_S if is_new else BEAT_S)) is not None:
        parts = []
        if rows:
            is_new = True
            told = [telling.for_page(row, view.language, view.zone) for row in rows]
            parts.append(frame("rows", b"[" + b",".join(told) + b"]", watch.viewer.position))
        passed_s = time.monotonic() - summed_at
        if passed_s >= (SUMS_S if is_new else QUIET_S):
            is_new, summed_at = False, time.monotonic()
            parts += await _sums(request, watch.viewer, view, span)
        yield b"".join(parts) or beat(watch.viewer.position)


async def _sums(request: Request, viewer: Viewer, view: Page, span: Span) -> list[bytes]:
    """The event that brings the sums; none while they cannot be read."""
    made, scope = console(request), viewer.scope

    async def values() -> Sums:
        return await run_in_threadpool(_read, made, scope, span)

    try:
        found = await made.sums.get((scope, span.key), values)
    except TriggerWorkerError:
        return []  # the hub says why, and the next turn tries again

    async def part() -> bytes:
        shown = replace(view, now=found.at)
        content = sum_values(found, view.words, span)
        names = {"sums": "failures_sums.html", "codes": "failures_codes.html"}
        return orjson.dumps(
            {
                part: await run_in_threadpool(made.pages.text, shown, name, content)
                for part, name in names.items()
            }
        )

    key = (found.at, scope, span.key, view.language, view.zone.key)
    return [frame("sums", await made.sum_parts.get(key, part), viewer.position)]


def _read(made: Console, scope: Scope, span: Span) -> Sums:
    with made.pool.snapshot() as connection:
        return sums.read(connection, scope, span, made.clock.now())
