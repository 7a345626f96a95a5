"""What was read from the topics, to compare with the records: temporary tables of one audit.

They belong to the session and take no memory of ours. The verdicts are made by SQL, each in one
statement: how many offend, and the first of them by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

from psycopg2 import Error
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.trigger import Uuid, early_key
from job_trigger_worker.storage.db.arrays import bigints, uuids
from job_trigger_worker.storage.read.audit import TRIGGERS
from job_trigger_worker.storage.write.acknowledgements import (
    ACCEPTED_LOST,
    ACCEPTED_MISSING,
    ACCEPTED_REWOUND,
)
from job_trigger_worker.storage.write.outbox import unpack

MOST_NAMED = 20
"""How many offenders of a kind are named."""

_NULL = "\\N"
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
        is_own_id boolean, is_old boolean)
    """,
    "create temporary table audit_waiting (execution_id uuid not null)",
    f"""
    create temporary table audit_accepted as
    select l.id as ledger_id, {ACCEPTED_REWOUND} as rewound,
        -- What a person had skipped may still stand in the log.
        {ACCEPTED_MISSING} + {ACCEPTED_LOST} as missing
    from awp_trigger_ledger l
    """,
)
_COPY_TRIGGERS = "copy audit_trigger from stdin"
_COPY_EVENTS = "copy audit_event from stdin"
_COPY_BYTES = 1024 * 1024
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
_WAITING = text("insert into audit_waiting select * from unnest(cast(:execution_id as uuid[]))")

_TOPIC_OF_RECORD = """
    case when r.trigger_status = 2 then 2 when r.job_type = 'workflow' then 1 else 0 end
"""
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

_FORGOTTEN = text(
    """
    select r.since, coalesce(r.until, said.at) as until
    from audit_accepted a
    join awp_trigger_ledger l on l.id = a.ledger_id and l.topic like :triggers
    cross join unnest(a.rewound) as forgotten
    cross join lateral (
        select max(decided_at) filter (where origin_offset < lower(forgotten)) as since,
            max(decided_at) filter (where origin_offset <@ forgotten) as until
        from awp_job_execution
        where ledger_id = a.ledger_id and idempotency_key is not null
    ) r
    cross join lateral (
        select max(acknowledged_at) as at from awp_acknowledgement
        where kind = 'rewound' and ledger_id = a.ledger_id
    ) said
    """
)

_JUDGED_RECORDS = f"""
    awp_job_execution r
    join audit_window w on w.ledger_id = r.ledger_id
        and r.origin_offset between w.first_offset and w.last_offset
    where r.idempotency_key is not null
      and r.decided_at > (cast(:since as timestamptz[]))[1 + {_TOPIC_OF_RECORD}]
"""
_COUNT_JUDGED = text(f"select count(*) from {_JUDGED_RECORDS}")

_IS_EXCUSED = """
    coalesce((select a.rewound @> r.origin_offset from audit_accepted a
              where a.ledger_id = r.ledger_id), false)
"""
"""Of a record `r`: it was decided twice, and a person knows. It may have both outcomes."""

_SUSPECTS = text(
    f"""
    create temporary table audit_suspect as
    select e.*, r.idempotency_key is not null as has_record, r.job_id,
        {_IS_EXCUSED} as is_excused, {_TOPIC_OF_RECORD} as expected_on
    from audit_event e left join awp_job_execution r on r.idempotency_key = e.execution_id
    where r.idempotency_key is null or not e.is_own_id or (e.topic = 2) <> ({_TOPIC_OF_RECORD} = 2)
    """
)
"""Every offence of a single event in one pass: a table that is empty as a rule."""

_UNRECORDED = text(
    """
    create temporary table audit_unrecorded as
    select t.*, coalesce(a.missing @> t.origin_offset, false) as is_accepted
    from audit_trigger t left join audit_accepted a on a.ledger_id = t.ledger_id
    where (t.key is null or t.key in (select key from audit_missing))
      and not exists (select from awp_dead_letter d
                      where d.ledger_id = t.ledger_id and d.origin_offset = t.origin_offset)
      and not exists (select from awp_dead_letter d
                      where d.ledger_id = t.ledger_id and d.last_offset is not null
                        and t.origin_offset between d.origin_offset and d.last_offset)
    """
)
_ACCEPT_UNRECORDED = text(
    """
    insert into awp_acknowledgement (kind, ledger_id, ranges, acknowledged_by, reason)
    select 'deleted', ledger_id, range_agg(int8range(origin_offset, origin_offset, '[]')),
        :by, :reason
    from audit_unrecorded where not is_accepted group by ledger_id
    """
)
_NOW_ACCEPTED = text("update audit_unrecorded set is_accepted = true")

