"""What many people want at the same time, computed once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Value = TypeVar("Value")

_REST = 50
"""How many times longer values last than all of them together take to make."""

_MOST = 256


@dataclass(slots=True)
class _Made(Generic[Value]):
    task: asyncio.Task[Value]
    began_s: float
    took_s: float = 0.0
    ended_s: float = field(default=float("inf"))


class SingleFlightCache(Generic[Value]):
    """Values by key, each made by one of those who ask while the others wait for it.

    A value lasts `lasts_s`, longer where all together take long to make: a fiftieth of the time is
    spent on it at most, however many keys there are. What could not be made is not kept. Used by
    the thread of the event loop.
    """

    def __init__(self, lasts_s: float) -> None:
        self._lasts_s = lasts_s
        self._made: dict[Hashable, _Made[Value]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Value]]) -> Value:
        """The value of a key. Raises what making it raises, to all who wait."""
        loop = asyncio.get_running_loop()
        made = self._made.get(key)
        if made is None or loop.time() - made.ended_s >= self._lasts():
            self._forget(loop.time())
            made = self._made[key] = _Made(loop.create_task(_made(make)), loop.time())
            made.task.add_done_callback(lambda _, it=made: self._note(key, it))  # type: ignore[misc]
        # Whoever leaves while it is made takes it away from nobody.
        return await asyncio.shield(made.task)

    def _lasts(self) -> float:
        return max(self._lasts_s, _REST * sum(each.took_s for each in self._made.values()))

    def _note(self, key: Hashable, made: _Made[Value]) -> None:
        made.ended_s = asyncio.get_running_loop().time()
        made.took_s = made.ended_s - made.began_s
        if made.task.cancelled() or made.task.exception() is not None:
            self._made.pop(key, None)

    def _forget(self, now: float) -> None:
        """Let go of what nobody has asked for in a long time."""
        lasts = 2 * self._lasts()
        for key in [key for key, each in self._made.items() if now - each.ended_s > lasts]:
            del self._made[key]
        while len(self._made) >= _MOST:
            del self._made[next(iter(self._made))]


async def _made(make: Callable[[], Awaitable[Value]]) -> Value:
    return await make()
