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
from worker.domain.record import Claim, OutboxRow, Tally
from worker.errors import ConnectionLost, Fenced, Refused, Transient
from worker.kafka.consumer import TopicConsumer
from worker.kafka.faults import TRIES
from worker.kafka.group_check import check_copies
from worker.kafka.topic_ids import TopicDescription, TopicIds
from worker.kafka.unreadable import UnreadableBatches
from worker.metrics import LoopMetrics
from worker.relay import Relay
from worker.storage import ledger, outbox
from worker.storage.engine import Session

log = logging.getLogger(__name__)

_LAST_WAIT_S = 2.0


class Takings:
    """The claims of one loop. `claims` is by partition; `changes` rises when the group takes any.

    `is_blind` while the brokers did not say, at the last look, which topic it is.
    Give `revoked` and `lost` to the consumer as its callbacks: they run inside its calls.
    """

    def __init__(
        self,
        *,
        session: Session,
        relay: Relay,
        topic_ids: TopicIds,
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
        self._topic_ids = topic_ids
        self._unreadable = unreadable
        self._at_fault: set[int] = set()
        self._owner = owner
        self._clock = clock
        self._interval_s = metadata_interval_s
        self._metrics = metrics
        self._looked_at = self._passed_at = 0.0
        self.is_blind = False
        self._topic: TopicDescription | None = None
        self._seen_id: str | None = None
        self._consumer: TopicConsumer | None = None

    def attach(self, consumer: TopicConsumer) -> None:
        """Serve this consumer; once, before the first take."""
        self._consumer = consumer

    @property
    def consumer(self) -> TopicConsumer:
        """The consumer attached."""
        if self._consumer is None:
            raise RuntimeError("attach a consumer first")
        return self._consumer

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
        """Now and then move positions behind what is no message at a log's end; returns whose.

        A transaction's marker is one. Else the log would seem to have lost it, when it deletes what
        was read. `in_hand` tells what is fetched and not accounted for; nothing is being written.
        """
        now = self._clock.monotonic()
        if now - self._passed_at < self._interval_s:
            return ()
        self._passed_at = now
        held = {delivery.partition for delivery in in_hand()}
        passed = {
            partition: reached - 1
            for partition, reached in self.consumer.reached.items()
            if partition not in held
            and partition in self.claims
            and reached - 1 > self.claims[partition].last_offset
        }
        if passed:
            claims = {self.claims[each].ledger_id: self.claims[each] for each in passed}
            tallies = {self.claims[each].ledger_id: Tally(last) for each, last in passed.items()}
            with self._session.transaction() as connection:
                ledger.advance(connection, claims, tallies)
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
            self._catch_up_orphans(tick, idle_s=self._interval_s)
        missing = sorted(self.consumer.assigned - self.claims.keys())
        if missing:
            self._check_database(missing)
            self._relay.finish(tick)
        return {partition: self._take(partition, tick) for partition in missing}

    def start(self, taken: Mapping[int, Claim]) -> None:
        """Let partitions just taken flow, from behind their position."""
        for partition, claim in taken.items():
            ahead = self._unreadable.ahead(claim)
            if ahead is None:
                self.consumer.seek(partition, claim.last_offset + 1)
            else:
                self.consumer.hand_over(partition, *ahead)
            self._former.pop(partition, None)
        self.claims.update(taken)
        self.consumer.resume(taken)
        self.consumer.copy_offsets(taken.values())
        owned = {claim.ledger_id for claim in self.claims.values()}
        self._relay.forget([r for r in self._relay.acknowledged if r.ledger_id not in owned])

    def give_up(self) -> None:
        """Give up everything, in order."""
        self.revoked([*self._former, *self.claims])

    def close(self) -> None:
        """Disconnect what asks for topic ids."""
        self._topic_ids.close()

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
            self.consumer.copy_offsets(given)
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
        topic = self._topic
        if topic is None:
            raise Transient(f"The topic {self.consumer.topic} is not there (any more).")
        copy = self.consumer.commit_as_it_stands(partition)
        remembered = self._former.get(partition)
        log_start, log_end = self.consumer.bounds(partition)
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
            self._tell_rewound(claim, end)
        if partition in self._at_fault:
            claim = self._past_fault(claim)
        self._former[partition] = claim
        if partition == 0:
            self._lose_replaced(topic)
            self._catch_up_orphans(tick)
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

    def _past_fault(self, claim: Claim) -> Claim:
        """The claim behind a batch that was tried often enough; once for each `retake`."""
        self._at_fault.discard(claim.partition)
        fault = self.consumer.faults.get(claim.partition)
        if fault is None or fault.times < TRIES:
            return claim
        try:
            return self._unreadable.skip(claim, fault)
        except ConnectionLost:
            raise
        except Transient as problem:  # no reason to keep the other partitions waiting
            log.warning("action=unreadable topic=%s reason=%s", claim.topic, problem)
            return claim

    def _lose_replaced(self, topic: TopicDescription) -> None:
        """Record what a topic of that name that is gone had unread; partition 0 speaks for it."""
        with self._session.transaction() as connection:
            replaced = ledger.lose_replaced(connection, topic.name, topic.topic_id)
        for each in replaced:
            log.error(
                "action=topic_deleted_unread topic=%s topic_id=%s partition=%d first=%d "
                "at_least=%d message='the topic was deleted with what stood there unread; the "
                "audit fails until a person acknowledges it'",
                topic.name,
                each.topic_id,
                each.partition,
                each.first,
                each.seen,
            )

    def _note_ends(self) -> None:
        """Keep where the logs end, so that it is known what was unread if a topic is deleted."""
        ends = {
            claim: end
            for claim in self.claims.values()
            if (end := self.consumer.known_end(claim.partition)) is not None
        }
        if ends:
            with self._session.transaction() as connection:
                ledger.note_ends(connection, ends)

    def _check_database(self, partitions: Collection[int]) -> None:
        """Raise `Stop`, before anything is written, where this is not the group's database."""
        topic = self._topic
        if topic is None:
            return
        group = self._owner.split("/", maxsplit=1)[0]
        check_copies(self._session, topic, group, self.consumer.copies(partitions))

    def _tell_rewound(self, claim: Claim, end: int) -> None:
        first = claim.last_offset + 1
        self._metrics.rewound.inc(end - first)
        log.error(
            "action=rewound topic=%s partition=%d first=%d last=%d message='the database has "
            "forgotten commits (an older dump, or a standby that lacked them): these offsets are "
            "read again, under the ids that they had; the audit fails until a person acknowledges "
            "it'",
            claim.topic,
            claim.partition,
            first,
            end - 1,
        )

    def _catch_up_orphans(self, tick: Callable[[], None], idle_s: float = 0.0) -> None:
        """Publish what partitions that no longer exist have left; partition 0 speaks for them.

        Also while it is ours: a worker that still held one may crash after the topic was replaced.
        """
        topic = self._topic
        if topic is None:
            return
        with self._session.transaction() as connection:
            orphans = ledger.take_orphans(
                connection,
                topic=topic.name,
                topic_id=topic.topic_id,
                partitions=topic.partitions,
                owner=self._owner,
                idle_s=idle_s,
            )
        if not orphans:
            return
        self._relay.finish(tick)
        for orphan in orphans:
            self._relay.catch_up(orphan, tick)
        with self._session.transaction() as connection:
            ledger.release(connection, orphans)

    def _within(self, claim: Claim, first: int, end: int) -> Claim:
        """Compare our position with the log, which may have lost something at either side.

        What it deleted unread is recorded, loudly. If the brokers lost its end, which we had read,
        we go back to where it ends now: what is written there next is new.
        """
        position = claim.last_offset + 1
        is_refused = claim.partition in self.consumer.out_of_range
        self.consumer.out_of_range.discard(claim.partition)
        if position >= first:
            if not is_refused:
                return claim
            if position <= end:
                log.error(
                    "action=log_cut topic=%s partition=%d position=%d message='the brokers lost "
                    "the log's end and have written past it again: some triggers before the "
                    "position may be new ones and unread'",
                    claim.topic,
                    claim.partition,
                    position,
                )
                raise Transient(f"The brokers refused position {position}; it is asked for again.")
            log.error(
                "action=log_cut topic=%s partition=%d first=%d last=%d "
                "message='the brokers lost triggers that had been recorded; the records stand'",
                claim.topic,
                claim.partition,
                end,
                position - 1,
            )
            # First, so that neither copy nor memory is ahead of the ledger without a reason.
            self._former[claim.partition] = claim.at(end - 1)
            self.consumer.commit(claim.partition, copy_of(claim.at(end - 1)))
            with self._session.transaction() as connection:
                return ledger.go_back(connection, claim, end)
        log.error(
            "action=lost_range topic=%s partition=%d first=%d last=%d "
            "message='the log deleted triggers before they were read; the audit fails until a "
            "person acknowledges it'",
            claim.topic,
            claim.partition,
            position,
            first - 1,
        )
        with self._session.transaction() as connection:
            return ledger.lose(connection, claim, first)

    def _look_at_topic(self) -> bool:
        """Before every take, and at every metadata interval: see that it is the same topic.

        Returns whether it was looked at now.
        """
        now = self._clock.monotonic()
        is_taking = not self.consumer.assigned <= self.claims.keys()
        is_due = is_taking or now - self._looked_at >= self._interval_s
        if not is_due and not self.consumer.out_of_range:
            return False
        self._looked_at = now
        known = self._topic
        try:
            found = self._topic_ids.describe(self.consumer.topic)
        except Transient as problem:
            if is_taking:
                raise
            self.is_blind = True
            log.warning("action=describe topic=%s reason=%s", self.consumer.topic, problem)
            return False
        self.is_blind = False
        self._topic = found
        if known is not None and (found is None or found.topic_id != known.topic_id):
            log.error(
                "action=topic_replaced topic=%s was=%s is=%s",
                self.consumer.topic,
                known.topic_id,
                found.topic_id if found else "gone",
            )
            self.let_go()
            self.consumer.out_of_range.clear()  # said of the other topic
            self.consumer.faults.clear()
        if found is not None:
            if self._seen_id not in (None, found.topic_id):  # also after a while without any
                self._unreadable.looks_ahead = self._topic_ids.check_settings(found.name)
            self._seen_id = found.topic_id
        for partition in self.consumer.out_of_range & self.claims.keys():
            self._former[partition] = self.claims.pop(partition)
        self._note_ends()
        return True
