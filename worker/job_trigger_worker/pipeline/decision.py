"""What becomes of a batch of triggers, before anything is written.

Reads messages and the inventory, judges, and makes records with their events; changes nothing, so a
batch may be decided while another one is written, and again if that took too long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from job_trigger_worker.clock import Clock
from job_trigger_worker.domain.cost import MOST, SMALL, Cost, KnownCosts, Plan
from job_trigger_worker.domain.delivery import Delivery, Event
from job_trigger_worker.domain.record import Claim, DeadLetter, Record
from job_trigger_worker.domain.trigger import Trigger, TriggerKind
from job_trigger_worker.domain.verdict import MOST_FINDINGS
from job_trigger_worker.pipeline.decode import Unreadable, decode
from job_trigger_worker.pipeline.isolated_records import say_unreadable
from job_trigger_worker.pipeline.outcome import OutcomeBuilder
from job_trigger_worker.pipeline.sources import NOTHING_CLAIMED, ClaimedSource, prove, read_claims
from job_trigger_worker.preflight.bisection import read_canaries, read_facts_of_first
from job_trigger_worker.preflight.facts import NO_FACTS, Facts
from job_trigger_worker.preflight.runner import judge
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import outbox, records

_LONGEST_JUDGING_S = 1.0
"""A batch is cut when judging it takes longer: a decision has to be written while it is fresh."""

_MOST_OUT, _SMALL_OUT = MOST.outcome_bytes, SMALL.outcome_bytes


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """What is sent for a batch without any repeat, which is nearly every batch.

    `columns` are those of `batch`, and `packed` has its events by ledger id.
    """

    batch: Sequence[Record] = ()
    columns: records.Columns = field(default_factory=dict)
    packed: Mapping[int, outbox.Packed] = field(default_factory=dict)


@dataclass(slots=True)
class BatchDecision:
    """A batch as decided, before anything is written (a `Decision` of the loop).

    `outcomes` are by delivery, in order; a text is the idempotency key of a record that already
    exists. `poison` is why a record's trigger could not be used, by idempotency key. `rest` is what
    did not fit into the batch; it was not looked at, or only to see what it costs. `ready` is made
    here because a batch is decided while another one is written.
    """

    decided_at: datetime
    outcomes: list[tuple[Delivery, Record | DeadLetter | str]] = field(default_factory=list)
    poison: dict[str, str] = field(default_factory=dict)
    rest: Sequence[Delivery] = ()
    ready: PreparedBatch = PreparedBatch()

    def has_expired(self, now: datetime) -> bool:
        """True when something of it, decided to be run, would be too late by now."""
        return any(
            isinstance(outcome, Record)
            and outcome.verdict.expires_at is not None
            and outcome.verdict.expires_at < now
            for _, outcome in self.outcomes
        )


class Decider:
    """Decides batches of triggers, and remembers what large jobs cost. Used by one thread."""

    def __init__(
        self,
        *,
        session: Session,
        recorder: OutcomeBuilder,
        clock: Clock,
        default_max_lateness_s: int,
        max_earliness_s: int,
    ) -> None:
        self._session = session
        self._recorder = recorder
        self._clock = clock
        self._default_max_lateness_s = default_max_lateness_s
        self._max_earliness = timedelta(seconds=max_earliness_s)
        self._costs = KnownCosts()

    def decide(self, batch: Sequence[Delivery], claims: Mapping[int, Claim]) -> BatchDecision:
        """Say what becomes of as many of the first deliveries as cost no more than a batch may.

        Their moment is now, before anything is read. One look at the inventory serves all of them.
        What is left over is the next batch's: it is neither read nor judged here, but for what is
        larger than it was the last time, and the first of each job that was never met.
        """
        now = self._clock.now()
        decided = BatchDecision(now)
        messages = self._messages(batch, claims, now)
        firsts: dict[str, Trigger] = {}
        for message in messages:
            if type(message) is Trigger:
                firsts.setdefault(message.idempotency_key, message)
        usable = [trigger for trigger in firsts.values() if trigger.problem is None]
        facts = self._read_facts(usable, claims)
        verdicts = judge(
            usable, facts, now, self._default_max_lateness_s, most_findings=MOST_FINDINGS
        )
        monotonic = self._clock.monotonic
        latest = monotonic() + _LONGEST_JUDGING_S
        size = 0
        has_large_jobs = bool(self._costs)
        for delivery, message in zip(batch, messages, strict=False):
            if size >= _MOST_OUT or (size and monotonic() > latest):
                break
            if isinstance(message, Unreadable):
                ledger_id = claims[delivery.partition].ledger_id
                letter = DeadLetter(ledger_id, delivery, message.reason)
                decided.outcomes.append((delivery, letter))
                size += len(delivery.value or b"")
                continue
            key = message.idempotency_key
            if firsts[key] is not message:
                decided.outcomes.append((delivery, key))
                continue
            if message.problem is not None:
                decided.poison[key] = message.problem
                record = self._recorder.invalid(message, message.problem, now)
                size += len(delivery.value or b"")
            elif message.job_id in facts.unread:
                break
            else:
                record = self._recorder.record(message, next(verdicts), now)
            decided.outcomes.append((delivery, record))
            bytes_out = _bytes_out(record)
            size += bytes_out
            if bytes_out > _SMALL_OUT or has_large_jobs:
                has_large_jobs = self._note_cost(record, bytes_out, facts)
        decided.rest = batch[len(decided.outcomes) :]
        decided.ready = _make_ready([r for _, r in decided.outcomes if isinstance(r, Record)])
        return decided

    def _messages(
        self, batch: Sequence[Delivery], claims: Mapping[int, Claim], now: datetime
    ) -> list[Trigger | Unreadable]:
        """What the first deliveries say, as far as a batch has room by what is known of costs."""
        plan = Plan(self._costs) if self._costs else None
        believed_until = now + self._max_earliness
        messages: list[Trigger | Unreadable] = []
        signed: list[tuple[int, ClaimedSource]] = []
        for place, delivery in enumerate(batch):
            claimed = read_claims(delivery.headers)
            claim = claims[delivery.partition]
            message = decode(delivery, claim, now, believed_until, claimed.source)
            if plan and isinstance(message, Trigger) and not plan.take(message.job_id):
                break
            messages.append(message)
            if claimed is not NOTHING_CLAIMED and claimed.is_signed:
                signed.append((place, claimed))
        if signed:
            proving = [(claimed, batch[place].value) for place, claimed in signed]
            for (place, _), source in zip(
                signed, prove(proving, self._session.snapshot), strict=True
            ):
                delivery = batch[place]
                claim = claims[delivery.partition]
                messages[place] = decode(delivery, claim, now, believed_until, source)
        return messages

    def _read_facts(self, triggers: Sequence[Trigger], claims: Mapping[int, Claim]) -> Facts:
        """The one look at the inventory, for as many of the first triggers as there is room for."""
        if not triggers:
            return NO_FACTS
        job_ids = list(dict.fromkeys(trigger.job_id for trigger in triggers))
        facts = read_facts_of_first(self._session.snapshot, job_ids, self._costs)
        canaries = {trigger.job_id for trigger in triggers if trigger.kind is TriggerKind.CANARY}
        if canaries:
            marked = read_canaries(self._session.snapshot, canaries)
            facts = replace(facts, canaries=marked)
        if facts.unreadable:
            known = [trigger for trigger in triggers if trigger.job_id not in facts.unread]
            say_unreadable(known, facts.unreadable, claims)
        return facts

    def _note_cost(self, record: Record, bytes_out: int, facts: Facts) -> bool:
        """Remember what a large job costs; whether any is remembered."""
        job_id = record.trigger.job_id
        job, parameter = facts.jobs.get(job_id), facts.parameters.get(job_id)
        if job is not None and parameter is not None:
            bytes_in = len(job.parameter or "")
            self._costs.note(job_id, Cost(bytes_in, len(parameter.targets), bytes_out))
        return bool(self._costs)


def _bytes_out(record: Record) -> int:
    """About how many bytes go out for a record."""
    return len(record.event.value or b"") + len(record.targets or "") + len(record.findings or "")


def _make_ready(batch: Sequence[Record]) -> PreparedBatch:
    if not batch:
        return PreparedBatch()
    leaving: dict[int, list[Event]] = {}
    for record in batch:
        leaving.setdefault(record.trigger.origin.ledger_id, []).append(record.event)
    packed = {ledger_id: outbox.Packed.of(queue) for ledger_id, queue in leaving.items()}
    return PreparedBatch(batch, records.columns(batch), packed)
