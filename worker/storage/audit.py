"""What the tables say about the count (promise 7): a constant number of statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

TRIGGERS = "%.job.triggers.v1"
"""Pattern of the trigger topic's name under any prefix: its ledger rows count records."""

_SUMS = text(
    """
    select
        coalesce(sum(l.deliveries), 0)::bigint as deliveries,
        coalesce(sum(l.records), 0)::bigint as records,
        coalesce(sum(l.duplicates), 0)::bigint as duplicates,
        coalesce(sum(l.redeliveries), 0)::bigint as redeliveries,
        coalesce(sum(l.dead_letters), 0)::bigint as dead_letters,
        coalesce(sum(l.events), 0)::bigint as events,
        coalesce(sum(l.published), 0)::bigint as published,
        coalesce(sum((select sum(o.events) from awp_trigger_outbox o where o.ledger_id = l.id)),
                 0)::bigint as outbox,
        coalesce(sum((select sum(upper(r) - lower(r))
                      from unnest(l.lost - l.lost_acknowledged) r)), 0)::bigint as lost
    from awp_trigger_ledger l
    where l.topic like :triggers
    """
)
_ROWS = text(
    """
    with r as (
        select ledger_id, count(*) as records, sum(duplicate_count)::bigint as repeats,
            count(*) filter (where trigger_status = 1) as dispatched
        from awp_job_execution where idempotency_key is not null
        group by ledger_id
    ), d as (
        select ledger_id, count(*) as letters
        from awp_dead_letter where execution_id is null
        group by ledger_id
    ), o as (
        select ledger_id, sum(events)::bigint as waiting from awp_trigger_outbox group by ledger_id
    )
    select
        coalesce(l.id, r.ledger_id) as id, l.topic, l.topic_id, l."partition", l.last_offset,
        l.updated_at,
        l.topic like :triggers as is_triggers,
        coalesce(l.deliveries, 0) as deliveries, coalesce(l.records, 0) as records,
        coalesce(l.applied, 0) as applied, coalesce(l.duplicates, 0) as duplicates,
        coalesce(l.redeliveries, 0) as redeliveries, coalesce(l.dead_letters, 0) as dead_letters,
        coalesce(l.events, 0) as events, coalesce(l.published, 0) as published,
        (select array_agg(array[lower(x), upper(x) - 1] order by lower(x))
         from unnest(l.lost - l.lost_acknowledged) x) as lost,
        coalesce(r.records, 0) as counted_records,
        coalesce(r.dispatched, 0) as counted_dispatched,
        coalesce(r.repeats, 0) as counted_repeats,
        coalesce(d.letters, 0) as counted_letters,
        coalesce(o.waiting, 0) as waiting
    from awp_trigger_ledger l
    full join r on r.ledger_id = l.id
    left join d on d.ledger_id = l.id
    left join o on o.ledger_id = l.id
    order by l.topic, l.id, r.ledger_id
    """
)
_ACKNOWLEDGE = text(
    """
    with unseen as (
        select id, lost - lost_acknowledged as ranges from awp_trigger_ledger
        where not isempty(lost - lost_acknowledged)
        for update
    )
    update awp_trigger_ledger l set lost_acknowledged = l.lost_acknowledged + unseen.ranges
    from unseen where l.id = unseen.id
    returning l.topic, l.topic_id, l."partition",
        (select array_agg(array[lower(x), upper(x) - 1] order by lower(x))
         from unnest(unseen.ranges) x) as lost
    """
)
_PATIENCE = text("set statement_timeout = 3600000")


@dataclass(frozen=True, slots=True)
class LedgerSums:
    """The trigger topic's numbers, summed over every topic id and partition there ever was.

    `outbox` is how many outcome events still wait there; `lost` how many offsets the log deleted
    unread and nobody has acknowledged.
    """

    deliveries: int
    records: int
    duplicates: int
    redeliveries: int
    dead_letters: int
    events: int
    published: int
    outbox: int
    lost: int

    @property
    def has_record_for_every_trigger(self) -> bool:
        """The first tick: each delivery is in one bin, and none was lost unread."""
        binned = self.redeliveries + self.records + self.duplicates + self.dead_letters
        return self.deliveries == binned and not self.lost

    @property
    def has_event_for_every_record(self) -> bool:
        """The second tick: as many events as records, each published or still in the outbox."""
        return self.records == self.events and self.events - self.published == self.outbox


@dataclass(frozen=True, slots=True)
class LostRange:
    """Offsets `first` to `last` of a partition that the log deleted before they were read."""

    topic: str
    topic_id: str
    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A ledger row beside what its tables hold.

    `topic` is None for records whose ledger row does not exist; `id` is None too when they name no
    row at all. `lost` holds what nobody has acknowledged. `counted_…` come from the rows of
    `awp_job_execution` and `awp_dead_letter` themselves, `waiting` from the outbox.
    """

    id: int | None
    topic: str | None
    topic_id: str
    partition: int
    last_offset: int
    updated_at: datetime | None
    is_triggers: bool
    deliveries: int
    records: int
    applied: int
    duplicates: int
    redeliveries: int
    dead_letters: int
    events: int
    published: int
    lost: tuple[LostRange, ...]
    counted_records: int
    counted_dispatched: int
    counted_repeats: int
    counted_letters: int
    waiting: int


def ledger_sums(connection: Connection) -> LedgerSums:
    """Both ticks' numbers from ledger and outbox alone: one statement, cheap at any size.

    No table is counted; `trigger-worker audit` does that.
    """
    row = connection.execute(_SUMS, {"triggers": TRIGGERS}).one()
    return LedgerSums(**row._mapping)  # noqa: SLF001  # SQLAlchemy's public name for it


def be_patient(connection: Connection) -> None:
    """Give this session's statements an hour: counting hundreds of millions of rows takes long."""
    connection.execute(_PATIENCE)


def ledger_rows(connection: Connection) -> list[LedgerRow]:
    """Every ledger row with what its tables hold: one statement, one pass over each table."""
    rows = []
    for found in connection.execute(_ROWS, {"triggers": TRIGGERS}):
        row = dict(found._mapping)  # noqa: SLF001
        row["topic_id"] = row["topic_id"] or ""
        for name in ("partition", "last_offset"):
            row[name] = -1 if row[name] is None else row[name]
        row["is_triggers"] = bool(row["is_triggers"])
        row["lost"] = _ranges(row["topic"], row["topic_id"], row["partition"], row["lost"])
        rows.append(LedgerRow(**row))
    return rows


def acknowledge_lost(connection: Connection) -> list[LostRange]:
    """Accept what the log deleted unread: a person has seen it. Returns what was new."""
    return [
        lost
        for row in connection.execute(_ACKNOWLEDGE)
        for lost in _ranges(row.topic, row.topic_id, row.partition, row.lost)
    ]


def _ranges(
    topic: str, topic_id: str, partition: int, ranges: list[list[int]] | None
) -> tuple[LostRange, ...]:
    return tuple(LostRange(topic, topic_id, partition, *each) for each in ranges or ())
