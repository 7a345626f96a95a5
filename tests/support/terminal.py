"""A command on a terminal of its own, as a person has it: its screen, its keys, its end."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import Self

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
_HOME = "\x1b[H"


class Terminal:
    """Runs a command on a pseudo-terminal of `columns` by `rows`; a context manager."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 100,
        rows: int = 30,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.settings_before = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            command,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=os.environ | {"TERM": "xterm-256color"} | dict(env or {}),
            preexec_fn=_own_terminal,  # noqa: PLW1509 - so that Ctrl-C on it reaches the command
            start_new_session=True,
        )
        self._output = bytearray()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._slave)
        os.close(self._master)
        self._reader.join(5)

    def press(self, keys: str) -> None:
        """Type on it; Ctrl-C is "\\x03"."""
        os.write(self._master, keys.encode())

    def settings(self) -> list[object]:
        """What `settings_before` held, as it is now."""
        return termios.tcgetattr(self._slave)

    def text(self) -> str:
        """Everything written so far, without control sequences."""
        return _CONTROL.sub("", self._output.decode(errors="ignore"))

    def screen(self) -> list[str]:
        """The last frame that was drawn whole, row by row; for programs that draw from the top."""
        frames = self._output.decode(errors="ignore").split(_HOME)
        frame = frames[-2] if len(frames) > 2 else ""
        return [row.rstrip() for row in _CONTROL.sub("", frame).split("\n")]

    def wait(self, timeout_s: float) -> tuple[int, float]:
        """Its exit status, and how many seconds it took from now."""
        began = time.monotonic()
        status = self.process.wait(timeout_s)
        return status, time.monotonic() - began

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._master, 65_536)
            except OSError:
                return
            if not piece:
                return
            self._output += piece


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