_VERDICTS = {
    "triggers_without_a_record": """
        select t.ledger_id, t.origin_offset as "offset", t.job_id
        from audit_unrecorded t where not t.is_accepted
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
        from audit_suspect e where not e.has_record and not e.is_old
          and not exists (select from audit_unrecorded t
                          where t.is_accepted and t.key = e.execution_id)
        order by e.topic, e."partition", e.origin_offset
        """,
    "events_with_a_wrong_id": """
        select e.topic, e."partition", e.origin_offset as "offset", e.execution_id, e.event_id
        from audit_suspect e where e.execution_id is not null and not e.is_own_id
        order by e.topic, e."partition", e.origin_offset
        """,
    "records_with_two_outcomes": f"""
        select e.execution_id, r.job_id, e.topics
        from (
            select execution_id, array_agg(distinct topic order by topic) as topics
            from audit_event where execution_id in (
                select execution_id from audit_event where execution_id is not null
                group by execution_id having min(topic) <> max(topic))
            group by execution_id
        ) e left join awp_job_execution r on r.idempotency_key = e.execution_id
        where not {_IS_EXCUSED}
        order by e.execution_id
        """,
    "events_of_another_outcome": """
        select e.topic, e."partition", e.origin_offset as "offset", e.execution_id, e.job_id
        from audit_suspect e
        where e.has_record and (e.topic = 2) <> (e.expected_on = 2) and not e.is_excused
        order by e.topic, e."partition", e.origin_offset
        """,
}


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


def trigger_line(ledger_id: int, offset: int, job_id: int | None, key: Uuid | None) -> str:
    """A trigger in the topic, for `note_triggers`; no key and no job where it cannot be read."""
    if key is None:
        return f"{ledger_id}\t{offset}\t\\N\t\\N\n"
    return f"{ledger_id}\t{offset}\t{job_id}\t{key}\n"


def event_line(
    topic: int,
    partition: int,
    offset: int,
    execution_id: Uuid | None,
    other_id: Uuid | None,
    is_own_id: bool,
    is_old: bool,
) -> str:
    """An outcome event in a topic (0 dispatch action, 1 dispatch orch, 2 failures), to be noted.

    `execution_id` is None for what is no outcome event; `is_own_id` says that the `event_id` is the
    one of that execution and topic, else it is `other_id`. One that `is_old` need have no record.
    """
    return (
        f"{topic}\t{partition}\t{offset}\t{execution_id or _NULL}\t{other_id or _NULL}\t"
        f"{'t' if is_own_id else 'f'}\t{'t' if is_old else 'f'}\n"
    )


def note_triggers(connection: Connection, lines: Sequence[str]) -> None:
    """Keep what was read of the trigger topic."""
    _copy(connection, _COPY_TRIGGERS, lines)


def note_events(connection: Connection, lines: Sequence[str]) -> None:
    """Keep what was read of the outgoing topics."""
    _copy(connection, _COPY_EVENTS, lines)


def _copy(connection: Connection, statement: str, lines: Sequence[str]) -> None:
    """Lines of numbers and ids only: a third of what arrays cost."""
    cursor: Any = connection.connection.cursor()
    try:
        cursor.copy_expert(statement, BytesIO("".join(lines).encode()), _COPY_BYTES)
    except Error as error:
        fault: Any = error
        is_lost = connection.dialect.is_disconnect(fault, cursor.connection, cursor)
        raise DBAPIError.instance(
            statement, {}, error, Error, connection_invalidated=is_lost
        ) from error
    finally:
        cursor.close()


def note_waiting(connection: Connection, execution_ids: Sequence[Uuid]) -> None:
    """Keep the executions whose events were still in the outbox."""
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


def note_suspects(connection: Connection) -> None:
    """Keep triggers without a record, and what is wrong with single events."""
    connection.execute(_UNRECORDED)
    connection.execute(_SUSPECTS)


def accept_unrecorded(connection: Connection, by: str, reason: str) -> int:
    """Write down that a person answers for the triggers without a record; how many rows say so."""
    accepted = connection.execute(_ACCEPT_UNRECORDED, {"by": by, "reason": reason})
    connection.execute(_NOW_ACCEPTED)
    return accepted.rowcount


def forgotten(connection: Connection) -> list[tuple[datetime | None, datetime]]:
    """When the decisions were made that a database forgot, as far as a person has accepted that.

    From the last one that it remembers (None: it remembers none) to the last that was made again.
    """
    rows = connection.execute(_FORGOTTEN, {"triggers": TRIGGERS})
    return [(row.since, row.until) for row in rows]


def analyze(connection: Connection) -> None:
    """Let the planner know how much was read; before the verdicts."""
    for table in ("audit_window", "audit_trigger", "audit_event", "audit_waiting"):
        connection.execute(text(f"analyze {table}"))


def count_judged(connection: Connection, since: Sequence[datetime]) -> int:
    """How many records have their trigger in the window and their event within retention.

    `since` is the moment, by outgoing topic, from which on its events are all there.
    """
    return int(connection.execute(_COUNT_JUDGED, {"since": list(since)}).scalar_one())


KINDS = len(_VERDICTS)
"""How many kinds of offence there are."""


def verdicts(connection: Connection, since: Sequence[datetime]) -> Iterator[Offence]:
    """Each kind of offence, found or not, in a fixed order; `since` as in `count_judged`."""
    for kind, statement in _VERDICTS.items():
        limited = f"select x.*, count(*) over () as total from ({statement}) x limit {MOST_NAMED}"
        rows = connection.execute(text(limited), {"since": list(since)}).mappings().all()
        first = tuple({name: row[name] for name in row if name != "total"} for row in rows)
        yield Offence(kind, rows[0]["total"] if rows else 0, first)
