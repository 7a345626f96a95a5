"""One open stream: who it is for, whether they still may, and what they get."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Header, Query, Request
from starlette.concurrency import run_in_threadpool

from job_trigger_worker.console.failures.live.catch_up import Viewer
from job_trigger_worker.console.failures.live.frames import EventStream
from job_trigger_worker.console.failures.live.state import live
from job_trigger_worker.console.shared.dependencies import console, scope_of
from job_trigger_worker.console.shared.problems import Refusal
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.read_models import RecordRow
from job_trigger_worker.errors import Transient

CHECK_S = 20.0
"""How long after signing out, or losing a group, somebody may still be told something."""

_ID = r"^[0-9]{1,18}$"
After = Annotated[
    str | None, Query(pattern=_ID, description="Begin behind this record id; else with what comes.")
]
LastEventId = Annotated[
    str | None, Header(pattern=_ID, description="Go on behind this event; wins over `after`.")
]


class Subscription:
    """What the events of a stream are made from; lasts as long as the stream."""

    def __init__(self, request: Request, principal: Principal, viewer: Viewer) -> None:
        self.viewer = viewer
        self._request = request
        self._identify, self._hub = console(request).identify, live(request).hub
        self._login = principal.login
        self._checked_at = time.monotonic()

    @classmethod
    async def begin(
        cls,
        request: Request,
        principal: Principal,
        after: str | None,
        last_event_id: str | None,
        newest: int | None = None,
    ) -> Subscription:
        """Begin behind what a browser that comes back has seen last, else behind `after`, else now.

        Raises what reading raises, before anything is answered.
        """
        given = last_event_id or after
        position = int(given) if given else await live(request).hub.now()
        return cls(request, principal, Viewer(scope_of(principal), position, newest))

    def answer(self, events: AsyncGenerator[bytes, None]) -> EventStream:
        """The answer that sends these. Raises a refusal where no place is free."""
        hub, login = self._hub, self._login
        hub.enter(login)
        return EventStream(events, lambda: hub.leave(login))

    async def batch(self, patience_s: float) -> tuple[RecordRow, ...] | None:
        """What is new, the oldest first; empty where nothing came for `patience_s`.

        None when streams end, or whoever watches has signed out or may not any more.
        """
        if not await self._still_may():
            return None
        return await self._hub.batch(self.viewer, min(patience_s, CHECK_S))

    async def _still_may(self) -> bool:
        """Ask now and then who it is; while nobody can say, nothing can be read either."""
        if time.monotonic() - self._checked_at < CHECK_S:
            return True
        try:
            signed_in = await run_in_threadpool(self._identify, self._request, is_use=False)
        except Transient:
            return True
        except Refusal:
            return False
        if signed_in is None:
            return False
        self.viewer.scope = scope_of(signed_in.principal)
        self._checked_at = time.monotonic()
        return True
