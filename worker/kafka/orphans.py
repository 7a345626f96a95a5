"""What partitions that no longer exist have left; the owner of partition 0 speaks for them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from worker.kafka.topic_ids import TopicDescription
from worker.relay import Relay
from worker.storage import ledger
from worker.storage.engine import Session

log = logging.getLogger(__name__)


class Orphans:
    """Ledger rows of partitions that are gone, with their topic or without it."""

    def __init__(self, session: Session, relay: Relay, owner: str) -> None:
        self._session = session
        self._relay = relay
        self._owner = owner

    def lose_replaced(self, topic: TopicDescription) -> None:
        """Record what a topic of that name that is gone had unread."""
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

    def catch_up(
        self, topic: TopicDescription, tick: Callable[[], None], idle_s: float = 0.0
    ) -> None:
        """Publish their outbox: of those that nobody has touched for `idle_s`.

        Also while partition 0 is ours: a worker that still held one of them may crash after the
        topic was replaced.
        """
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
