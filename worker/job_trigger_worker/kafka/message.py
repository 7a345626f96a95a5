"""From librdkafka's message to a delivery, whatever a producer has put into it."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller

from confluent_kafka import Message

from job_trigger_worker.domain.delivery import Delivery, Headers
from job_trigger_worker.domain.fast_tuples import new

_ask_headers: Callable[[Message], Headers | None] = methodcaller("headers")
"""Never `message.headers()`: for a name that is not UTF-8, confluent-kafka (2.16) returns a list
with a hole in it and leaves an error set. Through `methodcaller` the interpreter notices and raises
SystemError; a plain call, once it is specialised, goes on, and the process dies later."""


def delivery(message: Message) -> Delivery:
    """A message without an error, as our code sees it. Never raises for what a message holds."""
    return new(
        Delivery,
        (
            message.partition(),
            message.offset(),
            message.key(),
            message.value(),
            _headers(message),
            message.timestamp()[1],
        ),
    )


def has_headers(message: Message) -> bool:
    """True where a message has headers, also such as the client cannot tell."""
    try:
        return bool(_ask_headers(message))
    except SystemError:
        return True


def _headers(message: Message) -> Headers:
    """The headers; none where the client cannot tell them.

    That is where a name is not UTF-8, and where there are more than 100,000.
    """
    try:
        return _ask_headers(message) or ()
    except SystemError:
        return ()
