"""A worker that dies, or freezes, at a step of its own, driven by an environment variable.

Nothing in the product knows of it; the product refuses to start where the variable is set. It is
`ARMED`, a program around the product's own entry point, that takes the variable.
"""

import functools
import importlib
import itertools
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, Literal

from job_trigger_worker.clock import SystemClock
from job_trigger_worker.config import FOR_TESTS

CRASH_AT = f"{FOR_TESTS}CRASH_AT"
CLOCK_SHIFT_S = f"{FOR_TESTS}CLOCK_SHIFT_S"

ARMED = f"from {__name__} import main; main()"
"""A program for `python -c`, run in the root of the repository: the worker, armed."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Where a process ends itself: at the n-th call of a function of the product.

    Made by `before` and `after`, which take the function itself. `first` names a method of the same
    object that is called before the end, with no argument. Only calls in threads with `thread` in
    their name count: each of the worker's loops has its topic there. Give `environment()` to a
    process that runs `ARMED`.
    """

    place: str
    moment: Literal["before", "after"]
    nth: int = 1
    sent: signal.Signals = signal.SIGKILL
    first: str = ""
    thread: str = ""

    @classmethod
    def before(cls, function: Callable[..., Any], **how: Any) -> "Crash":
        """When the function is called. `how` are the other fields, and `within`.

        `within` is the module that calls a function which it has imported by name.
        """
        return cls._at(function, "before", **how)

    @classmethod
    def after(cls, function: Callable[..., Any], **how: Any) -> "Crash":
        """When the function returns; see `before`."""
        return cls._at(function, "after", **how)

    @classmethod
    def _at(
        cls,
        function: Callable[..., Any],
        moment: Literal["before", "after"],
        *,
        within: ModuleType | None = None,
        **how: Any,
    ) -> "Crash":
        module = function.__module__ if within is None else within.__name__
        return cls(f"{module}:{function.__qualname__}", moment, **how)

    def environment(self) -> dict[str, str]:
        """What a process that runs `ARMED` is told by."""
        words = (self.place, self.moment, str(self.nth), self.sent.name, self.first, self.thread)
        return {CRASH_AT: " ".join(words)}

    @classmethod
    def of(cls, text: str) -> "Crash":
        """What `environment` said."""
        place, moment, nth, sent, first, thread = text.split(" ")
        assert moment in ("before", "after"), text
        when: Literal["before", "after"] = "before" if moment == "before" else "after"
        return cls(place, when, int(nth), signal.Signals[sent], first, thread)

    def arm(self) -> None:
        """Put it in its place, in this process."""
        where, _, path = self.place.partition(":")
        module: Any = importlib.import_module(where)
        *parents, name = path.split(".")
        owner = functools.reduce(getattr, parents, module)
        armed = self._around(getattr(owner, name))
        try:
            setattr(owner, name, armed)
        except TypeError:  # a class of an extension: one below it takes its place
            (kind,) = parents
            setattr(module, kind, type(kind, (owner,), {name: armed}))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        calls = itertools.count(1)

        @functools.wraps(function)
        def wrapped(*args: Any, **named: Any) -> Any:
            if self.thread not in threading.current_thread().name:
                return function(*args, **named)
            is_now = next(calls) == self.nth
            if is_now and self.moment == "before":
                self._end(args)
            result = function(*args, **named)
            if is_now and self.moment == "after":
                self._end(args)
            return result

        return wrapped

    def _end(self, args: tuple[Any, ...]) -> None:
        if self.first:
            getattr(args[0], self.first)()
        # To this thread: a SIGSTOP that another one takes up lets this one go on for a moment.
        signal.pthread_kill(threading.get_ident(), self.sent)


def shift_clock(seconds: float) -> None:
    """Let the product's clock be wrong by so much, in this process.

    SIGUSR1 sets it right, and the next one wrong again.
    """
    right = SystemClock.now
    shift = timedelta(seconds=seconds)

    def now(clock: SystemClock) -> datetime:
        return right(clock) + shift

    def turn(*_: object) -> None:
        nonlocal shift
        shift = timedelta(seconds=0 if shift else seconds)

    signal.signal(signal.SIGUSR1, turn)

    setattr(SystemClock, "now", now)  # noqa: B010 - mypy would refuse the plain form


def main() -> None:
    """The command line, with what the environment says of a crash and of the clock."""
    crash = os.environ.pop(CRASH_AT, "")
    shift = os.environ.pop(CLOCK_SHIFT_S, "")
    if crash:
        Crash.of(crash).arm()
    if shift:
        shift_clock(float(shift))
    from job_trigger_worker.cli import main as product  # noqa: PLC0415 - when everything is in its place

    product()
