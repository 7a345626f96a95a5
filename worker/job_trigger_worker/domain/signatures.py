"""How a message proves that it is ours: a header that is signed with the secret of a row.

The row is a dead letter or a note of the console, and its secret never leaves the database. The
signature is of the message's body, too. So whoever reads a topic and copies a header can do one
thing with it: send the very same message once more, which is counted as a repeat.

The content of such a header is `ROW:SIGNATURE`. The row is the id of a note, or the place of what
became a dead letter (`TOPIC_ID/PARTITION/OFFSET`: a database that forgot it may know it by another
id later). The signature is 64 lower-case hexadecimal digits: HMAC-SHA-256 with the row's nonce (its
36 characters) as key over `HEADER:ROW:` and the body; `-` stands for no body, and `+` before one.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from job_trigger_worker.domain.trigger import MAX_ID, Uuid

REPLAY_HEADER = "replay-of"
"""Header that names the dead letter which a message repeats."""

NOTE_HEADER = "console-note"
"""Header that names the console's note of who has a trigger sent."""

_SIGNED = re.compile(
    rb"((?:[A-Za-z0-9+/=_-]{1,64}/[0-9]{1,10}/[0-9]{1,19})|[1-9][0-9]{0,18}):([0-9a-f]{64})"
)


class Signature(NamedTuple):
    """What such a header says; nothing is proven by that."""

    row: str
    digest: bytes

    @property
    def note_id(self) -> int:
        """The id of a note; 0, which none has, where this names something else."""
        is_id = self.row.isdigit() and int(self.row) <= MAX_ID
        return int(self.row) if is_id else 0


@dataclass(frozen=True, slots=True)
class Note:
    """That somebody, a person or a service, had triggers sent through the console."""

    id: int
    login: str
    nonce: Uuid = field(repr=False)

    def header(self, body: bytes) -> tuple[str, bytes]:
        """The header by which a trigger with this body refers to the note."""
        return NOTE_HEADER, sign(NOTE_HEADER, str(self.id), self.nonce, body)


def sign(header: str, row: str, nonce: Uuid, body: bytes | None) -> bytes:
    """The content of a header for a message with this body."""
    return b"%b:%b" % (row.encode(), _digest(header, row, nonce, body))


def read(content: bytes) -> Signature | None:
    """What a header's content says; None for what we do not write."""
    found = _SIGNED.fullmatch(content)
    return None if found is None else Signature(found[1].decode(), found[2])


def is_genuine(header: str, signature: Signature, nonce: Uuid, body: bytes | None) -> bool:
    """Whether this header was signed for this body by somebody who knows the row's nonce."""
    expected = _digest(header, signature.row, nonce, body)
    return hmac.compare_digest(expected, signature.digest)


def _digest(header: str, row: str, nonce: Uuid, body: bytes | None) -> bytes:
    said = b"-" if body is None else b"+" + body
    message = b"%b:%b:%b" % (header.encode(), row.encode(), said)
    return hmac.digest(nonce.encode(), message, "sha256").hex().encode()
