"""A way over TCP on loopback that can be cut, slow, silent, or let through byte by byte."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum, auto
from threading import Lock, Thread

_CHUNK = 65_536
_LOOK_S = 0.05
_CONNECT_S = 5.0
_PIECES_PER_S = 50
_SINGLE_BYTES = 512
_DRIPPED_PIECE = 64
"""Of what is read at once; single bytes of all of it would keep the reader's processor busy."""


class Then(Enum):
    """What becomes of a connection after a client's words."""

    GO_ON = auto()
    HEAR_NO_MORE = auto()
    """Answers are no longer let through; the connection stays open."""
    LOSE_THE_ANSWER = auto()
    """One more answer is awaited, and the connection closed without it."""


_UnderWay = deque[tuple[float, socket.socket, bytes]]
"""When it is due, where it goes, what it is."""

Listener = Callable[[bytes], Then]
"""Hears what one client says, chunk by chunk."""

Counter = Callable[[bytes], None]
"""Hears what the client is answered, chunk by chunk, before the client does."""


class Link:
    """Forwards connections to `upstream`, always from the same port.

    Set `delay_s` (each way), `is_silent` (what was sent waits, and nothing is closed),
    `is_dripping` (hundreds of bytes one at a time, what is behind them in small pieces) and
    `bytes_per_s` (0: any) while it runs; `heal` ends all of them. `silent_after` (0: never) is
    after how many more bytes of clients it falls silent.
    """

    def __init__(self, upstream: tuple[str, int], port: int = 0) -> None:
        self.upstream = upstream
        self.port = port
        self.delay_s = 0.0
        self.is_silent = False
        self.is_dripping = False
        self.bytes_per_s = 0
        self.silent_after = 0
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._threads: list[Thread] = []

    def listen(self) -> None:
        """Take connections."""
        if self._listener is not None:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._start(Thread(target=self._accept, args=(listener,), daemon=True))

    def refuse(self) -> None:
        """Cut every connection and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join(_CONNECT_S)
        self._threads.clear()
        if listener:
            listener.close()

    def cut(self) -> None:
        """Cut every connection; new ones are welcome."""
        with self._lock:
            ends = list(self._open)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def heal(self) -> None:
        """Be an ordinary way again."""
        self.delay_s, self.is_silent, self.is_dripping, self.bytes_per_s = 0.0, False, False, 0
        self.listen()

    def hearing(self) -> Listener:
        """A listener for one connection, for those who want to know what is said."""
        return lambda _: Then.GO_ON

    def counting(self) -> Counter:
        """The same for its answers."""
        return lambda _: None

    def _start(self, thread: Thread) -> None:
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._start(Thread(target=self._serve, args=(client,), daemon=True))

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.ExitStack() as stack:
            try:
                server = socket.create_connection(self.upstream, _CONNECT_S)
            except OSError:
                return  # as nobody listens there
            stack.enter_context(server)
            for end in (client, server):
                end.settimeout(None)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            try:
                with contextlib.suppress(OSError):
                    self._forward(client, server)
            finally:
                with self._lock:
                    self._open -= {client, server}

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        """Until one end closes, or an answer is lost."""
        hear, count = self.hearing(), self.counting()
        heard = [client, server]
        under_way: _UnderWay = deque()
        while self._listener is not None:
            if self.is_silent:
                time.sleep(_LOOK_S)
                continue
            patience_s = self._deliver_due(under_way)
            for end in select.select(heard, [], [], patience_s)[0]:
                data = end.recv(_CHUNK)
                if not data:
                    return
                if end is server:
                    count(data)
                self._pass_on(under_way, client if end is server else server, data)
                if end is client and self.silent_after:
                    self.silent_after = max(self.silent_after - len(data), 0)
                    self.is_silent = not self.silent_after
                then = hear(data) if end is client else Then.GO_ON
                if then is Then.HEAR_NO_MORE:
                    heard = [client]
                    break
                if then is Then.LOSE_THE_ANSWER:
                    server.recv(_CHUNK)
                    return

    def _pass_on(self, under_way: _UnderWay, end: socket.socket, data: bytes) -> None:
        if self.delay_s or under_way:
            under_way.append((time.monotonic() + self.delay_s, end, data))
        else:
            self._deliver(end, data)

    def _deliver_due(self, under_way: _UnderWay) -> float:
        """Deliver what has been on its way for long enough; how long to wait for the next."""
        while under_way and under_way[0][0] <= time.monotonic():
            _, end, data = under_way.popleft()
            self._deliver(end, data)
        return min(_LOOK_S, max(under_way[0][0] - time.monotonic(), 0)) if under_way else _LOOK_S

    def _deliver(self, end: socket.socket, data: bytes) -> None:
        rate = self.bytes_per_s
        size = rate // _PIECES_PER_S or len(data)
        if self.is_dripping:
            for place in range(min(_SINGLE_BYTES, len(data))):
                end.sendall(data[place : place + 1])
            data, size = data[_SINGLE_BYTES:], _DRIPPED_PIECE
        for place in range(0, len(data), size):
            end.sendall(data[place : place + size])
            if rate:
                time.sleep(1 / _PIECES_PER_S)


@contextlib.contextmanager
def linked(upstream: tuple[str, int]) -> Iterator[Link]:
    """A listening link for as long as the block lasts."""
    link = Link(upstream)
    link.listen()
    try:
        yield link
    finally:
        link.refuse()
