"""The worker as production runs it: a process of its own."""

import os
import re
import signal
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from job_trigger_worker.config import PREFIX, Settings
from job_trigger_worker.embedded.child import Child, last_lines
from tests.support import forking
from tests.support.forking import Forked
from tests.support.freezing import freeze
from tests.support.waiting import wait_until

READY_S = 40.0
STOP_S = 30.0
"""What Kubernetes gives a process to end in, unless told otherwise."""
_ABORT_S = 5.0


class WorkerProcess:
    """`trigger-worker worker`, ready when the constructor returns unless told otherwise."""

    def __init__(
        self,
        settings: Settings,
        log: Path,
        *,
        command: str = "worker",
        program: str = "from job_trigger_worker.cli import main; main()",
        env: Mapping[str, str] | None = None,
        wait: bool = True,
        python: str = sys.executable,
        is_forked: bool = False,
    ) -> None:
        self.log = log
        variables = {
            f"{PREFIX}CONSOLE_METRICS_LISTEN": "127.0.0.1:0",
            **os.environ,
            **environment(settings),
            **(env or {}),
        }
        self.child: Child | Forked
        if is_forked and command != "streams":
            self.child = _forked(program, command, log, variables)
        else:
            self.child = Child(
                [python, "-X", "faulthandler", "-c", program, command], log, env=variables
            )
        if wait:
            wait_until(self.is_ready, READY_S, f"a ready {command}; its log is {log}")

    def is_ready(self) -> bool:
        """True when it says so itself; raises when it has ended."""
        status = self.child.exit_status()
        assert status is None, f"the process ended with {status}:\n{last_lines(self.log)}"
        return self.get("/readyz") == 200

    def get(self, path: str) -> int:
        """Status code of a page of its listener, 0 where nobody answers."""
        found = re.findall(r"action=listening address=(\S+)", self.words())
        if not found:
            return 0
        try:
            with urllib.request.urlopen(f"http://{found[-1]}{path}", timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def why_not(self, path: str) -> str:
        """Why a probe answers 503; empty while it does not."""
        try:
            self.page(path)
        except urllib.error.HTTPError as error:
            return error.read().decode()
        return ""

    def page(self, path: str) -> str:
        """A page of its listener."""
        address = re.findall(r"action=listening address=(\S+)", self.words())[-1]
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def partitions(self, topic: str) -> int:
        """How many partitions of a topic it says that it owns."""
        line = rf'^trigger_worker_partitions{{topic="{topic}"}} (\S+)$'
        owned = re.search(line, self.page("/metrics"), re.MULTILINE)
        return int(float(owned[1])) if owned else 0

    def words(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self) -> int:
        """SIGTERM; its exit status.

        One that does not end in time is aborted, and its log shows where each thread was.
        """
        self.child.send(signal.SIGTERM)
        status = self.child.wait(STOP_S)
        if status is None:
            self.child.send(signal.SIGABRT)
            self.child.wait(_ABORT_S)
            status = self.child.kill()
        return status

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()

    def freeze(self) -> None:
        """SIGSTOP."""
        freeze(self.child.pid)

    def wake(self) -> None:
        """SIGCONT."""
        self.child.send(signal.SIGCONT)


def _forked(program: str, command: str, log: Path, env: Mapping[str, str]) -> Forked:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as words, Path(os.devnull).open("rb") as nothing:
        return forking.server().fork(
            program,
            [command],
            env=env,
            stdin=nothing.fileno(),
            stdout=words.fileno(),
            stderr=words.fileno(),
        )


@contextmanager
def running(settings: Settings, log: Path, **more: object) -> Iterator[WorkerProcess]:
    """A worker for the length of a test, forked, and ended with it whatever happens."""
    process = WorkerProcess(settings, log, **{"is_forked": True, **more})  # type: ignore[arg-type]
    try:
        yield process
    finally:
        if process.child.exit_status() is None:
            process.wake()
            status = process.stop()
            if sys.exc_info()[0] is None:
                assert status in (0, -signal.SIGKILL), (
                    f"it ended with {status}\n{process.words()[-3000:]}"
                )


def environment(settings: Settings) -> dict[str, str]:
    """Settings as the environment of a process."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {
        PREFIX + name.upper(): value.get_secret_value()
        if hasattr(value, "get_secret_value")
        else str(value)
        for name, value in values.items()
    }
