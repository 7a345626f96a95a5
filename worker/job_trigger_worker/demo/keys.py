"""Single key presses from a terminal, which gets its settings back in every case."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from typing import Any, Self


class Keys:
    """Reads keys as they are pressed. A context manager; without a terminal it only waits."""

    def __init__(self) -> None:
        self._fd: int | None = None
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        if sys.stdin.isatty():
            self._fd = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)  # signals of Ctrl-C and Ctrl-Z stay as they are
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
            self._fd = None

    def wait(self, timeout_s: float) -> str:
        """What was pressed within `timeout_s`, in lower case; empty when nothing was."""
        if self._fd is None:
            time.sleep(timeout_s)
            return ""
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if not ready:
            return ""
        pressed = os.read(self._fd, 64)
        if not pressed:  # the terminal has gone; the caller is told by SIGHUP
            time.sleep(timeout_s)
        return pressed.decode(errors="ignore").lower()
