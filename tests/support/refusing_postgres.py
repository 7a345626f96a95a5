"""A server that says one thing to whoever connects: a refusal, in any language and encoding."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

_NO_TLS = 80877103
_NO_GSS = 80877104


@contextmanager
def refusing(sqlstate: str, words: bytes, *, severity: bytes = b"FATAL") -> Iterator[str]:
    """The address of such a server; `severity` and `words` are as its language has them."""
    fields = {b"S": severity, b"V": b"FATAL", b"C": sqlstate.encode(), b"M": words}
    body = b"".join(kind + value + b"\0" for kind, value in fields.items()) + b"\0"
    answer = b"E" + struct.pack("!i", len(body) + 4) + body
    listener = socket.create_server(("127.0.0.1", 0))
    serving = Thread(target=_serve, args=(listener, answer), daemon=True)
    serving.start()
    try:
        yield f"postgresql+psycopg2://awp:secret@127.0.0.1:{listener.getsockname()[1]}/awp"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        serving.join(5)


def _serve(listener: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # closed: that is how it ends
            return
        with connection:
            while _asks_for_encryption(connection):
                connection.sendall(b"N")
            connection.sendall(answer)


def _asks_for_encryption(connection: socket.socket) -> bool:
    head = connection.recv(8, socket.MSG_WAITALL)
    length, code = struct.unpack("!ii", head)
    connection.recv(length - 8, socket.MSG_WAITALL)
    return code in {_NO_TLS, _NO_GSS}
