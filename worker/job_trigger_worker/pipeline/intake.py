"""A batch of triggers in; records, events and the new position out, in one transaction.

The heart of the worker (design 6.2): every delivery ends in exactly one bin, and nothing is
acknowledged that is not committed. What becomes of each is `decision`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from job_trigger_worker.domain.delivery import Delivery, Event
from job_trigger_worker.domain.record import (
    BatchResult,
    Claim,
    DeadLetter,
    OutboxRow,
    Record,
    Tally,
)
from job_trigger_worker.errors import JobsLocked, Refused
from job_trigger_worker.metrics import IntakeMetrics
from job_trigger_worker.pipeline.commit import BatchTally, FinishedBatch, finish_batch, say_isolated
from job_trigger_worker.pipeline.decision import BatchDecision, Decider, PreparedBatch
from job_trigger_worker.pipeline.isolated_records import count_isolated, insert_isolated
from job_trigger_worker.pipeline.job_projection import Projector
from job_trigger_worker.pipeline.outcome import OutcomeBuilder
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import records
from job_trigger_worker.storage.write.bisection import RefusalHistory

Outcomes = list[tuple[Delivery, Record | DeadLetter]]
Repeats = dict[str, list[Delivery]]


@dataclass(frozen=True, slots=True)
class _Admitted:
    """What of a decided batch did not come before, and the count of all of it.

    `repeats` are the deliveries of keys that the batch holds again.
    """

    decided: BatchDecision
    claims: Mapping[int, Claim]
    count: BatchTally
    outcomes: Outcomes
    repeats: Repeats


@dataclass(frozen=True, slots=True)
class _Inserted:
    """A batch whose records are in the transaction: what the database accepted of the decision.

    `ids` are those of new records, by idempotency key. The rest is as in `BatchDecision`.
    """

    ids: dict[str, int]
    outcomes: Sequence[tuple[Delivery, Record | DeadLetter]]
    poison: Mapping[str, str]
    repeats: Mapping[str, Sequence[Delivery]]

    def is_all_of(self, ready: PreparedBatch) -> bool:
        """True where nothing came before and everything could be read, as in nearly every batch."""
        count = len(self.ids) if not self.poison and not self.repeats else -1
        return count == len(self.outcomes) == len(ready.batch)


class _Binned(NamedTuple):
    """What follows from the bins: records written, their events by ledger id, letters, repeats."""

    written: Sequence[Record]
    leaving: Mapping[int, Sequence[Event]]
    letters: list[DeadLetter]
    repeated: Repeats


class Intake:
    """Turns deliveries of the trigger topic into records (a `TopicHandler` of the loop)."""

    def __init__(
        self,
        decider: Decider,
        *,
        session: Session,
        recorder: OutcomeBuilder,
        projector: Projector,
        metrics: IntakeMetrics,
    ) -> None:
        self._session = session
        self._recorder = recorder
        self._projector = projector
        self._metrics = metrics
        self._refusals = RefusalHistory()
        self._decider = decider

    def decide(self, batch: Sequence[Delivery], claims: Mapping[int, Claim]) -> BatchDecision:
        """See `TopicHandler.decide`."""
        return self._decider.decide(batch, claims)

    def write(
        self, decided: BatchDecision, claims: Mapping[int, Claim], acknowledged: Sequence[OutboxRow]
    ) -> BatchResult:
        """See `TopicHandler.write`."""
        admitted = _admit(decided, claims)
        try:
            try:
                concluded = self._write(admitted, acknowledged)
            except Refused:
                concluded = self._refusals.isolate(
                    lambda history: self._write(admitted, acknowledged, isolating=history)
                )
        except JobsLocked:  # the next try, decided anew by then, does without
            self._projector.defer()
            raise
        return BatchResult(concluded.rows, admitted.count.positions, concluded.left)

    def tend(self) -> None:
        """See `TopicHandler.tend`."""
        self._projector.catch_up()

    def _write(
        self,
        admitted: _Admitted,
        acknowledged: Sequence[OutboxRow],
        isolating: RefusalHistory | None = None,
    ) -> FinishedBatch:
        """The transaction: records, repeats, jobs, and the end that every batch has."""
        claims = admitted.claims
        ready = admitted.decided.ready
        tallies = admitted.count.tallies()
        with self._session.transaction() as connection:
            if isolating is not None:
                taken = insert_isolated(
                    connection,
                    self._recorder,
                    self._projector,
                    admitted.outcomes,
                    admitted.decided.decided_at,
                    isolating,
                )
                poison = {**admitted.decided.poison, **taken.poison}
                inserted = _Inserted(taken.ids, taken.outcomes, poison, admitted.repeats)
                ready = PreparedBatch()
            else:
                ids = self._insert(connection, _records(admitted.outcomes), ready)
                inserted = _Inserted(
                    ids, admitted.outcomes, admitted.decided.poison, admitted.repeats
                )
            written, leaving, letters, repeated = _binned(inserted, ready, tallies)
            if repeated:
                letters += _count_repeats(connection, repeated, claims, tallies, isolating)
            concluded = finish_batch(
                connection,
                topics=self._recorder.topics,
                claims=claims,
                tallies=tallies,
                leaving=leaving,
                letters=letters,
                acknowledged=acknowledged,
                packed=ready.packed,
            )
        self._metrics.count(tallies, written)
        if isolating is None and self._refusals.has_any:
            self._refusals.note_written([*(record.trigger.job_id for record in written), *repeated])
        say_isolated(letters)
        return concluded

    def _insert(
        self, connection: Connection, batch: Sequence[Record], ready: PreparedBatch
    ) -> dict[str, int]:
        """Write records and show them on their jobs; the ids of those that are new."""
        if not batch:
            return {}
        columns = ready.columns if batch == ready.batch else records.columns(batch)
        with errors.translate_row_errors():
            ids = records.insert(connection, columns)
            self._projector.show(connection, batch, ids)
        return ids


def _admit(decided: BatchDecision, claims: Mapping[int, Claim]) -> _Admitted:
    """Count a batch against the position that its partitions have by now."""
    admitted = _Admitted(decided, claims, BatchTally(claims), [], {})
    admit = admitted.count.admit
    for delivery, outcome in decided.outcomes:
        if not admit(delivery):
            continue
        if isinstance(outcome, str):
            admitted.repeats.setdefault(outcome, []).append(delivery)
        else:
            admitted.outcomes.append((delivery, outcome))
    return admitted


def _binned(inserted: _Inserted, ready: PreparedBatch, tallies: Mapping[int, Tally]) -> _Binned:
    """Count every message in its bin, and say what follows from that."""
    if inserted.is_all_of(ready):
        for ledger_id, packed in ready.packed.items():
            tallies[ledger_id].records += len(packed.events)
            tallies[ledger_id].events += len(packed.events)
        leaving = {ledger_id: packed.events for ledger_id, packed in ready.packed.items()}
        return _Binned(ready.batch, leaving, [], {})
    written: list[Record] = []
    queues: dict[int, list[Event]] = {}
    letters: list[DeadLetter] = []
    repeated = {key: list(again) for key, again in inserted.repeats.items()}
    for delivery, outcome in inserted.outcomes:
        if isinstance(outcome, DeadLetter):
            tallies[outcome.ledger_id].dead_letters += 1
            letters.append(outcome)
            continue
        ledger_id = outcome.trigger.origin.ledger_id
        key = outcome.trigger.idempotency_key
        if key not in inserted.ids:
            repeated.setdefault(key, []).append(delivery)
            continue
        tallies[ledger_id].records += 1
        tallies[ledger_id].events += 1
        written.append(outcome)
        queues.setdefault(ledger_id, []).append(outcome.event)
        if key in inserted.poison:
            reason, job_id = inserted.poison[key], outcome.trigger.job_id
            letter = DeadLetter(ledger_id, delivery, reason, job_id, outcome.execution_id)
            letters.append(letter)
    return _Binned(written, queues, letters, repeated)


def _count_repeats(
    connection: Connection,
    repeated: Mapping[str, Sequence[Delivery]],
    claims: Mapping[int, Claim],
    tallies: Mapping[int, Tally],
    isolating: RefusalHistory | None,
) -> list[DeadLetter]:
    """Count repeats on their records and in the tallies.

    Returns a dead letter for each repeat that its record cannot count: so it is accounted for, and
    the record stays.
    """
    repeats = {key: len(again) for key, again in repeated.items()}
    uncounted: Mapping[str, str] = {}
    if isolating is None:
        records.count_repeats(connection, repeats)
    else:
        uncounted = count_isolated(connection, repeats, isolating)
    letters = []
    for key, again in repeated.items():
        for delivery in again:
            ledger_id = claims[delivery.partition].ledger_id
            if key not in uncounted:
                tallies[ledger_id].duplicates += 1
                continue
            tallies[ledger_id].dead_letters += 1
            reason = f"a repeat of execution {key}, whose record cannot count it: {uncounted[key]}"
            letters.append(DeadLetter(ledger_id, delivery, reason))
    return letters


def _records(outcomes: Outcomes) -> list[Record]:
    return [outcome for _, outcome in outcomes if isinstance(outcome, Record)]
