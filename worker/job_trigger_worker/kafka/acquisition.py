"""The way from an assignment to a partition that flows (design 6.3).

Ask the brokers, have the group show that we are a member, fence, publish what the outbox holds,
hold the position against the log. Each call does what can be done without waiting for a broker's
answer or for a lock that somebody holds, and publishes one page at most: so whoever has work does a
batch of it between two, and what hinders one partition is no hindrance to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import NamedTuple

from job_trigger_worker.clock import Clock
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.errors import ConnectionLost, Fenced, Locked, Transient
from job_trigger_worker.kafka import log_loss
from job_trigger_worker.kafka.broker_lookup import Ahead, BrokerLookup, LookupResult, PendingLookup
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.fencing import PartitionFence
from job_trigger_worker.kafka.orphaned_partitions import adopt_orphans
from job_trigger_worker.kafka.outbox_catch_up import CatchUpResult, OutboxCatchUp
from job_trigger_worker.kafka.postponements import Postponements
from job_trigger_worker.kafka.read_errors import TRIES
from job_trigger_worker.kafka.topic_identity import TopicIdentity
from job_trigger_worker.kafka.topic_ids import TopicDescription
from job_trigger_worker.kafka.unreadable import UnreadableBatches
from job_trigger_worker.logs import logger
from job_trigger_worker.pipeline.relay import Relay
from job_trigger_worker.storage.db.engine import Session

log = logger(__name__)

_ANSWER_S = 5.0
"""How long the group may take to say that we are a member of it."""


class _Proving(NamedTuple):
    """Partitions that the group is asked about, what brokers said of them, and until when."""

    partitions: set[int]
    answers: LookupResult
    deadline_s: float


class PartitionAcquisition:
    """What is on its way to be ours.

    `former` are claims, by partition, of what does not flow: fenced and not through yet, or let go.
    They tell what the ledger was known to have, and are given up in order. `at_fault` are
    partitions that stand before a message which cannot be read; `watch` knows which topic it is.
    """

    def __init__(
        self,
        consumer: TopicConsumer,
        *,
        session: Session,
        relay: Relay,
        inquiry: BrokerLookup,
        unreadable: UnreadableBatches,
        fence: PartitionFence,
        clock: Clock,
        interval_s: float,
    ) -> None:
        self.former: dict[int, Claim] = {}
        self.at_fault: set[int] = set()
        self.watch = TopicIdentity(consumer.topic, clock, interval_s)
        self._consumer = consumer
        self._clock = clock
        self._session = session
        self._inquiry = inquiry
        self._unreadable = unreadable
        self._fence = fence
        self._interval_s = interval_s
        self._postponed = Postponements(consumer.topic, clock)
        self._catching_up = OutboxCatchUp(session, relay)
        self._fenced: set[int] = set()
        self._asked: PendingLookup[LookupResult] | None = None
        self._proving: _Proving | None = None
        self._bounds: dict[int, tuple[int, int]] = {}
        self._to_look: dict[int, Claim] = {}
        self._looking: PendingLookup[dict[int, Ahead]] | None = None

    @property
    def is_under_way(self) -> bool:
        """True while something is asked about partitions, or fenced and not through."""
        is_asked = self._asked is not None and bool(self._asked.partitions)
        return is_asked or self._proving is not None or bool(self._fenced)

    @property
    def ledger_ids(self) -> set[int]:
        """Ledger rows that carry our epoch on behalf of what is being caught up with."""
        return {claim.ledger_id for claim in self._catching_up.claims}

    def missing(self, claims: Collection[int]) -> set[int]:
        """Partitions that are to be asked about now; none while an answer is waited for."""
        if self._asked is not None or self._proving is not None:
            return set()
        return self._postponed.due(self._consumer.assigned - set(claims) - self._fenced)

    def why_not(self, claims: Collection[int]) -> str | None:
        """Why something that is assigned cannot be taken, as far as that is known."""
        return self._postponed.why(self._consumer.assigned - set(claims) - self._fenced)

    def ask(self, missing: set[int]) -> None:
        """Ask about what is missing, and at every metadata interval about the topic alone."""
        is_asking = self._asked is not None or self._proving is not None
        if is_asking or not (missing or self.watch.is_due):
            return
        self.watch.ask()
        faults = {
            partition: fault
            for partition, fault in self._consumer.flow.faults.items()
            if partition in missing & self.at_fault and fault.times >= TRIES
        }
        self._asked = self._inquiry.ask(sorted(missing), faults)

    def hear(self) -> tuple[set[int], LookupResult] | None:
        """The answer, once it is there, and the partitions that are still to be taken with it."""
        if self._asked is None or not self._asked.is_answered:
            return None
        pending, self._asked = self._asked, None
        try:
            return pending.partitions, pending.answer()
        except Transient as problem:
            if pending.partitions:
                self._postponed.note(dict.fromkeys(pending.partitions, str(problem)))
            else:
                self.watch.fail(problem)
            return None

    def prove(self, partitions: set[int], answers: LookupResult) -> None:
        """Prove, by committing unchanged offsets, that the group has assigned these to us.

        One whose assignment is stale, because it was frozen, has nobody fenced.
        """
        if answers.topic is None:
            reason = f"the topic {self._consumer.topic} is not there (any more)"
            self._postponed.note(dict.fromkeys(partitions, reason))
            return
        self._postponed.note(
            {each: why for each, why in answers.refusals.items() if each in partitions}
        )
        copies = {each: copy for each, copy in answers.copies.items() if each in partitions}
        if not copies:
            return
        try:
            self._consumer.offsets.prove(copies)
        except Transient as problem:
            self._postponed.note(dict.fromkeys(copies, str(problem)))
        else:
            deadline_s = self._clock.monotonic() + _ANSWER_S
            self._proving = _Proving(set(copies), answers, deadline_s)

    def proven(self) -> tuple[set[int], LookupResult] | None:
        """What may be fenced now, and what is known of it; None while the group has not answered.

        Raises `FatalError` where we may not read.
        """
        proving = self._proving
        if proving is None:
            return None
        refusals = self._consumer.offsets.proof()
        if refusals is None:
            if self._clock.monotonic() > proving.deadline_s:
                self._proving = None
                self._consumer.offsets.release_all()
                reason = "the group does not say that we are a member of it"
                self._postponed.note(dict.fromkeys(proving.partitions, reason))
            return None
        self._proving = None
        refused = {each: why for each, why in refusals.items() if each in proving.partitions}
        self._postponed.note(refused)
        return proving.partitions - refused.keys(), proving.answers

    def fence(self, partitions: set[int], answers: LookupResult) -> None:
        """Become the owner of these, and begin to catch up with what they left.

        Nothing may be under way to the brokers.
        """
        topic = answers.topic
        copies = {each: copy for each, copy in answers.copies.items() if each in partitions}
        if topic is None or not copies:
            return
        asked = replace(answers, copies=copies)
        try:
            claims = self._fence.raise_before(topic, asked, self.former)
            self.former |= claims
            for partition, claim in claims.items():
                self.former[partition] = self._past_fault(claim, answers)
            self._catching_up.add(self.former[each] for each in claims)
        except ConnectionLost:
            raise
        except (Transient, Fenced) as problem:
            self._put_off(copies, str(problem))
            return
        self._fenced |= claims.keys()
        self._bounds |= {each: answers.bounds[each] for each in claims}
        locked = copies.keys() - claims.keys()
        if locked:
            why = self._fence.why_locked(topic, locked)
            self._postponed.note(dict.fromkeys(locked, why))

    def adopt_orphans(self, topic: TopicDescription) -> None:
        """Catch up with what partitions that are gone have left, too: partition 0 is ours.

        Where it is not just being taken, others may not have looked at the topic yet: what they
        still touch is left to them.
        """
        idle_s = 0.0 if 0 in self._fenced else self._interval_s
        try:
            orphans = adopt_orphans(self._session, topic, self._fence.owner, idle_s)
            self._catching_up.add(orphans, are_orphans=True)
        except ConnectionLost:
            raise
        except (Transient, Fenced) as problem:  # it is tried again at the next metadata interval
            log.warning("orphans_not_adopted", topic=topic.name, reason=problem)

    def step(self, tick: Callable[[], None]) -> dict[int, tuple[Claim, Ahead]]:
        """Publish a page where something is left; returns what may flow now.

        With each its claim, and what stands close behind it that the client must not unpack. Raises
        what the relay does, and `ConnectionLost`.
        """
        try:
            through = self._catching_up.step(tick)
        except (Fenced, Locked) as problem:  # asked again, each of them speaks for itself
            self._put_off(self._catching_up.partitions, str(problem))
            self._catching_up.clear()
            return {}
        checked = {each.claim.partition: self._checked(each) for each in through}
        ready = {each: claim for each, claim in checked.items() if claim is not None}
        if self._unreadable.looks_ahead or self._to_look or self._looking is not None:
            self._to_look |= ready
            return self._through(self._looked_ahead())
        return self._through(dict.fromkeys(ready))

    def drop(self, partitions: Collection[int]) -> None:
        """Forget partitions that were given up, or lost."""
        for pending in (self._asked, self._proving, self._looking):
            if pending is not None:
                pending.partitions.difference_update(partitions)
        self._postponed.forget(partitions)
        self.at_fault.difference_update(partitions)
        self._stop(partitions)
        for partition in partitions:
            self.former.pop(partition, None)

    def begin_anew(self) -> None:
        """Take everything from the first step on."""
        self._proving = None
        for pending in (self._asked, self._looking):
            if pending is not None:
                pending.partitions.clear()
        self.at_fault.clear()
        self._stop(set(self._fenced))
        self._catching_up.clear()

    def close(self) -> None:
        """Ask nothing more."""
        self._inquiry.close()

    def _past_fault(self, claim: Claim, answers: LookupResult) -> Claim:
        """The claim behind a batch that was tried often enough; once for each time at fault."""
        self.at_fault.discard(claim.partition)
        fault = self._consumer.flow.faults.get(claim.partition)
        if fault is None or claim.partition not in answers.ranges:
            return claim
        return self._unreadable.skip(claim, fault, answers.ranges[claim.partition])

    def _checked(self, each: CatchUpResult) -> Claim | None:
        """The claim if the log allows it; None if the brokers have to be asked again."""
        claim, partition = each.claim, each.claim.partition
        first, end = self._bounds[partition]
        refused = self._consumer.flow.out_of_range
        is_refused = partition in refused
        refused.discard(partition)
        try:
            if log_loss.is_cut(claim, first, end, is_refused=is_refused):
                # First, so that our memory is not ahead of the ledger without a reason.
                self.former[partition] = claim.at(end - 1)
                claim = log_loss.go_back(self._session, self._consumer.offsets, claim, end)
            else:
                claim = log_loss.record_lost_range(self._session, claim, first)
        except ConnectionLost:
            raise
        except (Transient, Fenced) as problem:
            self._put_off([partition], str(problem))
            return None
        self.former[partition] = claim
        log.info(
            "taken",
            topic=claim.topic,
            partition=partition,
            epoch=claim.epoch,
            position=claim.last_offset + 1,
            outbox_rows=each.rows,
        )
        return claim

    def _looked_ahead(self) -> dict[int, Ahead]:
        """What the brokers' logs hold behind claims, of those that were asked about it."""
        found: dict[int, Ahead] = {}
        if self._looking is not None and self._looking.is_answered:
            pending, self._looking = self._looking, None
            answer = pending.answer()
            found = {each: answer[each] for each in pending.partitions}
        if self._looking is None and self._to_look:
            self._looking = self._inquiry.look_ahead(self._to_look)
            self._to_look = {}
        return found

    def _through(self, aheads: dict[int, Ahead]) -> dict[int, tuple[Claim, Ahead]]:
        self._postponed.forget(aheads)
        found = {each: (self.former[each], ahead) for each, ahead in aheads.items()}
        self._stop(aheads)
        return found

    def _put_off(self, partitions: Collection[int], reason: str) -> None:
        self._postponed.note(dict.fromkeys(partitions, reason))
        self._stop(partitions)

    def _stop(self, partitions: Collection[int]) -> None:
        """Forget how far these are on the way."""
        self._catching_up.drop(partitions)
        self._fenced.difference_update(partitions)
        for partition in partitions:
            self._bounds.pop(partition, None)
            self._to_look.pop(partition, None)
