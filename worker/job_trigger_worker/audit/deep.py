"""The deep audit: every trigger in the topic has its record, every record its event (promise 7).

The order is the proof. First one snapshot: the ledger, and what the outbox holds. Then, later, the
ends of the outgoing topics: an event that is neither in the outbox of the snapshot nor on a topic
by then was lost. Last the verdicts, on the records as they are then: whatever was read has been
committed before. So it may run beside the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from confluent_kafka import Message
from sqlalchemy import Connection

from job_trigger_worker.audit.identities import TriggerIdentities, event_lines, outcome_ids
from job_trigger_worker.audit.writer import EvidenceWriter
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.offset_range import OffsetRange, OffsetRangeReader
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_ids import TopicDescription, TopicIds
from job_trigger_worker.storage.read import deep_audit
from job_trigger_worker.storage.read.audit import LedgerRow
from job_trigger_worker.storage.read.deep_audit import Offence
from job_trigger_worker.storage.write import dead_letters

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of workers and brokers may be apart: near the edge of what the outgoing
topics still hold, a record is not judged."""

LONGEST_WAIT = timedelta(days=1)
"""How long an event may have waited in the outbox, and how much later a trigger may be sent again,
or by a clock that is wrong: of records that were deleted up to a moment, nothing is judged that was
sent within a day of it."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_EVER_MS = -1
"""What a message without a time says is its time."""

JUDGING = "comparing with the tables"

Progress = Callable[[str, int, int], None]
"""Told a topic, how many of its offsets are behind us, and how many there are; at the end `JUDGING`
and its steps."""


@dataclass(slots=True)
class DeepResult:
    """What the topics say. `cut` names partitions whose log ends before the ledger's position.

    `triggers_out_of_reach` were read and may belong to records that have been deleted.
    `judged_records` had trigger and event within retention; of the other records,
    `records_of_old_topics` came from topics that are gone, and the ledger alone speaks for them.
    """

    triggers_read: int = 0
    triggers_out_of_reach: int = 0
    events_read: int = 0
    judged_records: int = 0
    records_of_old_topics: int = 0
    records_out_of_reach: int = 0
    accepted: int = 0
    cut: list[str] = field(default_factory=list)
    offences: list[Offence] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """True when nothing offends."""
        return not self.cut and not any(offence.total for offence in self.offences)


class DeepAudit:
    """One deep audit on one database session; a fresh one each time.

    `note_outbox` belongs into the snapshot that read the ledger rows given to `run`.
    """

    def __init__(
        self, connection: Connection, kafka: KafkaSettings, group: str, progress: Progress
    ) -> None:
        self._connection = connection
        self._kafka = kafka
        self._group = group
        self._progress = progress
        self._outcomes = kafka.topics.outcomes()
        self._deleted_before: datetime | None = None

    def note_outbox(self) -> None:
        """Keep the executions whose events wait in the outbox; within the ledger's snapshot."""
        for events in deep_audit.waiting_events(self._connection):
            ids = [outcome_ids(event.value)[0] for event in events if event.topic in self._outcomes]
            deep_audit.note_waiting(self._connection, [each for each in ids if each is not None])

    def run(
        self, rows: Sequence[LedgerRow], accepting: Sequence[tuple[str, str]] = ()
    ) -> DeepResult:
        """Read the topics up to the position of these ledger rows, and judge.

        `accepting` are persons and reasons: they answer for triggers whose record was deleted.
        Raises `Transient` when brokers or a topic went away meanwhile, `FatalError` for a missing
        topic.
        """
        deep = DeepResult()
        self._deleted_before = _newest(rows)
        found = self._topics()
        current = {
            row.partition: row
            for row in rows
            if row.id is not None
            and (row.topic, row.topic_id) == (found[0].name, found[0].topic_id)
            and row.partition < found[0].partitions
        }
        with (
            OffsetRangeReader(self._kafka, self._group) as reader,
            EvidenceWriter(self._connection) as keeper,
        ):
            outgoing = [reader.windows(each.name, each.partitions) for each in found[1:]]
            self._read_triggers(reader, keeper, current, deep)
            unjudged = self._unjudged()
            since = [
                self._read_events(reader, keeper, place, windows, unjudged, deep)
                for place, windows in enumerate(outgoing)
            ]
        for each, still in zip(found, self._topics(), strict=True):
            if still.topic_id != each.topic_id:
                raise Transient(
                    f"The topic {each.name} was made again during the audit.",
                    remedy="Run the audit again.",
                )
        with self._connection.begin():
            deep_audit.analyze(self._connection)
            deep_audit.note_early(self._connection)
            deep_audit.note_suspects(self._connection)
            for by, reason in accepting:
                deep.accepted += deep_audit.accept_unrecorded(self._connection, by, reason)
            deep.judged_records = deep_audit.count_judged(self._connection, since)
            for offence in deep_audit.verdicts(self._connection, since):
                deep.offences.append(offence)
                self._progress(JUDGING, len(deep.offences), deep_audit.KINDS)
        ours = {row.id for row in current.values()}
        total = sum(row.counted_records for row in rows)
        deep.records_of_old_topics = sum(row.counted_records for row in rows if row.id not in ours)
        deep.records_out_of_reach = max(0, total - deep.records_of_old_topics - deep.judged_records)
        return deep

    def _topics(self) -> list[TopicDescription]:
        with TopicIds(self._kafka) as topic_ids:
            names = (self._kafka.topics.triggers, *self._outcomes)
            return [_describe(topic_ids, name) for name in names]

    def _read_triggers(
        self,
        reader: OffsetRangeReader,
        keeper: EvidenceWriter,
        rows: dict[int, LedgerRow],
        deep: DeepResult,
    ) -> None:
        topic = self._kafka.topics.triggers
        with self._connection.begin():
            ids = [row.id for row in rows.values() if row.id is not None]
            unreadable = dead_letters.unreadable_ranges(self._connection, ids)
        windows = [
            OffsetRange(
                partition,
                reader.bounds(topic, partition)[0],
                row.last_offset,
                unreadable=unreadable.get(row.id or 0, ()),
            )
            for partition, row in rows.items()
        ]
        claims = {
            partition: Claim(row.id or 0, topic, row.topic_id, partition, 0, row.last_offset)
            for partition, row in rows.items()
        }
        with self._connection.begin():
            deep_audit.note_windows(
                self._connection,
                {claims[each.partition].ledger_id: (each.first, each.last) for each in windows},
            )
        identify = TriggerIdentities(claims, keeper.transaction, self._judged_from_ms())
        for batch in self._batches(reader, topic, windows):
            lines = identify.lines(batch)
            keeper.keep(deep_audit.note_triggers, lines)
            deep.triggers_read += len(batch)
            deep.triggers_out_of_reach += len(batch) - len(lines)
        keeper.wait()
        deep.cut = [
            f"{topic} partition {each.partition}: the log ends at offset {each.position}, the "
            f"ledger has read up to {each.last}."
            for each in windows
            if each.is_cut
        ]

    def _judged_from_ms(self) -> int:
        """From when on, in milliseconds since 1970, what was sent must have its record."""
        before = self._deleted_before
        return 0 if before is None else _ms(before + LONGEST_WAIT)

    def _unjudged(self) -> list[tuple[int, int]]:
        """When events were sent, in milliseconds since 1970, whose record is known to be gone.

        It was deleted; or a database forgot it, and a person knows: then what was decided again may
        bear other ids, of triggers that are not in their topic any more, were too early at first,
        or repeat a letter that is gone.
        """
        unjudged = [(_EVER_MS, self._judged_from_ms())] if self._deleted_before else []
        with self._connection.begin():
            for since, until in deep_audit.forgotten(self._connection):
                begin_ms = _EVER_MS if since is None else _ms(since - CLOCK_SKEW)
                unjudged.append((begin_ms, _ms(until + CLOCK_SKEW)))
        return unjudged

    def _read_events(
        self,
        reader: OffsetRangeReader,
        keeper: EvidenceWriter,
        place: int,
        windows: Sequence[OffsetRange],
        unjudged: Sequence[tuple[int, int]],
        deep: DeepResult,
    ) -> datetime:
        """Read an outgoing topic; returns the moment from which on its events are all there."""
        for batch in self._batches(reader, self._outcomes[place], windows):
            lines = event_lines(place, batch, unjudged)
            keeper.keep(deep_audit.note_events, lines)
            deep.events_read += len(batch)
        keeper.wait()
        edges = [_edge(window) for window in windows if window.is_trimmed]
        return max(edges) + CLOCK_SKEW if edges else _LONG_AGO

    def _batches(
        self, reader: OffsetRangeReader, topic: str, windows: Sequence[OffsetRange]
    ) -> Iterator[list[Message]]:
        begins = {window.partition: window.first for window in windows}

        def tell() -> None:
            total = sum(max(0, w.last + 1 - begins[w.partition]) for w in windows)
            behind = sum(
                min(w.position, w.last + 1) - begins[w.partition]
                for w in windows
                if w.last >= begins[w.partition]
            )
            self._progress(topic, behind, total)

        tell()
        for batch in reader.read_messages(topic, windows):
            yield batch
            tell()
        tell()


def _describe(topic_ids: TopicIds, name: str) -> TopicDescription:
    try:
        found = topic_ids.describe(name)
    except Transient as away:
        raise Transient(
            away.message,
            remedy="Start the brokers or correct TRIGGER_WORKER_KAFKA_BROKERS, and run the audit "
            "again.",
        ) from away
    if found is None:
        raise FatalError(
            f"The topic {name} does not exist.",
            remedy="Run `trigger-worker topics create`, or check TRIGGER_WORKER_TOPIC_PREFIX.",
        )
    return found


def _newest(rows: Sequence[LedgerRow]) -> datetime | None:
    """The moment up to which records have been deleted anywhere."""
    return max((row.deleted_before for row in rows if row.deleted_before), default=None)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _edge(window: OffsetRange) -> datetime:
    """When the oldest message that a log still holds was sent; now, where it holds none."""
    if window.began_ms is None or window.began_ms <= 0:
        return datetime.now(UTC)
    return datetime.fromtimestamp(window.began_ms / 1000, UTC)
