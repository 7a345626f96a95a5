"""What was read from the topics, beside the records: temporary tables of one audit.

They belong to the session and take no memory of ours. The verdicts are made by SQL, each in one
statement: how many offend, and the first of them by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from worker.domain.delivery import Event
from worker.domain.trigger import Uuid, early_key
from worker.storage.arrays import bigints, booleans, uuids
from worker.storage.outbox import unpack

MOST_NAMED = 20
"""How many offenders of a kind are named."""

_PAGE_ROWS = 8
_PAGE_KEYS = 10_000

_PREPARE = (
    "set work_mem = '64MB'",
    """
    create temporary table audit_window (
        ledger_id int primary key, first_offset bigint not null, last_offset bigint not null)
    """,
    """
    create temporary table audit_trigger (
        ledger_id int not null, origin_offset bigint not null, job_id bigint, key uuid)
    """,
    """
    create temporary table audit_event (
        topic int, "partition" int, origin_offset bigint, execution_id uuid, event_id uuid,
        is_own_id boolean)
    """,
    "create temporary table audit_waiting (execution_id uuid not null)",
)
_OUTBOX = text(
    """
    select id, payload from awp_trigger_outbox where id > :after order by id limit :rows
    """
)
_WINDOWS = text(
    """
    insert into audit_window select * from unnest(
        cast(:ledger_id as int[]), cast(:first as bigint[]), cast(:last as bigint[]))
    """
)
_TRIGGERS = text(
    """
    insert into audit_trigger select * from unnest(
        cast(:ledger_id as int[]), cast(:offset as bigint[]), cast(:job_id as bigint[]),
        cast(:key as uuid[]))
    """
)
_EVENTS = text(
    """
    insert into audit_event select * from unnest(
        cast(:topic as int[]), cast(:partition as int[]), cast(:offset as bigint[]),
        cast(:execution_id as uuid[]), cast(:event_id as uuid[]), cast(:is_own_id as boolean[]))
    """
)
_WAITING = text("insert into audit_waiting select * from unnest(cast(:execution_id as uuid[]))")

_MISSING = text(
    """
    create temporary table audit_missing as
    select row_number() over () as place, key from (
        select distinct t.key from audit_trigger t
        where t.key is not null
          and not exists (select from awp_job_execution r where r.idempotency_key = t.key)
    ) as missing
    """
)
_MISSING_PAGE = text(
    """
    select place, cast(key as text) from audit_missing
    where place > :after and place <= :after + :rows order by place
    """
)
_EARLY = text(
    """
    update audit_trigger t set key = early.key
    from unnest(cast(:missing as uuid[]), cast(:early as uuid[])) as early (missing, key)
    where t.key = early.missing
      and exists (select from awp_job_execution r where r.idempotency_key = early.key)
    """
)

_TOPIC_OF_RECORD = """
    case when r.trigger_status = 2 then 2 when r.job_type = 'workflow' then 1 else 0 end
"""
_JUDGED_RECORDS = f"""
    awp_job_execution r
    join audit_window w on w.ledger_id = r.ledger_id
        and r.origin_offset between w.first_offset and w.last_offset
    where r.idempotency_key is not null
      and r.decided_at > (cast(:since as timestamptz[]))[1 + {_TOPIC_OF_RECORD}]
