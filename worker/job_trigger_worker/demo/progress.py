"""What a start is doing and what it waits for: a line a step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text


class Progress(Protocol):
    """Is told of steps, also from several threads at once."""

    def begin(self, step: str, waits_for: str) -> None:
        """A step has begun."""

    def done(self, step: str, words: str) -> None:
        """It has ended well; `words` say what is there now."""


@contextmanager
def doing(progress: Progress, step: str, waits_for: str) -> Iterator[list[str]]:
    """A step for the length of a block, which may put the words of its end into the list."""
    words: list[str] = []
    progress.begin(step, waits_for)
    yield words
    progress.done(step, " ".join(words) or "ready")


class PlainProgress:
    """Lines, one when a step has ended, with its seconds; for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began: dict[str, float] = {}
        self._lock = Lock()

    def begin(self, step: str, waits_for: str) -> None:
        """See `Progress.begin`."""
        with self._lock:
            self._began[step] = time.monotonic()

    def done(self, step: str, words: str) -> None:
        """See `Progress.done`."""
        with self._lock:
            took_s = time.monotonic() - self._began[step]
            line = f"{took_s:5.1f} s  {step:<14} {words}"
            self._console.print(line, markup=False, soft_wrap=True)


class LiveProgress:
    """The same on a terminal: each step's line is there from its beginning. A context manager."""

    def __init__(self, console: Console) -> None:
        self._steps: dict[str, tuple[float, float | None, str]] = {}
        self._lock = Lock()
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=8, transient=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, step: str, waits_for: str) -> None:
        """See `Progress.begin`."""
        with self._lock:
            self._steps[step] = (time.monotonic(), None, waits_for)

    def done(self, step: str, words: str) -> None:
        """See `Progress.done`."""
        with self._lock:
            began, _, _ = self._steps[step]
            self._steps[step] = (began, time.monotonic() - began, words)

    def _render(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", width=7)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="ellipsis", no_wrap=True)
        with self._lock:
            steps = list(self._steps.items())
        for step, (began, took_s, words) in steps:
            if took_s is None:
                seconds = Text(f"{time.monotonic() - began:.1f} s", "yellow")
                table.add_row(seconds, step, Text(f"{words} …", "dim"))
            else:
                table.add_row(Text(f"{took_s:.1f} s ✓", "green"), step, Text(words))
        return table
