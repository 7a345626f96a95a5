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

from job_trigger_worker.console.failures.html import NEWEST, sum_values
from job_trigger_worker.console.failures.live import stats
from job_trigger_worker.console.failures.live.catch_up import Viewer
from job_trigger_worker.console.failures.live.frames import (
    BEAT_S,
    EventStream,
    frame,
    heartbeat,
    opening,
)
from job_trigger_worker.console.failures.live.state import SUMS_S, live
from job_trigger_worker.console.failures.live.stats import FailureStats, Span
from job_trigger_worker.console.failures.live.subscription import After, LastEventId, Subscription
from job_trigger_worker.console.shared.dependencies import console
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.rendering import Page
from job_trigger_worker.console.shared.state import Console
from job_trigger_worker.domain.read_models import Scope
from job_trigger_worker.errors import TriggerWorkerError

router = APIRouter(include_in_schema=False)

QUIET_S = 30.0
"""How often sums follow while nothing fails; `SUMS_S` while something does."""


@router.get("/failures/stream")
async def stream(
    request: Request,
    viewer: Viewing,
    span: str = "",
    after: After = None,
    last_event_id: LastEventId = None,
) -> EventStream:
    """Follow what the page shows: `rows` for its list of the newest, and `sums`."""
    watch = await Subscription.begin(request, viewer, after, last_event_id, NEWEST)
    view, _ = console(request).pages.page(request)
    # Nothing on it is of one person alone: it is shared.
    shared = replace(view, principal=None, form_token="")
    return watch.answer(_events(request, watch, shared, stats.span_of(span)))


async def _events(
    request: Request, watch: Subscription, view: Page, span: Span
) -> AsyncGenerator[bytes, None]:
    telling = live(request).telling
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
        yield b"".join(parts) or heartbeat(watch.viewer.position)


async def _sums(request: Request, viewer: Viewer, view: Page, span: Span) -> list[bytes]:
    """The event that brings the sums; none while they cannot be read."""
    made, shared, scope = console(request), live(request), viewer.scope

    async def values() -> FailureStats:
        return await run_in_threadpool(_read, made, scope, span)

    try:
        found = await shared.sums.get((scope, span.key), values)
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
    return [frame("sums", await shared.sum_parts.get(key, part), viewer.position)]


def _read(made: Console, scope: Scope, span: Span) -> FailureStats:
    with made.pool.snapshot() as connection:
        return stats.read(connection, scope, span, made.clock.now())