"""
_COUNT_JUDGED = text(f"select count(*) from {_JUDGED_RECORDS}")

_VERDICTS = {
    "triggers_without_a_record": """
        select t.ledger_id, t.origin_offset as "offset", t.job_id
        from audit_trigger t
        where not exists (select from awp_job_execution r where r.idempotency_key = t.key)
          and not exists (select from awp_dead_letter d
                          where d.ledger_id = t.ledger_id and d.origin_offset = t.origin_offset)
        order by t.ledger_id, t.origin_offset
        """,
    "records_without_an_event": f"""
        select r.ledger_id, r.origin_offset as "offset", r.job_id, r.execution_id,
            {_TOPIC_OF_RECORD} as expected_on
        from {_JUDGED_RECORDS}
          and not exists (select from audit_event e where e.execution_id = r.idempotency_key)
          and not exists (select from audit_waiting o where o.execution_id = r.idempotency_key)
        order by r.ledger_id, r.origin_offset
        """,
    "events_without_a_record": """
        select e.topic, e."partition", e.origin_offset as "offset", e.execution_id
        from audit_event e
        where e.execution_id is null
           or not exists (select from awp_job_execution r where r.idempotency_key = e.execution_id)
        order by e.topic, e."partition", e.origin_offset
        """,
    "events_with_a_wrong_id": """
        select e.topic, e."partition", e.origin_offset as "offset", e.execution_id, e.event_id
        from audit_event e
        where e.execution_id is not null and not e.is_own_id
        order by e.topic, e."partition", e.origin_offset
        """,
    "records_with_two_outcomes": """
        select e.execution_id, min(r.job_id) as job_id,
            array_agg(distinct e.topic order by e.topic) as topics
        from audit_event e left join awp_job_execution r on r.idempotency_key = e.execution_id
        where e.execution_id is not null
        group by e.execution_id having count(distinct e.topic) > 1
        order by e.execution_id
        """,
    "events_of_another_outcome": f"""
        select e.topic, e."partition", e.origin_offset as "offset", e.execution_id, r.job_id
        from audit_event e join awp_job_execution r on r.idempotency_key = e.execution_id
        where (e.topic = 2) <> ({_TOPIC_OF_RECORD} = 2)
        order by e.topic, e."partition", e.origin_offset
        """,
}


class TriggerSeen(NamedTuple):
    """A trigger in the topic; `key` and `job_id` are None where it cannot be read."""

    ledger_id: int
    offset: int
    job_id: int | None
    key: Uuid | None


class EventSeen(NamedTuple):
    """An outcome event in a topic (0 dispatch action, 1 dispatch orch, 2 failures).

    `execution_id` is None for what is no outcome event; `is_own_id` says that the `event_id` is the
    one of that execution and topic.
    """

    topic: int
    partition: int
    offset: int
    execution_id: Uuid | None
    event_id: Uuid | None
    is_own_id: bool


@dataclass(frozen=True, slots=True)
class Offence:
    """What must not be. `first` holds at most `MOST_NAMED` of the `total`, as columns by name."""

    kind: str
    total: int
    first: tuple[Mapping[str, Any], ...]


def prepare(connection: Connection) -> None:
    """Make the tables; once in a session, before the snapshot."""
    for statement in _PREPARE:
        connection.execute(text(statement))


def waiting_events(connection: Connection) -> Iterator[tuple[Event, ...]]:
    """Events that the outbox holds, a page at a time; within the snapshot."""
    after = 0
    while rows := connection.execute(_OUTBOX, {"after": after, "rows": _PAGE_ROWS}).all():
        after = rows[-1].id
        yield tuple(event for row in rows for event in unpack(bytes(row.payload)))


def note_windows(connection: Connection, windows: Mapping[int, tuple[int, int]]) -> None:
    """Offsets, first and last, that are judged of each ledger row."""
    connection.execute(
        _WINDOWS,
        {
            "ledger_id": bigints(windows),
            "first": bigints(first for first, _ in windows.values()),
            "last": bigints(last for _, last in windows.values()),
        },
    )


def note_triggers(connection: Connection, seen: Sequence[TriggerSeen]) -> None:
    """Keep what was read of the trigger topic."""
    connection.execute(
        _TRIGGERS,
        {
            "ledger_id": bigints(each.ledger_id for each in seen),
            "offset": bigints(each.offset for each in seen),
            "job_id": bigints(each.job_id for each in seen),
            "key": uuids(each.key for each in seen),
        },
    )


def note_events(connection: Connection, seen: Sequence[EventSeen]) -> None:
    """Keep what was read of the outgoing topics."""
    connection.execute(
        _EVENTS,
        {
            "topic": bigints(each.topic for each in seen),
            "partition": bigints(each.partition for each in seen),
            "offset": bigints(each.offset for each in seen),
            "execution_id": uuids(each.execution_id for each in seen),
            "event_id": uuids(each.event_id for each in seen),
            "is_own_id": booleans(each.is_own_id for each in seen),
        },
    )


def note_waiting(connection: Connection, execution_ids: Sequence[Uuid]) -> None:
    """Keep whose events were still in the outbox."""
    connection.execute(_WAITING, {"execution_id": uuids(execution_ids)})


def note_early(connection: Connection) -> None:
    """Give triggers that were recorded as too early the key that they have so.

    What they were cannot be told from the topic: only from what is recorded, and when that was.
    """
    connection.execute(_MISSING)
    after = 0
    while rows := connection.execute(_MISSING_PAGE, {"after": after, "rows": _PAGE_KEYS}).all():
        after += _PAGE_KEYS
        missing = [key for _, key in rows]
        early = [early_key(key) for key in missing]
        connection.execute(_EARLY, {"missing": uuids(missing), "early": uuids(early)})


def analyze(connection: Connection) -> None:
    """Let the planner know how much was read; before the verdicts."""
    for table in ("audit_window", "audit_trigger", "audit_event", "audit_waiting"):
        connection.execute(text(f"analyze {table}"))


def count_judged(connection: Connection, since: Sequence[datetime]) -> int:
    """How many records have their trigger in the window and their event within retention.

    `since` is the moment, by outgoing topic, from which on its events are all there.
    """
    return int(connection.execute(_COUNT_JUDGED, {"since": list(since)}).scalar_one())


def verdicts(connection: Connection, since: Sequence[datetime]) -> Iterator[Offence]:
    """Each kind of offence, found or not, in a fixed order; `since` as in `count_judged`."""
    for kind, statement in _VERDICTS.items():
        limited = f"select x.*, count(*) over () as total from ({statement}) x limit {MOST_NAMED}"
        rows = connection.execute(text(limited), {"since": list(since)}).mappings().all()
        first = tuple({name: row[name] for name in row if name != "total"} for row in rows)
        yield Offence(kind, rows[0]["total"] if rows else 0, first)
