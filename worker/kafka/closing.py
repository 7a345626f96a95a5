"""The end of a client of librdkafka, which may wait for ever.

When brokers have died and come back, its destructor now and then waits for a thread that does not
end (librdkafka's issues 4131 and 4674), and a `purge` asks each of its broker threads without a
deadline. By then nothing of the client is worth a wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread

from confluent_kafka.admin import AdminClient

log = logging.getLogger(__name__)

CLOSE_S = 2.0
"""Longer than a client takes that can say goodbye to its brokers."""


def close_within(timeout_s: float, close: Callable[[], object], what: str) -> bool:
    """Run `close` in a thread of its own; False when it has not ended in time.

    It is left behind then, with a line in the log: it no longer keeps the process alive.
    """
    closing = Thread(target=close, name=f"close {what}", daemon=True)
    closing.start()
    closing.join(timeout_s)
    if closing.is_alive():
        log.warning(
            "action=close client=%s reason='no end within %.1f s; it is left behind'",
            what,
            timeout_s,
        )
    return not closing.is_alive()


def close_admin(admin: AdminClient) -> None:
    """Disconnect an admin client, which has no `close` of its own."""
    close_within(CLOSE_S, lambda: admin.__exit__(None, None, None), "admin client")
