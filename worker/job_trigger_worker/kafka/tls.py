"""Why two ends do not agree on TLS: asked again, because drivers only report that they do not."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from enum import Enum

_CLOSED = "it closes the connection"
"""Also what is left of a refusal whose alert was overtaken by the end of the connection."""


class Side(Enum):
    """Whose certificate it is about."""

    THEIRS = "theirs"
    OURS = "ours"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class TlsMismatch:
    """What is wrong, in OpenSSL's words."""

    side: Side
    words: str


def fault(
    connection: socket.socket, context: ssl.SSLContext, host: str, *, hello: bytes = b""
) -> TlsMismatch | None:
    """Shake hands on a connected socket, which is closed by it; None when both ends agree.

    `hello` is something that the other end answers at once: with TLS 1.3 it refuses our certificate
    only after the handshake. Raises OSError when it does not answer in time.
    """
    closing = Side.NEITHER
    try:
        with context.wrap_socket(connection, server_hostname=host) as secured:
            if hello:
                closing = Side.OURS
                secured.sendall(hello)
                if not secured.recv(1):
                    return TlsMismatch(closing, _CLOSED)
    except ssl.SSLCertVerificationError as error:
        return TlsMismatch(Side.THEIRS, error.verify_message.rstrip("."))
    except (ssl.SSLEOFError, ConnectionError):
        return TlsMismatch(closing, _CLOSED)
    except ssl.SSLError as error:
        words = (error.reason or str(error)).lower().replace("_", " ")
        _, alert, said = words.rpartition("alert ")
        is_ours = bool(alert) and ("certificate" in said or said == "unknown ca")
        return TlsMismatch(Side.OURS if is_ours else Side.NEITHER, said)
    return None
