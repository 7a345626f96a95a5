"""Taking partitions and giving them up (design 6.3, 6.4).

A partition is ours when its ledger row carries our epoch. Assignment by the group is only the
permission to try.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from job_trigger_worker.clock import Clock
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim, OutboxRow
from job_trigger_worker.errors import Fenced, Refused, Transient
from job_trigger_worker.kafka.acquisition import PartitionAcquisition
from job_trigger_worker.kafka.broker_lookup import Ahead
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.log_tails import LogTails
from job_trigger_worker.logs import logger
from job_trigger_worker.pipeline.relay import Relay
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import ledger, outbox

log = logger(__name__)

_LAST_WAIT_S = 2.0


class PartitionOwnership:
    """The claims of one loop. `claims` is by partition; `changes` rises when the group takes any.

    Give `revoked` and `lost` to the consumer as its callbacks: they run inside its calls.
    """

    def __init__(
        self,
        consumer: TopicConsumer,
        acquisition: PartitionAcquisition,
        tails: LogTails,
        *,
        session: Session,
        relay: Relay,
        clock: Clock,
    ) -> None:
        self.claims: dict[int, Claim] = {}
        self.changes = 0
        self._consumer = consumer
        self._acquisition = acquisition
        self._tails = tails
        self._session = session
        self._relay = relay
        self._clock = clock

    @property
    def lacks_metadata(self) -> bool:
        """True while the brokers did not say, at the last look, which topic it is."""
        return self._acquisition.watch.lacks_metadata

    @property
    def is_under_way(self) -> bool:
        """True while something is being taken."""
        return self._acquisition.is_under_way

    @property
    def is_about_to_ask(self) -> bool:
        """True when the next `take` begins to take something."""
        return bool(self._acquisition.missing(self.claims))

    @property
    def why_not(self) -> str | None:
        """Why something that is assigned cannot be taken, None where nothing hinders."""
        return self._acquisition.why_not(self.claims)

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
        passed = self._tails.pass_gaps(self.claims, in_hand)
        self.move(passed)
        return passed.keys()

    def outbox(self) -> dict[int, tuple[int, datetime]]:
        """How many outbox rows wait, and since when, by partition that is ours or was let go."""
        mine = self._acquisition.former | self.claims
        with self._session.transaction() as connection:
            found = outbox.waiting(connection, (claim.ledger_id for claim in mine.values()))
        return {p: found[each.ledger_id] for p, each in mine.items() if each.ledger_id in found}

    def suspend(self) -> None:
        """Stop serving; what is still assigned is taken again, or given up as it was."""
        self._acquisition.begin_anew()
        self._acquisition.former |= self.claims
        self.claims.clear()

    def retake(self, partitions: set[int]) -> None:
        """Have partitions taken again that stand before a message which cannot be read.

        Everything before it is accounted for. Taken again, a batch is read once more; one that has
        brought the same error `TRIES` times is passed.
        """
        self._acquisition.at_fault |= self._suspend(partitions)

    def take(self, tick: Callable[[], None]) -> dict[int, tuple[Claim, Ahead]]:
        """Go a step on the way to what is assigned and not ours yet; `start` lets it flow.

        The caller drops what it holds of the partitions returned and calls `start`. `tick` may
        poll, and has to raise `Transient` when that changes the assignment; `take` raises it too,
        to be tried again, and `FatalError` when another group owns a partition or the group's
        offsets are copies of another database's positions.
        """
        self._suspend(self._consumer.flow.out_of_range)
        heard = self._acquisition.hear()
        if heard is not None:
            partitions, answers = heard
            if self._acquisition.watch.learn(answers.topic):
                self.suspend()
                self._consumer.flow.out_of_range.clear()  # said of the other topic
                self._consumer.flow.faults.clear()
            else:
                self._tails.note(self.claims.values())
                self._acquisition.prove(partitions, answers)
                if answers.topic is not None and 0 in self.claims:
                    self._acquisition.adopt_orphans(answers.topic)
        proven = self._acquisition.proven()
        if proven is not None:
            partitions, answers = proven
            self._relay.finish(tick)
            self._acquisition.fence(partitions, answers)
            if answers.topic is not None and 0 in partitions:
                self._acquisition.adopt_orphans(answers.topic)
        self._acquisition.ask(self._acquisition.missing(self.claims))
        return self._acquisition.step(tick)

    def start(self, taken: Mapping[int, tuple[Claim, Ahead]]) -> None:
        """Let partitions just taken flow, from behind their position."""
        flow = self._consumer.flow
        claims = {partition: claim for partition, (claim, _) in taken.items()}
        aheads = {each: ahead for each, (_, ahead) in taken.items() if ahead is not None}
        flow.seek({p: each.last_offset + 1 for p, each in claims.items() if p not in aheads})
        for partition, ahead in aheads.items():
            flow.hand_over(partition, *ahead)
        for partition in claims:
            self._acquisition.former.pop(partition, None)
        self.claims.update(claims)
        flow.resume(claims)
        self._consumer.offsets.copy(claims.values())
        mine = self._acquisition.former | self.claims
        owned = {claim.ledger_id for claim in mine.values()} | self._acquisition.ledger_ids
        self._relay.forget([r for r in self._relay.acknowledged if r.ledger_id not in owned])

    def release_all(self) -> None:
        """Give up everything, in order."""
        self.revoked([*self._acquisition.former, *self.claims])

    def close(self) -> None:
        """Ask nothing more of the brokers."""
        self._acquisition.close()

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
            self._consumer.offsets.copy(given)
            with self._session.transaction() as connection:
                ledger.release(connection, given)
        except (Transient, Fenced, Refused) as problem:
            # The next owner publishes again what we could not delete, under the same event ids.
            log.warning("release_incomplete", topic=self._consumer.topic, reason=problem)
        self._forget(given)

    def lost(self, partitions: list[int]) -> None:
        """Write nothing: somebody else owns these by now."""
        self.changes += 1
        self._forget(self._drop(partitions))
        if self._relay.abandon():
            self.suspend()

    def _finish(self) -> None:
        """Wait a little for events under way; neither a rebalance nor a stop can wait for long."""
        deadline = self._clock.monotonic() + _LAST_WAIT_S

        def tick() -> None:
            if self._clock.monotonic() > deadline:
                raise Transient("The brokers did not acknowledge events in time.")

        try:
            self._relay.finish(tick)
        except (Transient, Fenced) as problem:
            log.warning("events_not_finished", topic=self._consumer.topic, reason=problem)
            self.suspend()  # what stays ours is taken again, and its outbox published

    def _suspend(self, partitions: set[int]) -> set[int]:
        """Have those of these that are ours taken again; returns them."""
        mine = partitions & self.claims.keys()
        for partition in mine:
            self._acquisition.former[partition] = self.claims.pop(partition)
        return mine

    def _drop(self, partitions: list[int]) -> list[Claim]:
        mine = self._acquisition.former | self.claims
        self._acquisition.drop(partitions)
        for partition in partitions:
            self.claims.pop(partition, None)
        return [mine[partition] for partition in partitions if partition in mine]

    def _forget(self, claims: list[Claim]) -> None:
        ids = {claim.ledger_id for claim in claims}
        self._relay.forget([row for row in self._relay.acknowledged if row.ledger_id in ids])
