"""A worker that dies, or freezes, at a step of its own. Nothing in the product knows of it."""

import functools
import importlib
import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Crash:
    """Where a process ends itself: at the n-th call of a function of the product.

    `place` is `module:function` or `module:Class.function`. Pass `program()` to `WorkerProcess`.
    """

    place: str
    moment: Literal["before", "after"]
    nth: int = 1
    sent: signal.Signals = signal.SIGKILL

    def program(self) -> str:
        """A program for `python -c`, run in the root of the repository: the worker, armed."""
        return (
            f"import signal; from {__name__} import Crash; from worker.cli import main; "
            f"Crash({self.place!r}, {self.moment!r}, {self.nth}, signal.{self.sent.name}).arm(); "
            "main()"
        )

    def arm(self) -> None:
        """Put it in its place, in this process."""
        module, _, path = self.place.partition(":")
        owner: Any = importlib.import_module(module)
        *parents, name = path.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        calls = itertools.count(1)

        @functools.wraps(function)
        def wrapped(*args: Any, **named: Any) -> Any:
            is_now = next(calls) == self.nth
            if is_now and self.moment == "before":
                os.kill(os.getpid(), self.sent)
            result = function(*args, **named)
            if is_now and self.moment == "after":
                os.kill(os.getpid(), self.sent)
            return result

        return wrapped
