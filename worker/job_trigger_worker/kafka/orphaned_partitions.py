"""What partitions that no longer exist have left; the owner of partition 0 speaks for them."""

from __future__ import annotations

from job_trigger_worker.domain.record import Claim
from job_trigger_worker.kafka.topic_ids import TopicDescription
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import ledger

log = logger(__name__)


def adopt_orphans(
    session: Session, topic: TopicDescription, owner: str, idle_s: float = 0.0
) -> list[Claim]:
    """Record what topics of that name that are gone had unread, and fence what is in their outbox.

    Also what partitions beyond the last one have left. Of those, what nobody has touched for
    `idle_s`: a worker that still holds one may crash after the topic was replaced.
    """
    with session.transaction() as connection:
        replaced = ledger.lose_replaced(connection, topic.name, topic.topic_id)
    for each in replaced:
        log.error(
            "topic_deleted_unread",
            topic=topic.name,
            topic_id=each.topic_id,
            partition=each.partition,
            first=each.first,
            at_least=each.seen,
            message=(
                "the topic was deleted with what stood there unread; the audit fails until a "
                "person acknowledges it"
            ),
        )
    with session.transaction() as connection:
        return ledger.take_orphans(
            connection,
            topic=topic.name,
            topic_id=topic.topic_id,
            partitions=topic.partitions,
            owner=owner,
            idle_s=idle_s,
        )
