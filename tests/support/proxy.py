"""A TCP proxy before PostgreSQL, which can be away, lose an answer, or give none any more."""

import contextlib
import select
import socket
from collections.abc import Iterator
from threading import Lock, Thread

from sqlalchemy import URL, make_url

_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The statement as a client sends it: type, length, text."""

_CHUNK = 65_536
_LOOK_S = 0.05


class Proxy:
    """Forwards to the server of `database_url`; `url` is the same database through it."""

    def __init__(self, database_url: str) -> None:
        self._address = make_url(database_url)
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._marker: bytes | None = None
        self._last_words: bytes | None = None
        self._listener: socket.socket | None = None
        self._port = 0
        self._threads: list[Thread] = []
        self.lost_answers = 0

    @property
    def url(self) -> str:
        """For clients. Without TLS, so that statements can be recognised."""
        through: URL = self._address.set(host="127.0.0.1", port=self._port)
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        return through.update_query_dict(plain).render_as_string(hide_password=False)

    def listen(self) -> None:
        """Take connections; the same port every time."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen()
        self._port = listener.getsockname()[1]
        self._listener = listener
        self._start(Thread(target=self._accept, args=(listener,)))

    def refuse(self) -> None:
        """Cut every connection and refuse new ones."""
        listener, self._listener = self._listener, None
        with self._lock:
            ends = list(self._open)
        for end in filter(None, [listener, *ends]):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()
        if listener:
            listener.close()

    def lose_answer(self, statement: bytes) -> None:
        """Once: let the COMMIT of a transaction with this statement through, and cut its reply."""
        self._marker = statement

    def fall_silent(self, statement: bytes) -> None:
        """Once: keep the connection on which this is sent open, and let no more answers through."""
        self._last_words = statement

    def _start(self, thread: Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._start(Thread(target=self._serve, args=(client,)))

    def _serve(self, client: socket.socket) -> None:
        upstream = (self._address.host or "127.0.0.1", self._address.port or 5432)
        with client, socket.create_connection(upstream) as server:
            with self._lock:
                self._open |= {client, server}
            with contextlib.suppress(OSError):
                self._forward(client, server)
            with self._lock:
                self._open -= {client, server}

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        """Until one end closes, or an answer is lost."""
        said = b""
        heard = [client, server]
        while self._listener is not None:
            ready, _, _ = select.select(heard, [], [], _LOOK_S)
            for end in ready:
                data = end.recv(_CHUNK)
                if not data:
                    return
                (client if end is server else server).sendall(data)
                if end is server:
                    continue
                said += data
                if self._last_words is not None and self._last_words in said:
                    self._last_words = None
                    heard = [client]
                    break
                if data == _COMMIT:
                    if self._marker is not None and self._marker in said:
                        self._marker = None
                        server.recv(_CHUNK)  # it is committed
                        self.lost_answers += 1
                        return
                    said = b""


@contextlib.contextmanager
def proxied(database_url: str) -> Iterator[Proxy]:
    """A listening proxy for as long as the block lasts."""
    proxy = Proxy(database_url)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.refuse()
