"""What a loop needs from the handler of its topic's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import BatchResult, Claim, OutboxRow


class Decision(Protocol):
    """What is to become of a batch. `rest` of it is left, because a batch may not cost so much."""

    @property
    def rest(self) -> Sequence[Delivery]:
        """Deliveries for the next batch, the last ones of this one."""

    def has_expired(self, now: datetime) -> bool:
        """True when something in it was in time at its moment and is too late by now."""


class TopicHandler(Protocol):
    """What the messages of a topic become.

    What a method raises: `Transient` is tried again, `Fenced` gives the partitions up, anything
    else ends the process.
    """

    def decide(self, batch: Sequence[Delivery], claims: Mapping[int, Claim]) -> Any:
        """A `Decision` on a batch, for `write`. Changes nothing.

        Its moment is the one at which it is called.

        `claims` is by partition and covers the batch. Runs beside `write` in another thread.
        """

    def write(
        self, decided: Any, claims: Mapping[int, Claim], acknowledged: Sequence[OutboxRow]
    ) -> BatchResult:
        """Commit a decided batch, in one transaction with its ledger rows.

        `claims` is by partition, as it is now; `acknowledged` are outbox rows to delete in the same
        transaction. Nothing is committed when it raises; after `ConnectionLost` it may have been,
        and the ledger knows.
        """

    def tend(self) -> None:
        """Do what is due beside the batches. Called between two of them, for some milliseconds."""
