"""What passes between a client and PostgreSQL, counted message by message on the wire.

A pass-through, not the driver, does the counting: whatever a driver or a library adds by itself
(BEGIN, a PREPARE, a question of its own) is in the count.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.link import Counter, Listener, Then
from tests.support.proxy import Proxy

_HEADER = 5
"""A type byte, then the length of what follows with itself: every message of a server has them."""

_COMMAND_COMPLETE = b"C"
_READY_FOR_QUERY = b"Z"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Statements completed, answers waited for, and bytes that the client sent."""

    statements: int
    round_trips: int
    sent_bytes: int

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(
            self.statements - earlier.statements,
            self.round_trips - earlier.round_trips,
            self.sent_bytes - earlier.sent_bytes,
        )


class CountingProxy(Proxy):
    """Counts over all of its connections; `traffic` is exact whenever every client is idle.

    A statement is a CommandComplete, a round trip a ReadyForQuery (the protocol's words). What an
    answer stands for is counted before the client gets it. Connecting counts, too.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        self._counts = {_COMMAND_COMPLETE: 0, _READY_FOR_QUERY: 0}
        self._sent = 0
        self._received = 0

    @property
    def received_bytes(self) -> int:
        """Bytes of answers so far."""
        with self._lock:
            return self._received

    @property
    def traffic(self) -> Traffic:
        """The counts so far."""
        with self._lock:
            counts = self._counts
            return Traffic(counts[_COMMAND_COMPLETE], counts[_READY_FOR_QUERY], self._sent)

    def hearing(self) -> Listener:
        def hear(data: bytes) -> Then:
            with self._lock:
                self._sent += len(data)
            return Then.GO_ON

        return hear

    def counting(self) -> Counter:
        said = bytearray()

        def count(data: bytes) -> None:
            said.extend(data)
            with self._lock:
                self._received += len(data)
            self._count(said)

        return count

    def _count(self, said: bytearray) -> None:
        """Count the whole messages at the front and take them off."""
        at = 0
        with self._lock:
            while len(said) - at >= _HEADER:
                end = at + 1 + int.from_bytes(said[at + 1 : at + _HEADER])
                if end > len(said):
                    break
                kind = bytes(said[at : at + 1])
                if kind in self._counts:
                    self._counts[kind] += 1
                at = end
        del said[:at]


@contextlib.contextmanager
def counted(database_url: str) -> Iterator[CountingProxy]:
    """A counting pass-through for as long as the block lasts."""
    proxy = CountingProxy(database_url)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.refuse()
