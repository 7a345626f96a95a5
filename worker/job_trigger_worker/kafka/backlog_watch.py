"""Looks about once a second at what waits, for metrics and `/readyz` (`domain.backlog`).

No statement and no request of a broker goes with a batch: where a log ends comes with what is
fetched, how many outbox rows wait is asked every five seconds, or more rarely where the answer
takes long, and only while partitions are paused are the brokers asked where logs end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from job_trigger_worker.clock import Clock, rest_s
from job_trigger_worker.domain.backlog import Backlog
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.ownership import PartitionOwnership

_EVERY_S = 1.0
_OUTBOX_EVERY_S = 5.0


class BacklogWatch:
    """What waits of one loop's partitions. Used by the loop's thread."""

    def __init__(
        self, consumer: TopicConsumer, ownership: PartitionOwnership, backlog: Backlog, clock: Clock
    ) -> None:
        self._consumer = consumer
        self._ownership = ownership
        self._backlog = backlog
        self._clock = clock
        self._looked_at = clock.monotonic()
        self._ask_at = self._looked_at + _OUTBOX_EVERY_S

    def look(self, fetched: Callable[[], Iterable[Delivery]]) -> None:
        """Note how far each partition is; `fetched` tells what is here and not accounted for.

        Asks the database now and then, and raises what that does.
        """
        if not self._is_due():
            return
        first: dict[int, int] = {}
        for each in fetched():
            first.setdefault(each.partition, each.appended_ms)
        self._backlog.keep(self._consumer.assigned)
        for partition, claim in self._ownership.claims.items():
            position = claim.last_offset + 1
            if partition not in first:  # what lies between is no message
                position = max(position, self._consumer.flow.reached.get(partition, 0))
            end = self._consumer.ends.known(partition) or position
            oldest_ms = first.get(partition) or None
            self._backlog.note(partition, position, end, oldest_ms, self._why(partition, position))
        self.look_at_outbox()

    def look_while_paused(self) -> None:
        """Note where logs end by now, of positions that stand still."""
        if self._is_due():
            for partition, end in self._consumer.ends.asked(self._consumer.assigned).items():
                self._backlog.note_end(partition, end)

    def look_at_outbox(self) -> None:
        """Note now and then what waits in the outbox; raises what the database does."""
        began = self._clock.monotonic()
        if began < self._ask_at:
            return
        self._ask_at = began + _OUTBOX_EVERY_S  # also where asking raises
        self._backlog.note_outbox(self._ownership.outbox())
        ended = self._clock.monotonic()
        self._ask_at = max(self._ask_at, ended + rest_s(ended - began))

    def _is_due(self) -> bool:
        now = self._clock.monotonic()
        if now - self._looked_at < _EVERY_S:
            return False
        self._looked_at = now
        return True

    def _why(self, partition: int, position: int) -> str:
        """Why the message at a position does not come, where that is known."""
        fault = self._consumer.flow.faults.get(partition)
        if fault is not None and fault.offset >= position:
            return fault.reason
        if self._consumer.flow.reached.get(partition) == position:
            return "the brokers hand out nothing behind a transaction that is still open"
        return ""
