"""What every command that asks the database shares: what to do when it is away or refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from job_trigger_worker.errors import ConnectionLost, FatalError
from job_trigger_worker.storage.db import errors

ANY_ROLE = "a login in one of the roles trigger_reader, trigger_console and trigger_worker"
READER = "a login in the role trigger_reader or trigger_console"
WORKER = "a login in the role trigger_worker"
SENDER = "a login in the role trigger_console or trigger_worker"
CHECKER = "the owner of the views, or as a login in the role trigger_console"
OWNER = "the owner of the tables"
"""Who may run a command, as deploy/sql/roles.sql has it; docs/commands.md says the same."""


@contextmanager
def asking(who: str) -> Iterator[None]:
    """Have errors from inside say what a person can do; also a decorator.

    `who` may run the command. The worker waits for its database and needs no advice; a command
    ends.
    """
    try:
        yield
    except ConnectionLost as error:
        raise ConnectionLost(
            error.message,
            remedy="Start the database or correct TRIGGER_WORKER_DATABASE_URL, "
            "and run the command again.",
        ) from error
    except FatalError as stop:
        if errors.lacks_right(stop):
            remedy = f"Run it as {who}; deploy/sql/roles.sql says what each role may."
            if stop.remedy == errors.LOST_GRANTS:
                remedy += f" If it is one, {stop.remedy[0].lower()}{stop.remedy[1:]}"
            raise FatalError(stop.message, remedy=remedy) from stop
        raise
