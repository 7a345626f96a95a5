"""What a batch becomes: records, dead letters, status changes, and where it leaves the position."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from job_trigger_worker.domain.delivery import Delivery, Event
from job_trigger_worker.domain.trigger import Trigger, Uuid
from job_trigger_worker.domain.verdict import Verdict

SUCCEEDED = 1
"""`trigger_status` of a trigger that was dispatched (R2)."""

FAILED = 2
"""`trigger_status` of a trigger that was not (R2)."""


class Record(NamedTuple):
    """An execution record to be written, with the one event that it is to be answered by.

    `message` is None for a passed verdict. `findings` and `causes` are None then too; `findings`
    and `targets` are JSON text. What `verdict` has of targets, findings and parameter may be left
    out when they are large.
    """

    trigger: Trigger
    verdict: Verdict
    decided_at: datetime
    code: str | None
    message: str | None
    findings: str | None
    causes: tuple[str, ...] | None
    targets: str | None
    event: Event

    @property
    def execution_id(self) -> Uuid:
        """`execution_id` of the row: the trigger's key, so that it is the same each time."""
        return self.trigger.idempotency_key

    @property
    def status(self) -> int:
        """`trigger_status` of the row."""
        return SUCCEEDED if self.code is None else FAILED


MOST_LETTER_BYTES = 1024 * 1024
"""Most bytes that are kept of a message which could not be read or stored."""

_MOST_OF_KEY = MOST_LETTER_BYTES // 4
_MOST_OF_HEADERS = MOST_LETTER_BYTES // 4


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be read or stored, with the bytes as they came.

    `execution_id` names its record; None means that it has none and counts in a bin of its own.
    `last_offset` is set for a range of offsets that could not be unpacked: it begins at the
    delivery's offset, and has no bytes. `size` and `sha256` are those of the value as it came,
    where less than all of the message is kept (`bounded`).
    """

    ledger_id: int
    delivery: Delivery
    reason: str
    job_id: int | None = None
    execution_id: Uuid | None = None
    last_offset: int | None = None
    size: int | None = None
    sha256: bytes | None = None

    def bounded(self) -> DeadLetter:
        """The same with at most `MOST_LETTER_BYTES` of key, headers and value."""
        delivery = self.delivery
        key, value = delivery.key or b"", delivery.value or b""
        sizes = [len(name.encode()) + len(content or b"") for name, content in delivery.headers]
        if len(key) + sum(sizes) + len(value) <= MOST_LETTER_BYTES:
            return self
        headers, room = [], _MOST_OF_HEADERS
        for header, size in zip(delivery.headers, sizes, strict=True):
            if size <= room:
                headers.append(header)
                room -= size
        room += MOST_LETTER_BYTES - _MOST_OF_HEADERS - len(key[:_MOST_OF_KEY])
        kept = delivery._replace(
            key=delivery.key and key[:_MOST_OF_KEY],
            headers=headers,
            value=delivery.value and value[:room],
        )
        digest = hashlib.sha256(value).digest()
        return replace(self, delivery=kept, size=len(value), sha256=digest)


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition that we own: its ledger row, the epoch that fences it, and its position.

    `last_offset` is the offset up to which everything is accounted for; -1 before the first.
    `database_id` is the database's own id.
    """

    ledger_id: int
    topic: str
    topic_id: str
    partition: int
    epoch: int
    last_offset: int
    database_id: Uuid = ""

    def at(self, last_offset: int) -> Claim:
        """The same claim, further on."""
        return replace(self, last_offset=last_offset)


@dataclass(slots=True)
class Tally:
    """What a batch adds to one ledger row. Each delivery is in exactly one bin (promise 7)."""

    last_offset: int
    deliveries: int = 0
    records: int = 0
    applied: int = 0
    duplicates: int = 0
    redeliveries: int = 0
    dead_letters: int = 0
    events: int = 0
    published: int = 0


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Committed events of one partition, in order. `outcomes` of them answer a record."""

    id: int
    ledger_id: int
    outcomes: int
    events: tuple[Event, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch, committed.

    `rows` are to be published in this order. `positions` is the last offset accounted for, by
    partition. `left` are the ids of outbox rows that could not be deleted, with who has them
    locked.
    """

    rows: Sequence[OutboxRow]
    positions: Mapping[int, int]
    left: Mapping[int, str] = field(default_factory=dict)
