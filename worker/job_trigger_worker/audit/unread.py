"""What the brokers say beside the ledger: what waits unread, and since when (promise 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from job_trigger_worker.audit.equations import Line
from job_trigger_worker.domain.durations import rounded
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka import unread_messages
from job_trigger_worker.kafka.offset_range import OffsetRangeReader
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_ids import TopicIds
from job_trigger_worker.kafka.unread_messages import Unread
from job_trigger_worker.storage.read.audit import LedgerRow, LostRange, behind

_AHEAD = timedelta(seconds=30)
"""How far a message's time may lie ahead of our clock and still be believed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A partition with messages that nobody has read.

    At most `count` of them where not `is_exact`. `since` is when the first was sent, or when the
    ledger last moved where no time can be told from the message; None where nobody knows.
    """

    topic: str
    partition: int
    count: int
    is_exact: bool
    since: datetime | None
    fault: str = ""

    def waits_s(self, now: datetime) -> float | None:
        """For how long the first of them has waited, in seconds."""
        return None if self.since is None else max(0.0, (now - self.since).total_seconds())


@dataclass(frozen=True, slots=True)
class TopicUnread:
    """A topic that the worker reads, as the brokers have it at `asked_at`.

    `topic_id` is None where the topic does not exist. `deleted` and `cut` name, in sentences, what
    the log has lost on either side of the ledger's position. `compaction` says what the topic's
    settings have it delete; empty where nothing, None where the brokers do not tell.
    """

    topic: str
    noun: str
    topic_id: str | None
    asked_at: datetime
    waiting: tuple[Waiting, ...] = ()
    deleted: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    compaction: str | None = None

    @property
    def nouns(self) -> str:
        """`triggers`, `statuses`."""
        return f"{self.noun}{'es' if self.noun.endswith('s') else 's'}"

    @property
    def total(self) -> int:
        """How many messages wait, at most."""
        return sum(each.count for each in self.waiting)

    @property
    def is_exact(self) -> bool:
        """True when exactly so many wait."""
        return all(each.is_exact for each in self.waiting)

    @property
    def waits_s(self) -> float | None:
        """How long the first of all has waited; 0 without any, None where nobody knows."""
        ages = [each.waits_s(self.asked_at) for each in self.waiting]
        return None if None in ages else max((age for age in ages if age is not None), default=0.0)


def ask(kafka: KafkaSettings, group: str, rows: Sequence[LedgerRow]) -> tuple[TopicUnread, ...]:
    """Both topics that the worker reads, beside their ledger rows.

    Raises `Transient` where the brokers cannot be asked.
    """
    nouns = ((kafka.topics.triggers, "trigger"), (kafka.topics.statuses, "status"))
    try:
        with TopicIds(kafka) as topic_ids, OffsetRangeReader(kafka, group) as reader:
            return tuple(_ask(topic_ids, reader, topic, noun, rows) for topic, noun in nouns)
    except Transient as away:
        raise cannot_be_asked(away) from away


def cannot_be_asked(away: Transient) -> Transient:
    """The same, with what a person can do."""
    return Transient(
        away.message,
        remedy="Start the brokers or correct TRIGGER_WORKER_KAFKA_BROKERS, and run the audit "
        "again. `trigger-worker audit --offline` asks the tables alone, which proves less.",
    )


def gone(found: Sequence[TopicUnread], rows: Sequence[LedgerRow]) -> list[LostRange]:
    """What may have been unread on topics that are gone and that no worker has noted.

    A topic was made again where its ledger rows have another id than the one that exists now.
    """
    ids = {each.topic: each.topic_id for each in found}
    lost = [behind(row) for row in rows if row.topic in ids and row.topic_id != ids[row.topic]]
    return [each for each in lost if each is not None]


def _ask(
    topic_ids: TopicIds, reader: OffsetRangeReader, topic: str, noun: str, rows: Sequence[LedgerRow]
) -> TopicUnread:
    described = topic_ids.describe(topic)
    if described is None:
        return TopicUnread(topic, noun, None, datetime.now(UTC))
    ours = {
        row.partition: row
        for row in rows
        if (row.topic, row.topic_id) == (topic, described.topic_id)
    }
    positions = {
        partition: row.last_offset + 1 if (row := ours.get(partition)) else None
        for partition in range(described.partitions)
    }
    found = unread_messages.count_unread(reader, topic, positions)
    now = datetime.now(UTC)
    return TopicUnread(
        topic,
        noun,
        described.topic_id,
        now,
        waiting=tuple(
            Waiting(
                topic,
                each.partition,
                each.messages,
                each.is_exact,
                _since(each, ours.get(each.partition), now),
                each.fault,
            )
            for each in found
            if each.messages
        ),
        deleted=tuple(
            f"{topic} partition {each.partition}: the log deleted offsets {each.position} to "
            f"{each.first - 1} before they were read; no worker has noted it yet."
            for each in found
            if each.first > each.position
        ),
        cut=tuple(
            f"{topic} partition {each.partition}: the log ends at offset {each.end}, the ledger "
            f"has read up to {each.position - 1}."
            for each in found
            if each.is_cut
        ),
        compaction=topic_ids.compaction(topic),
    )


def _since(each: Unread, row: LedgerRow | None, now: datetime) -> datetime | None:
    if each.sent_ms is not None and each.sent_ms > 0:
        sent = datetime.fromtimestamp(each.sent_ms / 1000, UTC)
        if sent <= now + _AHEAD:
            return min(sent, now)
    return None if row is None else row.updated_at


def unread_lines(found: Sequence[TopicUnread], max_wait_s: float) -> tuple[Line, ...]:
    """A line for what waits on each topic, and one for each thing that a log has lost."""
    lines = [_line(each, max_wait_s) for each in found]
    lines.append(_compaction(found))
    deleted = [each for topic in found for each in topic.deleted]
    cut = [each for topic in found for each in topic.cut]
    if deleted:
        lines.append(Line("Nothing was deleted unread, as the brokers say", "", tuple(deleted)))
    if cut:
        lines.append(Line("No log ends before the ledger", "", tuple(cut)))
    return tuple(lines)


def _line(found: TopicUnread, max_wait_s: float) -> Line:
    promise = f"No {found.noun} waits for long"
    if found.topic_id is None:
        return Line(promise, "", (f"The topic {found.topic} does not exist.",))
    if not found.waiting:
        return Line(promise, "nothing waits to be read")
    number = pluralize(found.total, found.noun, found.nouns)
    words = (
        f"{'' if found.is_exact else 'up to '}{number} {'waits' if found.total == 1 else 'wait'}"
    )
    if found.waits_s is not None:
        oldest = min(each.since for each in found.waiting if each.since is not None)
        words += f", the oldest since {_said(oldest)}"
    late = [
        _sentence(each, found.asked_at, max_wait_s)
        for each in found.waiting
        if each.fault or (age := each.waits_s(found.asked_at)) is None or age > max_wait_s
    ]
    return Line(promise, words, tuple(late))


def _compaction(found: Sequence[TopicUnread]) -> Line:
    """A compacted log deletes triggers that nobody has read, and leaves no trace of them."""
    silent = [each.topic for each in found if each.topic_id and each.compaction is None]
    return Line(
        "No topic deletes what has a successor",
        f"the brokers say nothing about {' and '.join(silent)}" if silent else "none is compacted",
        tuple(f"{each.topic}: {each.compaction}" for each in found if each.compaction),
    )


def _sentence(each: Waiting, now: datetime, max_wait_s: float) -> str:
    count = f"{'' if each.is_exact else 'up to '}{each.count:,} wait"
    where = f"{each.topic} partition {each.partition}: {count}"
    if each.fault:
        return f"{where}, and the first cannot be read: {each.fault}."
    if each.since is None:
        return f"{where}, nobody knows since when: the first bears no time that can be believed."
    age = each.waits_s(now) or 0.0
    return (
        f"{where}, the oldest for {rounded(age)} (since {_said(each.since)}); allowed are "
        f"{rounded(max_wait_s)}."
    )


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def summed(found: Sequence[TopicUnread]) -> Mapping[str, object]:
    """The same for programs."""
    return {
        **{
            each.nouns: {
                "waiting": each.total,
                "is_exact": each.is_exact,
                "waits_s": None if each.waits_s is None else round(each.waits_s, 3),
            }
            for each in found
        },
        "partitions": [
            {
                "topic": one.topic,
                "partition": one.partition,
                "waiting": one.count,
                "is_exact": one.is_exact,
                "since": None if one.since is None else one.since.isoformat(),
                "fault": one.fault or None,
            }
            for each in found
            for one in each.waiting
        ],
    }
