"""The wire form of a stream of events (WHATWG HTML, server-sent events)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from random import uniform

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

BEAT_S = 15.0
"""A stream says at least so often that it is alive, so that no proxy takes it for dead."""

_RETRY_S = (1.0, 4.0)


class EventStream(StreamingResponse):
    """An answer that goes on until its events end or its reader leaves; then `leave` is called."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], leave: Callable[[], None]) -> None:
        # nginx would hold events back until its buffer is full.
        super().__init__(events, headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
        self._events = events
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            async with aclosing(self._events):
                await super().__call__(scope, receive, send)
        finally:
            self._leave()


def frame(event: str, data: bytes, position: int) -> bytes:
    """One event. `data` has no line end; whoever comes back after it says `position`."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (position, event.encode(), data)


def heartbeat(position: int) -> bytes:
    """Nothing new; whoever comes back need not look again before `position`."""
    return b": nothing new\nid: %d\n\n" % position


def opening() -> bytes:
    """The first bytes: when to come back after a break, not everybody at the same moment."""
    return b"retry: %d\n\n" % int(uniform(*_RETRY_S) * 1000)  # noqa: S311 - spreads, hides nothing
