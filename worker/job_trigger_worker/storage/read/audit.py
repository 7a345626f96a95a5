"""What the tables say about the count (promise 7): a constant number of statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from job_trigger_worker.storage.write.acknowledgements import (
    ACCEPTED_LOST,
    OPEN_LETTERS,
    OPEN_LOST,
    OPEN_REWOUND,
)

TRIGGERS = "%.job.triggers.v1"
"""Pattern of the trigger topic's name under any prefix: its ledger rows count records."""

MOST_NAMED = 20
"""How many of a kind are named."""

_SUMS = text(
    f"""
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
        coalesce(sum((select sum(case
                          when upper_inf(r) then greatest(l.log_end - l.last_offset - 1, 1)
                          else upper(r) - lower(r) end)
                      from unnest({OPEN_LOST}) r)), 0)::bigint as lost
    from awp_trigger_ledger l
    where l.topic like :triggers
    """
)
_ROWS = text(
    f"""
    with a as (
        select ledger_id, sum(records)::bigint as records, sum(repeats)::bigint as repeats,
            sum(letters)::bigint as letters, max(deleted_before) as deleted_before
        from awp_acknowledgement where kind = 'deleted' group by ledger_id
    ), r as (
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
        l.log_end, l.updated_at,
        l.topic like :triggers as is_triggers,
        coalesce(l.deliveries, 0) as deliveries, coalesce(l.records, 0) as records,
        coalesce(l.applied, 0) as applied, coalesce(l.duplicates, 0) as duplicates,
        coalesce(l.redeliveries, 0) as redeliveries, coalesce(l.dead_letters, 0) as dead_letters,
        coalesce(l.events, 0) as events, coalesce(l.published, 0) as published,
        coalesce(l.pruned_records, 0) as pruned_records,
        coalesce(l.pruned_repeats, 0) as pruned_repeats,
        coalesce(l.pruned_letters, 0) as pruned_letters,
        greatest(l.pruned_before, a.deleted_before) as deleted_before,
        coalesce(a.records, 0) as accepted_records, coalesce(a.repeats, 0) as accepted_repeats,
        coalesce(a.letters, 0) as accepted_letters,
        (select array_agg(array[case when upper_inf(x) then greatest(lower(x), l.last_offset + 1)
                                     else lower(x) end, upper(x) - 1] order by lower(x))
         from unnest({OPEN_LOST}) x) as lost,
        (select array_agg(array[lower(x), upper(x) - 1] order by lower(x))
         from unnest({OPEN_REWOUND}) x) as rewound,
        {ACCEPTED_LOST} @> int8range(l.last_offset + 1, null) as is_end_accepted,
        coalesce(r.records, 0) as counted_records,
        coalesce(r.dispatched, 0) as counted_dispatched,
        coalesce(r.repeats, 0) as counted_repeats,
        coalesce(d.letters, 0) as counted_letters,
        coalesce(o.waiting, 0) as waiting
    from awp_trigger_ledger l
    full join r on r.ledger_id = l.id
    left join a on a.ledger_id = l.id
    left join d on d.ledger_id = l.id
    left join o on o.ledger_id = l.id
    order by l.topic, l.id, r.ledger_id
    """
)
_OPEN_LETTERS = text(
    f"""
    select d.id, l.topic, l."partition", d.origin_offset as "offset", d.job_id, d.reason,
        count(*) over () as total
    from awp_dead_letter d join awp_trigger_ledger l on l.id = d.ledger_id
    where {OPEN_LETTERS} order by d.id limit {MOST_NAMED}
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


@dataclass(frozen=True, slots=True)
class LostRange:
    """Offsets `first` to `last` of a partition that were never read.

    The log deleted them before, or `topics resume` skipped them: the ledger does not say which.
    `last` is None where the topic was deleted as a whole: then nobody knows how many stood behind
    `first`; somebody saw that there were `at_least` so many.
    """

    topic: str
    topic_id: str
    partition: int
    first: int
    last: int | None
    at_least: int


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A dead letter of a trigger whose job can be read and that has no record.

    Or, without a job, of offsets that no client could unpack: nobody knows what stood there.
    """

    id: int
    topic: str
    partition: int
    offset: int
    job_id: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class OpenLetters:
    """Letters that nobody has replayed or accepted: `total`, and the first of them."""

    total: int
    first: tuple[OpenLetter, ...]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A ledger row, and what the tables hold beside it.

    `topic` is None for records whose ledger row does not exist; `id` is None too when they name no
    row at all. `log_end` is the next offset of the log when a worker last looked. `lost` and
    `rewound` (first and last offsets) hold what nobody has acknowledged; `is_end_accepted` says
    that somebody has for whatever may stand behind the position. `pruned_…` were deleted by
    `trigger-worker retain`, `accepted_…` by somebody who has said so, each of records that had been
    decided before `deleted_before`. `counted_…` come from the rows of `awp_job_execution` and
    `awp_dead_letter` themselves, `waiting` from the outbox.
    """

    id: int | None
    topic: str | None
    topic_id: str
    partition: int
    last_offset: int
    log_end: int | None
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
    pruned_records: int
    pruned_repeats: int
    pruned_letters: int
    deleted_before: datetime | None
    accepted_records: int
    accepted_repeats: int
    accepted_letters: int
    lost: tuple[LostRange, ...]
    rewound: tuple[tuple[int, int], ...]
    is_end_accepted: bool
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


def raise_statement_timeout(connection: Connection) -> None:
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
        for name in ("is_triggers", "is_end_accepted"):
            row[name] = bool(row[name])
        row["lost"] = tuple(
            LostRange(
                row["topic"],
                row["topic_id"],
                row["partition"],
                first,
                last,
                last - first + 1 if last is not None else _seen(first, row["log_end"]),
            )
            for first, last in row["lost"] or ()
        )
        row["rewound"] = tuple((first, last) for first, last in row["rewound"] or ())
        rows.append(LedgerRow(**row))
    return rows


def open_letters(connection: Connection) -> OpenLetters:
    """Dead letters of triggers without a record that nobody has answered for."""
    rows = connection.execute(_OPEN_LETTERS).all()
    first = tuple(
        OpenLetter(row.id, row.topic, row.partition, row.offset, row.job_id, row.reason)
        for row in rows
    )
    return OpenLetters(rows[0].total if rows else 0, first)


def behind(row: LedgerRow) -> LostRange | None:
    """What may have stood behind the position of a row whose topic is gone, with nobody's word.

    None where it is in the row's `lost` already, or somebody has accepted it.
    """
    if row.topic is None or row.is_end_accepted or any(each.last is None for each in row.lost):
        return None
    first = row.last_offset + 1
    seen = _seen(first, row.log_end)
    return LostRange(row.topic, row.topic_id, row.partition, first, None, seen)


def _seen(first: int, log_end: int | None) -> int:
    return max(0, (log_end or 0) - first)
