"""The ledger: one row a partition. It is the position, the proof and the fence (promises 3, 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from job_trigger_worker.domain.group_copy import Known
from job_trigger_worker.domain.record import Claim, Tally
from job_trigger_worker.errors import FatalError, Fenced
from job_trigger_worker.storage.db.arrays import bigints
from job_trigger_worker.storage.db.prepared_statements import prepared

_LOCKED = text(
    """
    with free as (
        select l.id from awp_trigger_ledger l
        where l.topic = :topic and l.topic_id = :topic_id
          and l."partition" = any(cast(:partitions as int[]))
        order by l.id for no key update skip locked
    )
    select l."partition" from awp_trigger_ledger l
    where l.topic = :topic and l.topic_id = :topic_id
      and l."partition" = any(cast(:partitions as int[])) and l.id not in (select id from free)
    """
)
_TAKE = text(
    """
    insert into awp_trigger_ledger as l (topic, topic_id, "partition", epoch, owner, last_offset)
    select :topic, :topic_id, b."partition", 1, :owner, b.log_start - 1
    from unnest(cast(:partitions as int[]), cast(:log_starts as bigint[]))
        as b ("partition", log_start)
    order by b."partition"
    on conflict (topic, topic_id, "partition") do update
        set epoch = l.epoch + 1, owner = excluded.owner, updated_at = now(),
            -- It was thought to be gone, with what stands behind the position.
            lost = l.lost - int8multirange(int8range(l.last_offset + 1, null))
        where l.owner is null or split_part(l.owner, '/', 1) = split_part(excluded.owner, '/', 1)
    returning id, "partition", epoch, last_offset,
        (select cast(id as text) from awp_trigger_database) as database_id
    """
)
_KNOWN = text(
    """
    select (select cast(id as text) from awp_trigger_database) as database_id,
        coalesce(array_agg(l."partition"), '{}') as partitions,
        coalesce(bool_or(l.deliveries > 0), false) as has_read
    from awp_trigger_ledger l where l.topic = :topic and l.topic_id = :topic_id
    """
)
_REWIND = text(
    """
    update awp_trigger_ledger set
        rewound = rewound + int8multirange(int8range(:first, :end)), updated_at = now()
    where id = :id and epoch = :epoch
    """
)
_OWNER = text(
    """
    select "partition", owner from awp_trigger_ledger
    where topic = :topic and topic_id = :topic_id
      and "partition" = any(cast(:partitions as int[]))
    order by "partition" limit 1
    """
)
_ORPHANS = text(
    """
    with orphans as (
        select l.id from awp_trigger_ledger l
        where l.topic = :topic and (l.topic_id <> :topic_id or l."partition" >= :partitions)
          and (l.owner is null or split_part(l.owner, '/', 1) = split_part(:owner, '/', 1))
          and l.updated_at <= now() - make_interval(secs => :idle_s)
          and exists (select from awp_trigger_outbox o where o.ledger_id = l.id)
        order by l.id for no key update skip locked
    )
    update awp_trigger_ledger l set epoch = l.epoch + 1, owner = :owner, updated_at = now()
    from orphans where l.id = orphans.id
    returning l.id, l.topic_id, l."partition", l.epoch, l.last_offset
    """
)
_LOSE_REPLACED = text(
    """
    with replaced as (
        select l.id from awp_trigger_ledger l
        where l.topic = :topic and l.topic_id is distinct from :topic_id and not upper_inf(l.lost)
        order by l.id for no key update skip locked
    )
    update awp_trigger_ledger l
    set lost = l.lost + int8multirange(int8range(l.last_offset + 1, null))
    from replaced where l.id = replaced.id
    returning l.topic_id, l."partition", l.last_offset + 1 as first,
        greatest(l.log_end - l.last_offset - 1, 0) as seen
    """
)
_NOTE_ENDS = text(
    """
    update awp_trigger_ledger l set log_end = greatest(l.log_end, b.log_end)
    from unnest(cast(:id as bigint[]), cast(:epoch as bigint[]), cast(:log_end as bigint[]))
        as b (id, epoch, log_end)
    where l.id = b.id and l.epoch = b.epoch and l.log_end is distinct from b.log_end
    """
)
_ADVANCE = prepared(
    """
    update awp_trigger_ledger l set
        last_offset = greatest(l.last_offset, b.last_offset),
        deliveries = l.deliveries + b.deliveries,
        records = l.records + b.records,
        applied = l.applied + b.applied,
        duplicates = l.duplicates + b.duplicates,
        redeliveries = l.redeliveries + b.redeliveries,
        dead_letters = l.dead_letters + b.dead_letters,
        events = l.events + b.events,
        published = l.published + b.published,
        updated_at = now()
    from unnest(
        cast(:id as bigint[]), cast(:epoch as bigint[]), cast(:known as bigint[]),
        cast(:last_offset as bigint[]), cast(:deliveries as bigint[]),
        cast(:records as bigint[]), cast(:applied as bigint[]), cast(:duplicates as bigint[]),
        cast(:redeliveries as bigint[]), cast(:dead_letters as bigint[]),
        cast(:events as bigint[]), cast(:published as bigint[])
    ) as b (id, epoch, known, last_offset, deliveries, records, applied, duplicates, redeliveries,
            dead_letters, events, published)
    where l.id = b.id and l.epoch = b.epoch and l.last_offset >= b.known
    """
)
_RELEASE = text(
    """
    update awp_trigger_ledger l set owner = null, updated_at = now()
    from unnest(cast(:id as bigint[]), cast(:epoch as bigint[])) as b (id, epoch)
    where l.id = b.id and l.epoch = b.epoch
    """
)
_LOSE = text(
    """
    update awp_trigger_ledger set
        lost = lost + int8multirange(int8range(:first, :end)),
        last_offset = :end - 1, updated_at = now()
    where id = :id and epoch = :epoch
    """
)
_GO_BACK = text(
    """
    update awp_trigger_ledger set last_offset = :end - 1, log_end = :end, updated_at = now()
    where id = :id and epoch = :epoch
    """
)

_POSITIONS = text(
    """
    select "partition", last_offset + 1 as position from awp_trigger_ledger
    where topic = :topic and topic_id = :topic_id
    """
)
_BEFORE = """
    with before as (
        select coalesce(max(last_offset) + 1, :log_start) as position from awp_trigger_ledger
        where topic = :topic and topic_id = :topic_id and "partition" = :partition
    )
