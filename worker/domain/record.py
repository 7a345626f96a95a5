"""What a batch becomes: records, dead letters, status changes, and where it leaves the position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from worker.domain.delivery import Delivery, Event
from worker.domain.trigger import Trigger, Uuid
from worker.domain.verdict import Verdict

SUCCEEDED = 1
"""`trigger_status` of a trigger that was dispatched (R2)."""

FAILED = 2
"""`trigger_status` of a trigger that was not (R2)."""


class Record(NamedTuple):
    """An execution record to be written, with the one event that it is to be answered by.

    `message` is None for a passed verdict. `findings` and `causes` are None then too; `findings`
    and `targets` are JSON text.
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


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be read or stored, with the bytes as they came.

    `execution_id` names its record; None means that it has none and counts in a bin of its own.
    """

    ledger_id: int
    delivery: Delivery
    reason: str
    job_id: int | None = None
    execution_id: Uuid | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition that we own: its ledger row, the epoch that fences it, and its position.

    `last_offset` is the offset up to which everything is accounted for; -1 before the first.
    """

    ledger_id: int
    topic: str
    topic_id: str
    partition: int
    epoch: int
    last_offset: int

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
class Handled:
    """What became of a batch, committed.

    `rows` are to be published in this order. `positions` is the last offset accounted for, by
    partition.
    """

    rows: Sequence[OutboxRow]
    positions: Mapping[int, int]
