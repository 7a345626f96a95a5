"""One open stream: who it is for, whether they still may, and what they get."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Header, Query, Request
from starlette.concurrency import run_in_threadpool

from worker.domain.access import Principal
from worker.domain.reading import RecordRow
from worker.errors import Transient
from worker.web.asking import console, scope_of
from worker.web.live.following import Viewer
from worker.web.live.frames import EventStream
from worker.web.problems import Refusal

CHECK_S = 20.0
"""How long after signing out, or losing a group, somebody may still be told something."""

_ID = r"^[0-9]{1,18}$"
After = Annotated[
    str | None, Query(pattern=_ID, description="Begin behind this record id; else with what comes.")
]
LastEventId = Annotated[
    str | None, Header(pattern=_ID, description="Go on behind this event; wins over `after`.")
]


class Watch:
    """What the events of a stream are made from; lasts as long as the stream."""

    def __init__(self, request: Request, principal: Principal, viewer: Viewer) -> None:
        self.viewer = viewer
        self._request = request
        self._console = console(request)
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
    ) -> Watch:
        """Begin behind what a browser that comes back has seen last, else behind `after`, else now.

        Raises what reading raises, before anything is answered.
        """
        given = last_event_id or after
        position = int(given) if given else await console(request).hub.now()
        return cls(request, principal, Viewer(scope_of(principal), position, newest))

    def answer(self, events: AsyncGenerator[bytes, None]) -> EventStream:
        """The answer that sends these. Raises a refusal where no place is free."""
        hub, login = self._console.hub, self._login
        hub.enter(login)
        return EventStream(events, lambda: hub.leave(login))

    async def batch(self, patience_s: float) -> tuple[RecordRow, ...] | None:
        """What is new, the oldest first; empty where nothing came for `patience_s`.

        None when streams end, or whoever watches has signed out or may not any more.
        """
        if not await self._still_may():
            return None
        return await self._console.hub.batch(self.viewer, min(patience_s, CHECK_S))

    async def _still_may(self) -> bool:
        """Ask now and then who it is; while nobody can say, nothing can be read either."""
        if time.monotonic() - self._checked_at < CHECK_S:
            return True
        try:
            signed_in = await run_in_threadpool(self._console.identify, self._request, is_use=False)
        except Transient:
            return True
        except Refusal:
            return False
        if signed_in is None:
            return False
        self.viewer.scope = scope_of(signed_in.principal)
        self._checked_at = time.monotonic()
        return True
