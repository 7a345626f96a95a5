"""The demo as a person sees it: the view, its keys, and the orderly end."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event as Flag

from rich.console import Console
from rich.live import Live
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.demo import platform as demo_platform
from job_trigger_worker.demo.inventory import server_name
from job_trigger_worker.demo.keys import Keys
from job_trigger_worker.demo.live_view import Scene, line, screen
from job_trigger_worker.demo.measurements import Measurements
from job_trigger_worker.demo.scheduler import DemoSender, Scheduler
from job_trigger_worker.demo.sign_in_link import open_in_browser
from job_trigger_worker.demo.stack import Stack
from job_trigger_worker.demo.summary import Summary, summarise
from job_trigger_worker.errors import Transient

_FRAME_S = 0.25
_LINE_S = 5.0
_NOTE_S = 12.0
_SETTLE_S = 1.0
_POLL_S = 0.05
_LINK_S = 2.0


class InteractiveDemo:
    """A running demo. `run` returns when `stopping` is set or [q] was pressed."""

    def __init__(
        self, stack: Stack, console: Console, stopping: Flag, *, began: float, has_screen: bool
    ) -> None:
        self._stack = stack
        self._console = console
        self._stopping = stopping
        self._began = began
        self._has_screen = has_screen
        self._turn = 0
        self._is_off = False
        self._note = ""
        self._noted_at = 0.0
        self._shell = f"{stack.folder.env_command} && {_program()} audit"
        self._scheduler = Scheduler(DemoSender(stack.kafka))
        self._readings = Measurements(stack)
        self._link = ""
        self._linked_at = 0.0

    def run(self) -> None:
        """Fire triggers and show what happens to them."""
        self._scheduler.start()
        if self._has_screen:
            self._show_screen()
        else:
            self._print_lines()

    def close(self) -> Summary:
        """Fire no more, let what was fired settle, end worker and streams; what is left then."""
        self._scheduler.stop()
        deadline = time.monotonic() + _SETTLE_S
        while time.monotonic() < deadline and not self._is_settled():
            time.sleep(_POLL_S)
        self._readings.stop()
        self._stack.stop_processes()
        return summarise(self._stack.engine)

    def _is_settled(self) -> bool:
        reading = self._readings.latest
        return reading.in_topic == 0 and reading.counts.waiting == 0

    def _show_screen(self) -> None:
        with (
            Keys() as keys,
            Live(console=self._console, screen=True, auto_refresh=False) as live,
        ):
            while not self._stopping.is_set():
                size = self._console.size
                view = screen(self._readings.latest, self._scene(), size.width, size.height)
                live.update(view, refresh=True)
                for key in keys.wait(_FRAME_S):
                    self._press(key)

    def _print_lines(self) -> None:
        self._console.print(f"Open {self._stack.door.link()} (signs you in once)", soft_wrap=True)
        while not self._stopping.wait(_LINE_S):
            self._console.print(
                line(self._readings.latest, self._scene()), markup=False, soft_wrap=True
            )

    def _scene(self) -> Scene:
        worker = self._stack.worker
        self._renew_link()
        is_fresh = time.monotonic() - self._noted_at < _NOTE_S
        note = self._note if is_fresh else ""
        if worker.is_failing:
            note = f"The worker ends again and again: {worker.last_words(1)}"
        server = server_name(demo_platform.POWER_SERVERS[self._turn])
        return Scene(
            elapsed_s=time.monotonic() - self._began,
            worker_pid=worker.pid,
            worker_starts=worker.starts,
            link=self._link,
            power=f"power {server} on again" if self._is_off else f"power off {server}",
            shell=self._shell,
            data=self._stack.folder.shown(),
            note=note,
        )

    def _press(self, key: str) -> None:
        if key == "q":
            self._stopping.set()
        elif key == "k":
            pid = self._stack.worker.pid
            self._stack.worker.kill()
            self._say(f"Worker {pid} was killed (SIGKILL). It starts again; nothing is lost.")
        elif key == "p":
            self._switch_power()
        elif key == "o" and not open_in_browser(self._link):
            self._say("There is no browser on this screen: open the address in one.")

    def _renew_link(self) -> None:
        now = time.monotonic()
        if now - self._linked_at < _LINK_S:
            return
        self._linked_at = now
        with suppress(Transient):
            self._link = self._stack.door.link()

    def _switch_power(self) -> None:
        """Off, on again, and then the next server's turn."""
        server_id = demo_platform.POWER_SERVERS[self._turn]
        name = server_name(server_id)
        with suppress(DBAPIError), self._stack.engine.begin() as connection:
            jobs = demo_platform.switch(connection, server_id, on=self._is_off)
            if self._is_off:
                self._say(f"{name} is on again; its {jobs} jobs start again.")
                self._turn = (self._turn + 1) % len(demo_platform.POWER_SERVERS)
            else:
                self._say(f"{name} is off; {jobs} jobs need it. Its cause appears in seconds.")
            self._is_off = not self._is_off

    def _say(self, note: str) -> None:
        self._note, self._noted_at = note, time.monotonic()


def _program() -> str:
    """This program as it can be called again: by its name where a shell finds it so."""
    called = sys.argv[0]
    name = Path(called).name
    return name if shutil.which(name) == called else shlex.quote(called)
