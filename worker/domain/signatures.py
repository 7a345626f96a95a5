"""How a message shows that it is ours: a header that is signed with the secret of a row.

The row (a dead letter, or a note of the console) is named by its id, and its secret never leaves
the database. The signature is of the message's body, too. So whoever reads a topic and copies a
header can do one thing with it: send the very same message once more, which is counted as a repeat.

The content of such a header is `ID:SIGNATURE`: the row's id, and 64 lower-case hexadecimal digits,
HMAC-SHA-256 with the row's nonce (its 36 characters) as key over `NAME:ID:` and the body; `-`
stands for no body, and `+` before one.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.domain.trigger import MAX_ID, Uuid

REPLAY_HEADER = "replay-of"
"""Header that names the dead letter which a message repeats."""

NOTE_HEADER = "console-note"
"""Header that names the console's note of who has a trigger sent."""

_DIGITS = 64
_LONGEST_ID = len(str(MAX_ID))


class Signature(NamedTuple):
    """What such a header says; nothing is proven by that."""

    row_id: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """That somebody, a person or a service, had triggers sent through the console."""

    id: int
    login: str
    nonce: Uuid = field(repr=False)

    def header(self, body: bytes) -> tuple[str, bytes]:
        """The header by which a trigger with this body refers to the note."""
        return NOTE_HEADER, sign(NOTE_HEADER, self.id, self.nonce, body)


def sign(header: str, row_id: int, nonce: Uuid, body: bytes | None) -> bytes:
    """The content of a header for a message with this body."""
    return b"%d:%b" % (row_id, _digest(header, row_id, nonce, body))


def read(content: bytes) -> Signature | None:
    """What a header's content says; None for what we do not write."""
    row_id, colon, digest = content.partition(b":")
    if not colon or len(digest) != _DIGITS:
        return None
    if not row_id.isdigit() or len(row_id) > _LONGEST_ID or not 1 <= int(row_id) <= MAX_ID:
        return None
    return Signature(int(row_id), digest)


def is_genuine(header: str, signature: Signature, nonce: Uuid, body: bytes | None) -> bool:
    """Whether this header was signed for this body by somebody who knows the row's nonce."""
    expected = _digest(header, signature.row_id, nonce, body)
    return hmac.compare_digest(expected, signature.digest)


def _digest(header: str, row_id: int, nonce: Uuid, body: bytes | None) -> bytes:
    said = b"-" if body is None else b"+" + body
    message = b"%b:%d:%b" % (header.encode(), row_id, said)
    return hmac.digest(nonce.encode(), message, "sha256").hex().encode()
