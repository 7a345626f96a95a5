"""What the broker hands over, and what we hand to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Headers = Sequence[tuple[str, bytes | None]]
EventHeaders = list[tuple[str, str | bytes | None]]


class Delivery(NamedTuple):
    """One message as the broker delivered it. A named tuple: thousands are made a second.

    `appended_ms` is the message's timestamp in milliseconds since 1970, 0 where there is none.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    appended_ms: int


class Event(NamedTuple):
    """One message to send, as librdkafka takes it. `value` None is sent as null."""

    topic: str
    key: bytes | None
    headers: EventHeaders
    value: bytes | None
