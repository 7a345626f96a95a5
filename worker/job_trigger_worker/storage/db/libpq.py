"""Why a server refuses a connection: its SQLSTATE, which psycopg2 does not pass on.

libpq adds the SQLSTATE to what it says of a failed connection when it is told to be verbose, which
has to happen after a connection was begun and before it fails. psycopg2 leaves no room for that, so
the same library is asked once more, with everything of it: several hosts, certificates, passwords.
"""

from __future__ import annotations

import ctypes
import re
import select
import time
from functools import lru_cache
from typing import Any, NamedTuple

from psycopg2 import _psycopg

_VERBOSE = 2
_FAILED, _READING, _WRITING, _DONE = range(4)
_SERVER_SAYS = re.compile(rb":  ([0-9A-Z]{5}): (.*)")
_UNDECODED = re.compile("\ufffd+")


class ServerMessage(NamedTuple):
    """One line about a failed connection; `sqlstate` is None where no server has said it."""

    sqlstate: str | None
    words: str


def why_refused(conninfo: str, timeout_s: float) -> list[ServerMessage]:
    """Connect once more, and return what is said of it: a line for each address that was tried.

    Empty when it succeeds now, or when libpq cannot be reached beside psycopg2.
    """
    library = _library()
    if library is None:
        return []
    connection = library.PQconnectStart(conninfo.encode())
    try:
        library.PQsetErrorVerbosity(connection, _VERBOSE)
        _connect(library, connection, time.monotonic() + timeout_s)
        return parse(library.PQerrorMessage(connection) or b"")
    finally:
        library.PQfinish(connection)


def parse(message: bytes) -> list[ServerMessage]:
    """The lines of a verbose message of libpq, without the place in its source."""
    lines = []
    for line in message.splitlines():
        found = _SERVER_SAYS.search(line)
        if found is not None:
            lines.append(ServerMessage(found[1].decode(), decoded(found[2])))
        elif line and not re.match(rb"\s|[^ ]+:  ", line):
            lines.append(ServerMessage(None, decoded(line)))
    return lines


def decoded(words: bytes) -> str:
    """Words in UTF-8, or as much of them as can be read."""
    return _UNDECODED.sub("\ufffd", words.decode("utf-8", "replace")).strip().rstrip(".")


def _connect(library: Any, connection: int, deadline: float) -> None:
    state = _WRITING
    while state not in {_FAILED, _DONE}:
        handle = library.PQsocket(connection)
        left_s = deadline - time.monotonic()
        if handle < 0 or left_s <= 0:
            return
        waiting = select.poll()
        waiting.register(handle, select.POLLIN if state == _READING else select.POLLOUT)
        waiting.poll(left_s * 1000)
        state = library.PQconnectPoll(connection)


@lru_cache(maxsize=1)
def _library() -> Any | None:
    """The libpq that psycopg2 is linked with; None where its functions cannot be found."""
    try:
        library = ctypes.CDLL(_psycopg.__file__)
        library.PQconnectStart.argtypes, library.PQconnectStart.restype = (
            [ctypes.c_char_p],
            ctypes.c_void_p,
        )
        library.PQsetErrorVerbosity.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.PQconnectPoll.argtypes = [ctypes.c_void_p]
        library.PQsocket.argtypes = [ctypes.c_void_p]
        library.PQfinish.argtypes = [ctypes.c_void_p]
        library.PQerrorMessage.argtypes = [ctypes.c_void_p]
        library.PQerrorMessage.restype = ctypes.c_char_p
    except (OSError, AttributeError):
        return None
    return library
