"""Where the logs of our partitions end, kept in the ledger now and then."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from job_trigger_worker.clock import Clock
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim, Tally
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import ledger


class LogTails:
    """The ends of logs: positions behind what is not a message, and how far the logs reach."""

    def __init__(
        self, session: Session, consumer: TopicConsumer, clock: Clock, interval_s: float
    ) -> None:
        self._session = session
        self._consumer = consumer
        self._clock = clock
        self._interval_s = interval_s
        self._passed_at = 0.0

    def pass_gaps(
        self, claims: Mapping[int, Claim], in_hand: Callable[[], Iterable[Delivery]]
    ) -> Mapping[int, int]:
        """Now and then move positions behind what is no message at a log's end; returns them.

        A transaction's marker is one. Else the log would seem to have lost it, when it deletes what
        was read. `in_hand` tells what is fetched and not accounted for; nothing is being written.
        """
        now = self._clock.monotonic()
        if now - self._passed_at < self._interval_s:
            return {}
        self._passed_at = now
        held = {delivery.partition for delivery in in_hand()}
        passed = {
            partition: reached - 1
            for partition, reached in self._consumer.flow.reached.items()
            if partition not in held
            and partition in claims
            and reached - 1 > claims[partition].last_offset
        }
        if passed:
            moved = {claims[each].ledger_id: claims[each] for each in passed}
            tallies = {claims[each].ledger_id: Tally(last) for each, last in passed.items()}
            with self._session.transaction() as connection:
                ledger.advance(connection, moved, tallies)
        return passed

    def note(self, claims: Collection[Claim]) -> None:
        """Keep where the logs end, so that it is known what was unread if a topic is deleted."""
        ends = {
            claim: end
            for claim in claims
            if (end := self._consumer.ends.known(claim.partition)) is not None
        }
        if ends:
            with self._session.transaction() as connection:
                ledger.note_ends(connection, ends)
