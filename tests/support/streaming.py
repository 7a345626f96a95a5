"""A stream of events of the console, read as a browser does."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from tests.support.waiting import wait_until

FAILURES = "/api/v1/failures/stream"


class Event(NamedTuple):
    """One event as it came."""

    name: str
    id: str
    data: str


class Stream:
    """An open stream: what came so far. With `is_read` False nothing is read before `read`."""

    def __init__(
        self, browser: httpx.Client, path: str, headers: dict[str, str], *, is_read: bool = True
    ) -> None:
        self.events: list[Event] = []
        self.has_ended = False
        address = urlsplit(str(browser.base_url))
        self._connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=60
        )
        self._connection.connect()
        self._socket = self._connection.sock
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        self._connection.request("GET", path, headers={"Cookie": cookie, **headers})
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.kind = self._answer.headers["content-type"]
        self._thread = threading.Thread(target=self._read)
        if is_read:
            self.read()

    def read(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def ids(self) -> list[int]:
        """The failures that came, in their order."""
        return [int(event.id) for event in self.events if event.name == "failure"]

    def wait_for(self, *ids: int, deadline_s: float = 20) -> None:
        """Wait until so many failures have come; they have to be these."""
        wait_until(lambda: len(self.ids) >= len(ids), deadline_s, f"{len(ids)} failures")
        assert self.ids == list(ids)

    def close(self) -> None:
        """Leave."""
        with suppress(OSError):  # it has ended
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(10)
        self._answer.close()
        self._connection.close()
        self._socket.close()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        with suppress(OSError, http.client.HTTPException):  # ended by either side
            while line := self._answer.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name or value:
                    fields[name] = value
                    continue
                if "event" in fields:
                    self.events.append(Event(fields["event"], fields["id"], fields["data"]))
                fields = {}
        self.has_ended = True


@contextmanager
def watching(
    browser: httpx.Client,
    path: str = FAILURES,
    *,
    is_read: bool = True,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Stream]:
    """A stream for the length of a block, closed together with its browser."""
    stream = Stream(browser, path, dict(headers or {}), is_read=is_read)
    try:
        yield stream
    finally:
        stream.close()
        browser.close()
