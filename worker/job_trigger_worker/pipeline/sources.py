"""Where messages came from, as far as that is proven: which headers decoding believes.

Anybody who may write to the topic can write any header. A trace id is taken as it is; which dead
letter a message repeats, and who had it sent, is believed with a signature only
(`domain.signatures`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from sqlalchemy import Connection

from job_trigger_worker.domain.delivery import Delivery, Headers
from job_trigger_worker.domain.signatures import (
    NOTE_HEADER,
    REPLAY_HEADER,
    Note,
    Signature,
    is_genuine,
    read,
)
from job_trigger_worker.domain.trigger import Uuid, replay_key
from job_trigger_worker.storage.write import replay_notes

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_NO_TRACE = "0" * 32


class Source(NamedTuple):
    """What is known of where a message came from.

    `replay_key` is the idempotency key of the dead letter that it repeats, `sender` who the console
    noted before it was sent; both are proven.
    """

    trace_id: str | None = None
    replay_key: Uuid | None = None
    sender: str | None = None


class ClaimedSource(NamedTuple):
    """What headers say: the source as far as it needs no proof, and signatures to be looked up."""

    source: Source
    replay: Signature | None = None
    note: Signature | None = None

    @property
    def is_signed(self) -> bool:
        """Whether there is something to prove."""
        return self.replay is not None or self.note is not None


NO_SOURCE = Source()
NOTHING_CLAIMED = ClaimedSource(NO_SOURCE)

Connect = Callable[[], AbstractContextManager[Connection]]


def read_claims(headers: Headers) -> ClaimedSource:
    """What headers claim; headers that are not ours are ignored."""
    if not headers:
        return NOTHING_CLAIMED
    trace_id, replay, note = None, None, None
    for name, content in headers:
        if content is None:
            continue
        if name == "traceparent":
            trace_id = read_trace_id(content) or trace_id
        elif name == REPLAY_HEADER:
            replay = read(content)
        elif name == NOTE_HEADER:
            note = read(content)
    if trace_id is None and replay is None and note is None:
        return NOTHING_CLAIMED
    return ClaimedSource(Source(trace_id), replay, note)


def read_trace_id(traceparent: bytes) -> str | None:
    """The trace id in a `traceparent` of W3C Trace Context; None where there is none."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return found if match and (found := match[1].decode()) != _NO_TRACE else None


def prove(claims: Sequence[tuple[ClaimedSource, bytes | None]], connect: Connect) -> list[Source]:
    """The sources of messages with these claims and bodies, in order.

    One statement for the dead letters and one for the notes that are named, whatever their number.
    A letter's nonce is made of its place and the database's secret: its row need not be there.
    An error of these is the caller's, like one of any fact.
    """
    places = {said.replay.row for said, _ in claims if said.replay is not None}
    note_ids = {said.note.note_id for said, _ in claims if said.note is not None}
    with connect() as connection:
        nonces = replay_notes.nonces(connection, places) if places else {}
        notes = replay_notes.notes(connection, note_ids) if note_ids else {}
    return [_proven(said, body, nonces, notes) for said, body in claims]


def read_sources(batch: Sequence[Delivery], connect: Connect) -> list[Source]:
    """The source of each delivery, in order; no connection is made where none is signed."""
    claims = [read_claims(delivery.headers) for delivery in batch]
    signed = [place for place, said in enumerate(claims) if said.is_signed]
    found = [said.source for said in claims]
    if signed:
        proven = prove([(claims[place], batch[place].value) for place in signed], connect)
        for place, source in zip(signed, proven, strict=True):
            found[place] = source
    return found


def _proven(
    said: ClaimedSource, body: bytes | None, nonces: Mapping[str, Uuid], notes: Mapping[int, Note]
) -> Source:
    key, sender = None, None
    if said.replay is not None:
        nonce = nonces[said.replay.row]
        if is_genuine(REPLAY_HEADER, said.replay, nonce, body):
            key = replay_key(nonce)
    if said.note is not None:
        note = notes.get(said.note.note_id)
        if note is not None and is_genuine(NOTE_HEADER, said.note, note.nonce, body):
            sender = note.login
    return said.source._replace(replay_key=key, sender=sender)
