"""What every command that asks the database shares: what to do when it is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from worker.errors import ConnectionLost


@contextmanager
def asking() -> Iterator[None]:
    """Have a `ConnectionLost` from inside say what a person can do; also a decorator.

    The worker waits for its database and needs no advice; a command ends.
    """
    try:
        yield
    except ConnectionLost as error:
        raise ConnectionLost(
            error.message,
            remedy="Start the database or correct TRIGGER_WORKER_DATABASE_URL, "
            "and run the command again.",
        ) from error
