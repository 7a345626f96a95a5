"""Freezing processes: SIGSTOP, and certainty that it has arrived."""

import os
import signal
from pathlib import Path

from tests.support.waiting import wait_until

_STOPPED_S = 10.0


def freeze(pid: int) -> None:
    """Send SIGSTOP, and return once no thread of the process runs any more.

    The signal alone leaves threads on other cores a moment, in which they may still answer.
    """
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")
    if tasks.exists():  # on Linux
        wait_until(lambda: _is_stopped(tasks), _STOPPED_S, f"process {pid} stands still")


def _is_stopped(tasks: Path) -> bool:
    return all(
        (task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks.iterdir()
    )
