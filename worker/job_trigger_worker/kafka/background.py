"""A thread beside a loop, for what it will need next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")

_LAST_WAIT_S = 2.0


class Background(Generic[Result]):
    """Runs calls one after another. A result that nobody asks for any more is forgotten."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Result], Future[Result]] | None] = SimpleQueue()
        self._is_closed = False
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def start(self, call: Callable[[], Result]) -> Future[Result]:
        """Run a call when those before it have ended; what it raises is in its future."""
        future: Future[Result] = Future()
        self._calls.put((call, future))
        return future

    def close(self) -> None:
        """End with the call that is running; waits for that a little, and begins no other."""
        self._is_closed = True
        self._calls.put(None)
        self._thread.join(_LAST_WAIT_S)

    def _serve(self) -> None:
        while (each := self._calls.get()) is not None:
            call, future = each
            if self._is_closed:
                return
            try:
                future.set_result(call())
            except BaseException as failure:  # noqa: BLE001 - the caller's, with its result
                future.set_exception(failure)
