"""A child process that comes back: what systemd or Kubernetes does in production."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread

from job_trigger_worker.embedded.child import Child, free_port, last_lines

_POLL_S = 0.05
_SHORT_LIFE_S = 5.0
_PATIENCE = 3
_PAUSE_S = 2.0


class SupervisedChild:
    """Runs a command, and runs it again at once whenever it ends, until `stop`.

    Each start has a listener of its own: `environment` is given its host:port. A process that
    ends by itself three times in a row within 5 s of its start is started every 2 s from then on.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log_path: Path,
        environment: Callable[[str], Mapping[str, str]],
    ) -> None:
        self.log_path = log_path
        self.starts = 0
        self._argv = argv
        self._environment = environment
        self._stopping = Flag()
        self._turn = Lock()
        self._short_lives = 0
        self._child = self._start()
        self._thread = Thread(target=self._watch, name=f"keep {log_path.stem}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process that runs now, or ran last."""
        return self._child.pid

    @property
    def is_failing(self) -> bool:
        """True while it ends again and again by itself."""
        return self._short_lives >= _PATIENCE

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        return last_lines(self.log_path, lines)

    def kill(self) -> None:
        """SIGKILL, as the machine's own killer would; it comes back."""
        with self._turn:
            self._short_lives = 0
            self._born -= _SHORT_LIFE_S  # killed by us, not by itself
            self._child.send(signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """SIGTERM, and no further start; `stop` waits for its end."""
        with self._turn:
            if not self._stopping.is_set():
                self._stopping.set()
                self._child.send(signal.SIGTERM)

    def stop(self, timeout_s: float) -> None:
        """SIGTERM, SIGKILL after `timeout_s`; a second call does nothing."""
        self.ask_to_stop()
        self._thread.join()
        if self._child.wait(timeout_s) is None:
            self._child.kill()

    def _start(self) -> Child:
        self._born = time.monotonic()
        self.starts += 1
        self.listen = f"127.0.0.1:{free_port()}"
        return Child(self._argv, self.log_path, env=self._environment(self.listen))

    def _watch(self) -> None:
        while not self._stopping.wait(_POLL_S):
            if self._child.exit_status() is None:
                continue
            is_short = time.monotonic() - self._born < _SHORT_LIFE_S
            self._short_lives = self._short_lives + 1 if is_short else 0
            if self.is_failing and self._stopping.wait(_PAUSE_S):
                return
            with self._turn:
                if not self._stopping.is_set():
                    self._child = self._start()
