"""A folder held against other processes for as long as this one lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from job_trigger_worker.errors import FatalError


def hold(path: Path, *, user: str) -> TextIO:
    """Lock a file, made when absent, until it is closed or this process ends; it names us.

    Raises `FatalError` when another process holds it: a `user` of the folder that the file is in.
    """
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise FatalError(
            f"Another {user} (process {owner}) uses {path.parent}.",
            remedy="Stop it, or choose another folder with --data.",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
