"""The console of a run, and the link that signs a person in to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from job_trigger_worker.clock import SystemClock
from job_trigger_worker.console.shared.auth.sessions import offer_link
from job_trigger_worker.embedded.child import free_port
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.write import sign_ins

_USUAL = "127.0.0.1:8321"
LOGIN = "demo-admin"
_NAME = "Demo admin"


def listener() -> str:
    """Where the console of a run listens: its usual place if that is free."""
    host, _, port = _USUAL.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return f"{host}:{free_port()}"
    return _USUAL


class ConsoleAccess:
    """Keeps one sign-in link open: a used or old one is followed by another."""

    def __init__(self, pool: Pool, listen: str) -> None:
        self._pool = pool
        self._clock = SystemClock()
        self._address = f"http://{listen}"
        self._path = ""

    def link(self) -> str:
        """A link that can be used now. Raises `Transient` while the database is away."""
        token = self._path.rpartition("/")[2]
        with self._pool.snapshot() as connection:
            is_open = sign_ins.link_is_open(connection, token, now=self._clock.now())
        if not is_open:
            self._path = offer_link(self._pool, self._clock, login=LOGIN, name=_NAME)
        return self._address + self._path


def open_in_browser(link: str) -> bool:
    """Hand a link to this machine's browser; False where there is none to see.

    Not by `webbrowser`: it may choose one that runs in this terminal.
    """
    if sys.platform == "darwin":
        program = "/usr/bin/open"
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        program = "xdg-open"
    else:
        return False
    try:
        subprocess.Popen(  # noqa: S603 - a fixed program, and a link of ours
            [program, link],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    return True
