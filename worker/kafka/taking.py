"""Taking partitions and giving them up (DESIGN section 6).

A partition is ours when its ledger row carries our epoch. Assignment by the group is only the
permission to try.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from worker.clock import Clock
from worker.domain.delivery import Delivery
from worker.domain.group_copy import copy_of
from worker.domain.record import Claim, OutboxRow
from worker.errors import ConnectionLost, Fenced, Refused, Transient
from worker.kafka import log_check
from worker.kafka.consumer import TopicConsumer
from worker.kafka.faults import TRIES
from worker.kafka.group_check import check_copies
from worker.kafka.log_tails import LogTails
from worker.kafka.orphans import Orphans
from worker.kafka.topic_ids import TopicDescription
from worker.kafka.topic_watch import Look, TopicWatch
from worker.kafka.unreadable import UnreadableBatches
from worker.metrics import LoopMetrics
from worker.relay import Relay
from worker.storage import ledger, outbox
from worker.storage.engine import Session

log = logging.getLogger(__name__)

_LAST_WAIT_S = 2.0


class Takings:
    """The claims of one loop. `claims` is by partition; `changes` rises when the group takes any.

    Give `revoked` and `lost` to the consumer as its callbacks: they run inside its calls.
    """

    def __init__(
        self,
        *,
        session: Session,
        relay: Relay,
        topic_watch: TopicWatch,
        unreadable: UnreadableBatches,
        owner: str,
        clock: Clock,
        metadata_interval_s: float,
        metrics: LoopMetrics,
    ) -> None:
        self.claims: dict[int, Claim] = {}
        self.changes = 0
        self._former: dict[int, Claim] = {}
        self._session = session
        self._relay = relay
        self._topic_watch = topic_watch
        self._unreadable = unreadable
        self._at_fault: set[int] = set()
        self._owner = owner
        self._clock = clock
        self._interval_s = metadata_interval_s
        self._metrics = metrics
        self._orphans = Orphans(session, relay, owner)
        self._consumer: TopicConsumer | None = None
        self._tails: LogTails | None = None

    def attach(self, consumer: TopicConsumer) -> None:
        """Serve this consumer; once, before the first take."""
        self._consumer = consumer
        self._tails = LogTails(self._session, consumer, self._clock, self._interval_s)

    @property
    def consumer(self) -> TopicConsumer:
        """The consumer attached."""
        if self._consumer is None:
            raise RuntimeError("attach a consumer first")
        return self._consumer

    @property
    def tails(self) -> LogTails:
        """The ends of the consumer's logs."""
        if self._tails is None:
            raise RuntimeError("attach a consumer first")
        return self._tails

    @property
    def is_blind(self) -> bool:
        """True while the brokers did not say, at the last look, which topic it is."""
        return self._topic_watch.is_blind

    def covers(self, delivery: Delivery) -> bool:
        """True for a message of a partition that is ours, and has been since it was fetched."""
        return delivery.partition in self.claims

    def owns(self, row: OutboxRow) -> bool:
        """True for an outbox row of a partition that is ours."""
        return any(claim.ledger_id == row.ledger_id for claim in self.claims.values())

    def move(self, positions: Mapping[int, int]) -> None:
        """Remember how far the ledger got."""
        for partition, offset in positions.items():
            if partition in self.claims:
                self.claims[partition] = self.claims[partition].at(offset)

    def pass_gaps(self, in_hand: Callable[[], Iterable[Delivery]]) -> Collection[int]:
        """Now and then move positions behind what is no message; see `LogTails`. Returns whose."""
        passed = self.tails.pass_gaps(self.claims, in_hand)
        self.move(passed)
        return passed.keys()

    def outbox(self) -> dict[int, tuple[int, datetime]]:
        """How many outbox rows wait, and since when, by partition that is ours or was let go."""
        mine = self._former | self.claims
        with self._session.transaction() as connection:
            found = outbox.waiting(connection, (claim.ledger_id for claim in mine.values()))
        return {p: found[each.ledger_id] for p, each in mine.items() if each.ledger_id in found}

    def let_go(self) -> None:
        """Stop serving; what is still assigned is taken again, or given up as it was."""
        self._former |= self.claims
        self.claims.clear()
        self._at_fault.clear()

    def retake(self, partitions: set[int]) -> None:
        """Have partitions taken again that stand before a message which cannot be read.

        Everything before it is accounted for. Taken again, a batch is read once more; one that has
        brought the same error `TRIES` times is passed.
        """
        for partition in partitions & self.claims.keys():
            self._former[partition] = self.claims.pop(partition)
            self._at_fault.add(partition)

    def take_missing(self, tick: Callable[[], None]) -> dict[int, Claim]:
        """Take what is assigned and not ours yet; `start` lets it flow.

        The caller drops what it holds of the partitions returned and calls `start`. `tick` may
        poll, and has to raise `Transient` when that changes the assignment; `take_missing` raises
        it too, to be tried again, and `Stop` when another group owns a partition or the group's
        offsets are copies of another database's positions.
        """
        if self._look_at_topic() and 0 in self.claims:
            # Whoever holds one may not have looked at the topic yet: leave it until then.
            self._orphans.catch_up(self._topic(), tick, idle_s=self._interval_s)
        missing = sorted(self.consumer.assigned - self.claims.keys())
        if missing:
            self._check_database(missing)
            self._relay.finish(tick)
        return {partition: self._take(partition, tick) for partition in missing}

    def start(self, taken: Mapping[int, Claim]) -> None:
        """Let partitions just taken flow, from behind their position."""
        flow = self.consumer.flow
        for partition, claim in taken.items():
            ahead = self._unreadable.ahead(claim)
            if ahead is None:
                flow.seek(partition, claim.last_offset + 1)
            else:
                flow.hand_over(partition, *ahead)
            self._former.pop(partition, None)
        self.claims.update(taken)
        flow.resume(taken)
        self.consumer.offsets.copy(taken.values())
        owned = {claim.ledger_id for claim in self.claims.values()}
        self._relay.forget([r for r in self._relay.acknowledged if r.ledger_id not in owned])

    def give_up(self) -> None:
        """Give up everything, in order."""
        self.revoked([*self._former, *self.claims])

    def close(self) -> None:
        """Disconnect what asks for topic ids."""
        self._topic_watch.close()

    def revoked(self, partitions: list[int]) -> None:
        """Give partitions up: delete what is acknowledged, copy the offsets, release.

        The same for those that were let go: their epoch says whether they are still ours.
        """
        self.changes += 1
        given = self._drop(partitions)
        if not given:
            return
        try:
            self._finish()
            self._relay.settle(given)
            self.consumer.offsets.copy(given)
            with self._session.transaction() as connection:
                ledger.release(connection, given)
        except (Transient, Fenced, Refused) as problem:
            # The next owner publishes again what we could not delete, under the same event ids.
            log.warning("action=give_up topic=%s reason=%s", self.consumer.topic, problem)
            self._forget(given)

    def lost(self, partitions: list[int]) -> None:
        """Write nothing: somebody else owns these by now."""
        self.changes += 1
        self._forget(self._drop(partitions))
        if self._relay.abandon():
            self.let_go()

    def _finish(self) -> None:
        """Wait a little for events under way; neither a rebalance nor a stop can wait for long."""
        deadline = self._clock.monotonic() + _LAST_WAIT_S

        def tick() -> None:
            if self._clock.monotonic() > deadline:
                raise Transient("The brokers did not acknowledge events in time.")

        try:
            self._relay.finish(tick)
        except (Transient, Fenced) as problem:
            log.warning("action=finish topic=%s reason=%s", self.consumer.topic, problem)
            self.let_go()  # what stays ours is taken again, and its outbox published

    def _drop(self, partitions: list[int]) -> list[Claim]:
        mine = self._former | self.claims
        for partition in partitions:
            self._former.pop(partition, None)
            self.claims.pop(partition, None)
            self._at_fault.discard(partition)
        return [mine[partition] for partition in partitions if partition in mine]

    def _forget(self, claims: list[Claim]) -> None:
        ids = {claim.ledger_id for claim in claims}
        self._relay.forget([row for row in self._relay.acknowledged if row.ledger_id in ids])

    def _take(self, partition: int, tick: Callable[[], None]) -> Claim:
        topic = self._topic()
        copy = self.consumer.offsets.commit_as_it_stands(partition)
        remembered = self._former.get(partition)
        log_start, log_end = self.consumer.ends.bounds(partition)
        with self._session.transaction() as connection:
            claim = ledger.take(
                connection,
                topic=topic.name,
                topic_id=topic.topic_id,
                partition=partition,
                owner=self._owner,
                log_start=log_start,
            )
            known = [copy] if remembered is None else [copy, copy_of(remembered)]
            end = max((each.offset for each in known if each.is_of(claim)), default=0)
            is_rewound = end > claim.last_offset + 1
            if is_rewound:
                ledger.rewind(connection, claim, end)
        if is_rewound:
            log_check.tell_rewound(claim, end, self._metrics)
        if partition in self._at_fault:
            claim = self._past_fault(claim)
        self._former[partition] = claim
        if partition == 0:
            self._orphans.lose_replaced(topic)
            self._orphans.catch_up(topic, tick)
        repeated = self._relay.catch_up(claim, tick)
        claim = self._within(claim, log_start, log_end)
        tick()
        log.info(
            "action=taken topic=%s partition=%d epoch=%d position=%d outbox_rows=%d",
            claim.topic,
            partition,
            claim.epoch,
            claim.last_offset + 1,
            repeated,
        )
        return claim

    def _topic(self) -> TopicDescription:
        topic = self._topic_watch.topic
        if topic is None:
            raise Transient(f"The topic {self.consumer.topic} is not there (any more).")
        return topic

    def _past_fault(self, claim: Claim) -> Claim:
        """The claim behind a batch that was tried often enough; once for each `retake`."""
        self._at_fault.discard(claim.partition)
        fault = self.consumer.flow.faults.get(claim.partition)
        if fault is None or fault.times < TRIES:
            return claim
        try:
            return self._unreadable.skip(claim, fault)
        except ConnectionLost:
            raise
        except Transient as problem:  # no reason to keep the other partitions waiting
            log.warning("action=unreadable topic=%s reason=%s", claim.topic, problem)
            return claim

    def _check_database(self, partitions: Collection[int]) -> None:
        """Raise `Stop`, before anything is written, where this is not the group's database."""
        topic = self._topic_watch.topic
        if topic is None:
            return
        group = self._owner.split("/", maxsplit=1)[0]
        check_copies(self._session, topic, group, self.consumer.offsets.read(partitions))

    def _within(self, claim: Claim, first: int, end: int) -> Claim:
        """The claim where the log allows it, which may have lost something at either side."""
        refused = self.consumer.flow.out_of_range
        is_refused = claim.partition in refused
        refused.discard(claim.partition)
        if log_check.is_cut(claim, first, end, is_refused=is_refused):
            # First, so that our memory is not ahead of the ledger without a reason.
            self._former[claim.partition] = claim.at(end - 1)
            return log_check.go_back(self._session, self.consumer.offsets, claim, end)
        return log_check.lose_unread(self._session, claim, first)

    def _look_at_topic(self) -> bool:
        """Before every take, and at every metadata interval: see that it is the same topic.

        Returns whether it was looked at now.
        """
        flow = self.consumer.flow
        found = self._topic_watch.look(
            is_taking=not self.consumer.assigned <= self.claims.keys(),
            is_in_doubt=bool(flow.out_of_range),
        )
        if found is Look.NONE:
            return False
        if found is Look.REPLACED:
            self.let_go()
            flow.out_of_range.clear()  # said of the other topic
            flow.faults.clear()
        for partition in flow.out_of_range & self.claims.keys():
            self._former[partition] = self.claims.pop(partition)
        self.tails.note(self.claims.values())
        return True