"""
_SKIP = text(
    f"""
    {_BEFORE}
    insert into awp_trigger_ledger as l (topic, topic_id, "partition", last_offset, lost)
    select :topic, :topic_id, :partition, :end - 1, int8multirange(int8range(position, :end))
    from before where position < :end
    on conflict (topic, topic_id, "partition") do update
        set lost = l.lost + excluded.lost, last_offset = excluded.last_offset,
            epoch = l.epoch + 1, updated_at = now()
    returning :end - (select position from before)
    """
)
_REPEAT = text(
    f"""
    {_BEFORE}
    insert into awp_trigger_ledger as l (topic, topic_id, "partition", last_offset, rewound)
    select :topic, :topic_id, :partition, position - 1, int8multirange(int8range(position, :end))
    from before where position < :end
    on conflict (topic, topic_id, "partition") do update
        set rewound = l.rewound + excluded.rewound, updated_at = now()
    returning :end - (select position from before)
    """
)

_COUNTS = (
    "deliveries",
    "records",
    "applied",
    "duplicates",
    "redeliveries",
    "dead_letters",
    "events",
    "published",
)


def known(connection: Connection, *, topic: str, topic_id: str) -> Known:
    """What this database knows of a topic. Changes nothing."""
    row = connection.execute(_KNOWN, {"topic": topic, "topic_id": topic_id}).one()
    return Known(row.database_id, frozenset(row.partitions), row.has_read)


def take(
    connection: Connection,
    *,
    topic: str,
    topic_id: str,
    owner: str,
    log_starts: Mapping[int, int],
) -> dict[int, Claim]:
    """Become the owner of partitions: raise their epochs and read their positions.

    `owner` is `group/instance`; a partition never seen before begins at its `log_starts`. To be
    committed before anything else. Waits for nobody: a partition whose row another transaction has
    locked is left out. Raises `FatalError` when another consumer group owns one of the rows: two
    groups would record each trigger's deliveries twice.
    """
    place = {"topic": topic, "topic_id": topic_id}
    asked = {**place, "partitions": bigints(log_starts)}
    locked = set(connection.execute(_LOCKED, asked).scalars())
    free = {each: start for each, start in log_starts.items() if each not in locked}
    values = {"partitions": bigints(free), "log_starts": bigints(free.values()), "owner": owner}
    claims = {
        row.partition: Claim(
            *(row.id, topic, topic_id, row.partition, row.epoch, row.last_offset, row.database_id)
        )
        for row in connection.execute(_TAKE, {**place, **values})
    }
    refused = free.keys() - claims.keys()
    if refused:
        other = connection.execute(_OWNER, {**place, "partitions": bigints(refused)}).one()
        raise FatalError(
            f"Partition {other.partition} of {topic} belongs to consumer group "
            f"'{other.owner.split('/')[0]}', not to '{owner.split('/', maxsplit=1)[0]}'.",
            remedy="Stop the workers of that group with SIGTERM (they release it), "
            "or set TRIGGER_WORKER_CONSUMER_GROUP to it.",
        )
    return claims


def take_orphans(
    connection: Connection,
    *,
    topic: str,
    topic_id: str,
    partitions: int,
    owner: str,
    idle_s: float = 0.0,
) -> list[Claim]:
    """Take the rows of partitions that no longer exist and still hold unsent events.

    Of those, what nobody has touched for `idle_s`, and has locked now.
    """
    place = {"topic": topic, "topic_id": topic_id, "partitions": partitions}
    rows = connection.execute(_ORPHANS, {**place, "owner": owner, "idle_s": idle_s})
    return [
        Claim(row.id, topic, row.topic_id, row.partition, row.epoch, row.last_offset)
        for row in rows
    ]


def advance(
    connection: Connection, claims: Mapping[int, Claim], tallies: Mapping[int, Tally]
) -> None:
    """Add a batch to its ledger rows; the last statement of the batch's transaction.

    Both mappings are by ledger id. Raises `Fenced` when a row has another epoch, or stands before
    the claim's position: somebody else owns the partition, or the database has forgotten what we
    committed. The whole transaction must be rolled back.
    """
    ids = sorted(tallies)
    columns = {name: bigints(getattr(tallies[i], name) for i in ids) for name in _COUNTS}
    advanced = _ADVANCE.count(
        connection,
        {
            "id": bigints(ids),
            "epoch": bigints(claims[i].epoch for i in ids),
            "known": bigints(claims[i].last_offset for i in ids),
            "last_offset": bigints(tallies[i].last_offset for i in ids),
            **columns,
        },
    )
    if advanced != len(ids):
        raise Fenced(
            f"{len(ids) - advanced} of {len(ids)} partitions have a new owner, or the database "
            "has gone back."
        )


def release(connection: Connection, claims: list[Claim]) -> None:
    """Leave partitions without an owner, so that another group may take them too."""
    connection.execute(
        _RELEASE,
        {
            "id": bigints(claim.ledger_id for claim in claims),
            "epoch": bigints(claim.epoch for claim in claims),
        },
    )


def lose(connection: Connection, claim: Claim, beginning: int) -> Claim:
    """Record that the log deleted everything between our position and `beginning` unread.

    The audit fails until a person acknowledges the range. Raises `Fenced` without the epoch.
    """
    first = claim.last_offset + 1
    result = connection.execute(
        _LOSE,
        {"first": first, "end": beginning, "id": claim.ledger_id, "epoch": claim.epoch},
    )
    if result.rowcount != 1:
        raise Fenced(f"Partition {claim.partition} of {claim.topic} has a new owner.")
    return claim.at(beginning - 1)


@dataclass(frozen=True, slots=True)
class Replaced:
    """A partition of a topic that is gone: from `first` on nothing is read; `seen` is known of."""

    topic_id: str
    partition: int
    first: int
    seen: int


def lose_replaced(connection: Connection, topic: str, topic_id: str | None) -> list[Replaced]:
    """Record that every other topic of that name is gone, with what stood there unread.

    `topic_id` is the one that exists now, None where none does. Nobody can tell any more how much
    was unread, so the range is open and the audit fails until a person acknowledges it. Returns
    what is new; a row that another transaction has locked is left for the next time.
    """
    found = connection.execute(_LOSE_REPLACED, {"topic": topic, "topic_id": topic_id})
    return [Replaced(row.topic_id, row.partition, row.first, row.seen or 0) for row in found]


def note_ends(connection: Connection, ends: Mapping[Claim, int]) -> None:
    """Keep where the logs of partitions that are ours ended when we looked."""
    claims = list(ends)
    connection.execute(
        _NOTE_ENDS,
        {
            "id": bigints(claim.ledger_id for claim in claims),
            "epoch": bigints(claim.epoch for claim in claims),
            "log_end": bigints(ends[claim] for claim in claims),
        },
    )


def rewind(connection: Connection, claim: Claim, end: int) -> None:
    """Record that this database has forgotten what it knew from our position up to `end`.

    It is read again; the audit shows the range until a person acknowledges it. Raises `Fenced`
    without the epoch.
    """
    first = claim.last_offset + 1
    result = connection.execute(
        _REWIND, {"first": first, "end": end, "id": claim.ledger_id, "epoch": claim.epoch}
    )
    if result.rowcount != 1:
        raise Fenced(f"Partition {claim.partition} of {claim.topic} has a new owner.")


def positions(connection: Connection, *, topic: str, topic_id: str) -> dict[int, int]:
    """The next offset of each partition of a topic that has a row."""
    rows = connection.execute(_POSITIONS, {"topic": topic, "topic_id": topic_id})
    return {row.partition: row.position for row in rows}


def skip(
    connection: Connection, *, topic: str, topic_id: str, partition: int, log_start: int, end: int
) -> int:
    """Make `end` the next offset of a partition whose position is before it, as a person decided.

    What is skipped is a lost range. Returns how many offsets that are; whoever owns it is fenced.
    """
    values = {"topic": topic, "topic_id": topic_id, "partition": partition}
    skipped = connection.execute(_SKIP, {**values, "log_start": log_start, "end": end})
    return int(skipped.scalar_one_or_none() or 0)


def repeat(
    connection: Connection, *, topic: str, topic_id: str, partition: int, log_start: int, end: int
) -> int:
    """Record that a partition was decided up to `end` and this database does not know it.

    It is rewound, as by `rewind`, for whoever takes the partition next. Returns how many offsets
    that are.
    """
    values = {"topic": topic, "topic_id": topic_id, "partition": partition}
    repeated = connection.execute(_REPEAT, {**values, "log_start": log_start, "end": end})
    return int(repeated.scalar_one_or_none() or 0)


def go_back(connection: Connection, claim: Claim, end: int) -> Claim:
    """Make `end` the next offset: the brokers lost what they had from there on.

    What was recorded stands; a trigger that they had and that its producer sends again is a
    duplicate. Raises `Fenced` without the epoch.
    """
    result = connection.execute(_GO_BACK, {"end": end, "id": claim.ledger_id, "epoch": claim.epoch})
    if result.rowcount != 1:
        raise Fenced(f"Partition {claim.partition} of {claim.topic} has a new owner.")
    return claim.at(end - 1)
