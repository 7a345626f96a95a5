"""Whether this database is the one that the group's offsets are copies of (design 6.7)."""

from __future__ import annotations

from collections.abc import Mapping

from job_trigger_worker.domain.group_copy import GroupCopy, contradiction
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.group_offsets import GroupOffsets
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_ids import TopicDescription, TopicIds
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import ledger

log = logger(__name__)


def check_copies(
    session: Session, topic: TopicDescription, group: str, copies: Mapping[int, GroupCopy]
) -> None:
    """Raise `FatalError` where the group's offsets are of another database. Only reads."""
    with session.transaction() as connection:
        known = ledger.known(connection, topic=topic.name, topic_id=topic.topic_id)
    wrong = contradiction(copies, topic.topic_id, known)
    if wrong is not None:
        raise FatalError(
            f"The group {group} of the topic {topic.name} {wrong}.",
            remedy="Nothing of it was read. Correct TRIGGER_WORKER_DATABASE_URL (or its "
            "search_path), or say which of the two to believe with `trigger-worker topics "
            "resume --from database` or `--from group`.",
        )


def check_group(session: Session, kafka: KafkaSettings, group: str) -> None:
    """The same of every topic that is consumed, without being a member of the group.

    Where the brokers do not tell the offsets it is left to those who take partitions: a right that
    is missing is told to members only. Raises `Transient` when the database does not answer.
    """
    with TopicIds(kafka) as topic_ids, GroupOffsets(kafka, group) as offsets:
        for name in kafka.topics.consumed():
            try:
                topic = topic_ids.describe(name)
                copies = offsets.read(name, range(topic.partitions)) if topic else {}
            except Transient as problem:
                log.warning("group_not_checked", topic=name, reason=problem)
                return
            if topic is not None:
                check_copies(session, topic, group, copies)
