"""Waiting on conditions, never on the clock alone."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.02


def wait_until(
    predicate: Callable[[], T | None], deadline_s: float, what: str, *, every_s: float = POLL_S
) -> T:
    """The first true answer of `predicate`, asked every 20 ms, or more rarely where that costs.

    Raises AssertionError that names `what` when none comes within `deadline_s`.
    """
    end = time.monotonic() + deadline_s
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise AssertionError(f"not within {deadline_s:g} s: {what} (last answer: {answer!r})")
        time.sleep(every_s)
