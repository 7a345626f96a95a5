"""What every batch's transaction has in common: the count of deliveries, and the end.

Used for triggers and for statuses alike, so that both topics are proven by the same ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import Connection

from job_trigger_worker.domain.delivery import Delivery, Event
from job_trigger_worker.domain.record import Claim, DeadLetter, OutboxRow, Tally
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.domain.truncation import truncate
from job_trigger_worker.logs import logger
from job_trigger_worker.pipeline import events
from job_trigger_worker.storage.write import dead_letters, ledger, outbox

log = logger(__name__)

MOST_LINES = 20
"""Lines that one batch may write about triggers or jobs, so that a flood of them is none."""
_LONGEST_REASON = 400


class FinishedBatch(NamedTuple):
    """Outbox rows to publish, and those (by id) that stand because somebody has them locked."""

    rows: list[OutboxRow]
    left: Mapping[int, str]


class BatchTally:
    """Counts a batch's deliveries by ledger row, and knows which of them came before.

    `positions` is the last offset accounted for, by partition.
    """

    def __init__(self, claims: Mapping[int, Claim]) -> None:
        self._claims = claims
        self._tallies: dict[int, Tally] = {}
        self.positions: dict[int, int] = {}

    def admit(self, delivery: Delivery) -> bool:
        """Count a delivery; False for a redelivery, which is in its bin with that.

        Deliveries of a partition come in order.
        """
        claim = self._claims[delivery.partition]
        tally = self._tallies.get(claim.ledger_id)
        if tally is None:
            tally = self._tallies[claim.ledger_id] = Tally(claim.last_offset)
        tally.deliveries += 1
        if delivery.offset <= tally.last_offset:
            tally.redeliveries += 1
            return False
        self.positions[delivery.partition] = tally.last_offset = delivery.offset
        return True

    def apply(self, delivery: Delivery) -> None:
        """Bin an admitted delivery as applied."""
        self._tallies[self._claims[delivery.partition].ledger_id].applied += 1

    def tallies(self) -> dict[int, Tally]:
        """A copy of the tallies by ledger id, for one try of the transaction to add to."""
        return {ledger_id: replace(tally) for ledger_id, tally in self._tallies.items()}


def finish_batch(
    connection: Connection,
    *,
    topics: Topics,
    claims: Mapping[int, Claim],
    tallies: dict[int, Tally],
    leaving: Mapping[int, Sequence[Event]],
    letters: Sequence[DeadLetter],
    acknowledged: Sequence[OutboxRow],
    packed: Mapping[int, outbox.Packed] = MappingProxyType({}),
) -> FinishedBatch:
    """End a batch's transaction: dead letters, outbox, deletes, and the ledger last.

    `claims` is by partition; `leaving` holds the outcome events by ledger id, in the order of their
    triggers, and dead letters follow them. `packed` is what was packed before, by ledger id, and
    serves where just that leaves. The rows that it returns are to be published after the commit.
    Raises `Fenced` when a partition has a new owner.
    """
    owned = {claim.ledger_id: claim for claim in claims.values()}
    queues = {ledger_id: list(queue) for ledger_id, queue in leaving.items()}
    letters = [letter.bounded() for letter in letters]
    if letters:
        dead_letters.insert(connection, letters)
    for letter in letters:
        event = events.dead_letter(topics, letter, owned[letter.ledger_id])
        queues.setdefault(letter.ledger_id, []).append(event)
    rows = []
    if queues:
        rows = outbox.insert(
            connection,
            [
                (ledger_id, len(leaving.get(ledger_id, ())), _packed(queue, packed.get(ledger_id)))
                for ledger_id, queue in sorted(queues.items())
            ],
        )
    left: Mapping[int, str] = {}
    if acknowledged:
        published, left = outbox.delete(connection, acknowledged)
        for row in acknowledged:
            if row.id not in left:
                tallies.setdefault(row.ledger_id, Tally(owned[row.ledger_id].last_offset))
        for ledger_id, outcomes in published.items():
            tallies[ledger_id].published += outcomes
    ledger.advance(connection, owned, tallies)
    return FinishedBatch(rows, left)


def say_isolated(letters: Sequence[DeadLetter]) -> None:
    """A line for each message that a committed batch could not use: its place, its job, and why."""
    for letter in letters[:MOST_LINES]:
        log.warning(
            "isolated",
            job_id=letter.job_id,
            partition=letter.delivery.partition,
            offset=letter.delivery.offset,
            execution_id=letter.execution_id,
            reason=truncate(letter.reason, _LONGEST_REASON),
        )
    if len(letters) > MOST_LINES:
        log.warning("isolated", more=len(letters) - MOST_LINES)


def _packed(queue: Sequence[Event], before: outbox.Packed | None) -> outbox.Packed:
    if before is not None and before.events == tuple(queue):
        return before
    return outbox.Packed.of(queue)
