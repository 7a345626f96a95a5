"""Closing a client of librdkafka, which may otherwise wait for ever.

When brokers have died and come back, its destructor now and then waits for a thread that does not
end (librdkafka's issues 4131 and 4674), and a producer's `close` flushes without a deadline. By
then nothing of the client is worth a wait.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

from confluent_kafka.admin import AdminClient

from job_trigger_worker.logs import logger

log = logger(__name__)

CLOSE_S = 2.0
"""Longer than a client takes that can say goodbye to its brokers."""


def close_client(what: str, close: Callable[[], object], timeout_s: float = CLOSE_S) -> None:
    """Run `close` in a thread of its own, and leave it behind when it has not ended in time.

    It has to let other threads run meanwhile. What it raises is a line in the log, and so is its
    being left behind: neither keeps anybody from going on.
    """

    def closed() -> None:
        try:
            close()
        except Exception as failure:  # noqa: BLE001 - a client that is not used any more
            log.warning("client_not_closed", client=what, error=failure)

    closing = Thread(target=closed, name=f"close {what}", daemon=True)
    closing.start()
    closing.join(timeout_s)
    if closing.is_alive():
        log.warning(
            "client_not_closed",
            client=what,
            reason=f"no end within {timeout_s:.1f} s; it is left behind",
        )


def close_admin(admin: AdminClient, timeout_s: float = CLOSE_S) -> None:
    """Disconnect an admin client, which has no `close` of its own."""
    close_client("admin client", lambda: admin.__exit__(None, None, None), timeout_s)
