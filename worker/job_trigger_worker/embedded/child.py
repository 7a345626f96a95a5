"""A child process that never outlives its parent, however the parent ends."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_LEASH = 'read -r _; kill -KILL "$1" 2>/dev/null'
"""Waits until the parent's end of the pipe closes, then kills. The alternative on Linux,
PR_SET_PDEATHSIG, fires when the *thread* that forked ends and needs a hook between fork and exec,
which a process with threads must not have."""


_PORTS = range(20_000, 32_768)
"""Below those that Linux and macOS give to connections going out."""

_PORTS_TRIED = 100

_PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT
"""Look whether it ended without freeing its id."""


class Child:
    """One process, started at once.

    It has a session of its own: Ctrl-C in a terminal ends the parent, which then stops its children
    in its own order. Standard output and error go to the end of `log_path`. When the parent dies of
    anything, SIGKILL included, a small shell that holds the other end of a pipe kills it.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log_path: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        self._leash = subprocess.Popen(  # noqa: S603 - a constant script and a number
            ["/bin/sh", "-c", _LEASH, "leash", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process's id, for people and for signals."""
        return self._process.pid

    def exit_status(self) -> int | None:
        """None while it runs; otherwise its status, negative for a signal."""
        if self._process.returncode is None and not self._has_ended():
            return None
        self._let_go()  # before its id is free for another process
        return self._process.poll()

    def send(self, sent: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended already."""
        self._process.send_signal(sent)

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status, or None when it still runs after `timeout_s`."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        self._let_go()
        return self._process.returncode

    def stop(self, timeout_s: float) -> int:
        """SIGTERM, then SIGKILL after `timeout_s`; returns its exit status."""
        self.send(signal.SIGTERM)
        status = self.wait(timeout_s)
        return self.kill() if status is None else status

    def kill(self) -> int:
        """SIGKILL, which also ends a stopped (SIGSTOP) process; returns its exit status."""
        self._let_go()
        self.send(signal.SIGKILL)
        return self._process.wait()

    def _has_ended(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, self.pid, _PEEK) is not None
        return True

    def _let_go(self) -> None:
        if self._leash.returncode is None:
            self._leash.kill()
            self._leash.wait()
            if self._leash.stdin is not None:
                self._leash.stdin.close()


def last_lines(log_path: Path, lines: int = 15) -> str:
    """The end of a log, for an error message; at most 64 KiB of it are read."""
    if not log_path.exists():
        return ""
    with log_path.open("rb") as log:
        log.seek(max(0, log_path.stat().st_size - 65_536))
        text = log.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def free_port() -> int:
    """A loopback port that nobody had a moment ago, and that no connection going out is given.

    So a server that is started again finds its port as it left it. Raises `OSError` where many
    ports in a row are taken.
    """
    for port in random.sample(_PORTS, _PORTS_TRIED):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"{_PORTS_TRIED} ports from {_PORTS.start} to {_PORTS.stop - 1} are all taken")
