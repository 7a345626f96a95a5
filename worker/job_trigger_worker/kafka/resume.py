"""Where to continue when group offsets and database contradict each other: a person decides.

A worker that meets a group's offset of another database, or a database that has never read what the
group has, does not guess (design 6.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.group_copy import GroupCopy
from job_trigger_worker.errors import FatalError
from job_trigger_worker.kafka.group_offsets import GroupOffsets
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_ids import TopicDescription, TopicIds
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.schema import layout
from job_trigger_worker.storage.write import ledger


class Source(StrEnum):
    """Which of the two is believed."""

    DATABASE = "database"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where a partition goes on: `offset` is read next.

    `skipped` triggers before it have no record in this database: they are a lost range of its
    ledger row. `repeated` from it on were decided already, and this database does not know it: they
    are a rewound range. A person has to acknowledge either.
    """

    topic: str
    partition: int
    offset: int
    skipped: int
    repeated: int


def resume_positions(settings: Settings, source: Source) -> list[Resumed]:
    """Make group and database agree, on what the source says, for every topic that is consumed.

    From the database: the group's offsets become copies of the ledger's positions; a partition that
    it does not know is read from the beginning of its log. What the group had read beyond is
    decided again, and told as in a restored database. From the group: the ledger goes on where the
    group stands. Raises `FatalError` while the group has members or where a topic is not there.
    """
    kafka = KafkaSettings.of(settings)
    resumed: list[Resumed] = []
    engine = make_engine(settings)
    session = Session(engine)
    try:
        with session.transaction() as connection:
            layout.check(connection)
        with TopicIds(kafka) as topic_ids, GroupOffsets(kafka, settings.consumer_group) as offsets:
            for name in kafka.topics.consumed():
                topic = topic_ids.describe(name)
                if topic is None:
                    raise FatalError(
                        f"The topic {name} does not exist.",
                        remedy="Make the topics with `trigger-worker topics create`.",
                    )
                resumed += _resume(topic, source, session, offsets)
    finally:
        session.close()
        engine.dispose()
    return resumed


def _resume(
    topic: TopicDescription, source: Source, session: Session, offsets: GroupOffsets
) -> list[Resumed]:
    partitions = range(topic.partitions)
    copies = offsets.read(topic.name, partitions)
    offsets.set(topic.name, copies)  # as they stand: refused while the group has members
    place = {"topic": topic.name, "topic_id": topic.topic_id}
    skipped, repeated = (dict.fromkeys(partitions, 0) for _ in range(2))
    with session.transaction() as connection:
        known = ledger.known(connection, **place)
        for partition, copy in copies.items():
            if source is Source.GROUP:
                is_noted = copy.offset > 0 and copy.topic_id in (None, topic.topic_id)
                note, counts = ledger.skip, skipped
            else:
                is_noted = copy.tells(topic.topic_id, known)
                note, counts = ledger.repeat, repeated
            if is_noted:
                counts[partition] = note(
                    connection,
                    **place,
                    partition=partition,
                    log_start=offsets.first(topic.name, partition),
                    end=copy.offset,
                )
        positions = ledger.positions(connection, **place)
    now = {
        partition: GroupCopy(positions.get(partition, 0), topic.topic_id, known.database_id)
        for partition in partitions
    }
    offsets.set(topic.name, now)  # afterwards: it was the only one that knew
    return [
        Resumed(*(topic.name, each, now[each].offset, skipped[each], repeated[each]))
        for each in partitions
    ]
