"""What blocks a log: a batch that the client cannot unpack, and the way past it.

A wrong checksum, an unknown codec, more bytes than the client takes: librdkafka gives an error for
the offset, goes back to it, and gives the error again, for ever (its issue 5260). Nobody can know
what such a batch holds, so its place and the reason are what is kept of it (promise 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim, DeadLetter, Tally
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.read_errors import ReadError
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.logs import logger
from job_trigger_worker.metrics import LoopMetrics
from job_trigger_worker.pipeline.commit import finish_batch
from job_trigger_worker.storage.db.engine import Session

if TYPE_CHECKING:
    from job_trigger_worker.kafka.batch_headers import BatchRange

log = logger(__name__)


class UnreadableBatches:
    """Passes batches that cannot be read, each as one delivery and one dead letter.

    `looks_ahead` where brokers leave it to us to unpack what they are sent.
    """

    def __init__(
        self,
        session: Session,
        kafka: KafkaSettings,
        *,
        timeout_s: float,
        metrics: LoopMetrics,
        looks_ahead: bool = False,
    ) -> None:
        self.looks_ahead = looks_ahead
        self._session = session
        self._kafka = kafka
        self._timeout_s = timeout_s
        self._metrics = metrics

    def ahead(self, claim: Claim) -> tuple[list[Delivery], ReadError] | None:
        """A batch close behind a claim that the client must not unpack, and what is before it.

        None where there is none, and where it cannot be found out.
        """
        if not self.looks_ahead:
            return None
        from job_trigger_worker.kafka.inflation_guard import guard_against_inflation  # noqa: PLC0415 - 10 MB, for such topics

        position = claim.last_offset + 1
        try:
            return guard_against_inflation(
                self._kafka, claim.topic, claim.partition, position, timeout_s=self._timeout_s
            )
        except Transient as problem:
            log.warning("look_ahead_failed", topic=claim.topic, reason=problem)
            return None

    def range_at(self, topic: str, partition: int, fault: ReadError) -> BatchRange | None:
        """The range of the batch at a fault, as its header says, None where that makes no sense.

        Raises `Transient` when the brokers do not show it.
        """
        from job_trigger_worker.kafka.batch_headers import batch_at  # noqa: PLC0415 - 10 MB, for the exception

        return batch_at(self._kafka, topic, partition, fault.offset, timeout_s=self._timeout_s)

    def skip(self, claim: Claim, fault: ReadError, found: BatchRange | None) -> Claim:
        """Account for the batch at a fault in one transaction, and return the claim behind it.

        Everything readable before it is accounted for. Without a range it is this one offset, and
        the next one has its own fault. The letter's event is in the outbox. Raises `Fenced` without
        the epoch.
        """
        first, last, newest_ms = fault.offset, fault.offset, 0
        if found is not None:
            first, last = max(found.first, claim.last_offset + 1), found.last
            newest_ms = found.newest_ms
        letter = DeadLetter(
            claim.ledger_id,
            Delivery(claim.partition, first, None, None, (), newest_ms),
            f"offsets {first} to {last} cannot be unpacked: {fault.reason}",
            last_offset=last,
        )
        with self._session.transaction() as connection:
            finish_batch(
                connection,
                topics=self._kafka.topics,
                claims={claim.partition: claim},
                tallies={claim.ledger_id: Tally(last, deliveries=1, dead_letters=1)},
                leaving={},
                letters=[letter],
                acknowledged=(),
            )
        self._metrics.unreadable.inc()
        log.error(
            "batch_unreadable",
            topic=claim.topic,
            partition=claim.partition,
            first=first,
            last=last,
            reason=fault.reason,
            message=(
                "what these offsets hold cannot be read and is passed; a dead letter names "
                "them, and their producer has to send again what is missing"
            ),
        )
        return claim.at(last)
