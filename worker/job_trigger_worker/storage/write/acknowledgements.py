"""What people have accepted, with name and reason, so that the audit can close again.

Each kind is one statement that accepts what is open at that moment, and nothing that comes later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text

from job_trigger_worker.storage.db.arrays import bigints


class Kind(StrEnum):
    """What may be accepted.

    Offsets that the log deleted unread (`lost`) or that a database forgot (`rewound`), dead letters
    without a record that are not replayed (`letters`), and rows that somebody has deleted
    (`deleted`).
    """

    LOST = "lost"
    REWOUND = "rewound"
    LETTERS = "letters"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One person's word. `ranges` are offsets, or ids of letters; a last one of None is open."""

    id: int
    kind: str
    topic: str | None
    topic_id: str | None
    partition: int | None
    ranges: tuple[tuple[int, int | None], ...]
    records: int
    repeats: int
    letters: int
    by: str
    reason: str
    at: datetime


_ACCEPTED = """
    (select coalesce(range_agg(r), '{{}}') from awp_acknowledgement a, unnest(a.ranges) r
     where a.kind = '{kind}' and a.ledger_id = l.id)
"""
ACCEPTED_LOST = _ACCEPTED.format(kind=Kind.LOST)
"""Of a ledger row `l`: the offsets lost that somebody has accepted."""

OPEN_LOST = f"(l.lost - {ACCEPTED_LOST})"
"""Of a ledger row `l`: the offsets lost that nobody has accepted."""

ACCEPTED_MISSING = _ACCEPTED.format(kind=Kind.DELETED)
"""Of a ledger row `l`: the offsets of triggers whose record somebody has deleted, and said so."""

ACCEPTED_REWOUND = _ACCEPTED.format(kind=Kind.REWOUND)
"""Of a ledger row `l`: the offsets rewound that somebody has accepted."""

OPEN_REWOUND = f"(l.rewound - {ACCEPTED_REWOUND})"
"""Of a ledger row `l`: the offsets rewound that nobody has accepted."""

OPEN_LETTERS = """
    d.execution_id is null and (d.job_id is not null or d.last_offset is not null)
    and d.replayed_at is null
    and not exists (select from awp_acknowledgement a where a.kind = 'letters' and a.ranges @> d.id)
"""
"""Of a dead letter `d` without a record: its job can be read, or no client could unpack what stood
there, and nobody has answered for it."""

_NOT_OPEN = text(
    f"""
    select named.id, case
        when d.id is null then 'missing'
        when d.replayed_at is not null then 'replayed'
        when d.execution_id is not null then 'recorded'
        when d.job_id is null and d.last_offset is null then 'no_job'
        else 'acknowledged' end as why
    from unnest(cast(:letters as bigint[])) with ordinality as named (id, place)
    left join awp_dead_letter d on d.id = named.id
    where d.id is null or not ({OPEN_LETTERS})
    order by named.place
    """
)
_INTO = """
    insert into awp_acknowledgement (kind, ledger_id, ranges, records, repeats, letters,
        deleted_before, acknowledged_by, reason)
"""
_STATEMENTS = {
    Kind.LOST: f"""
        {_INTO} select 'lost', l.id, {OPEN_LOST}, 0, 0, 0, null, :by, :reason
        from awp_trigger_ledger l where not isempty({OPEN_LOST})
        """,
    Kind.REWOUND: f"""
        {_INTO} select 'rewound', l.id, {OPEN_REWOUND}, 0, 0, 0, null, :by, :reason
        from awp_trigger_ledger l where not isempty({OPEN_REWOUND})
        """,
    Kind.LETTERS: f"""
        {_INTO} select 'letters', null, range_agg(int8range(d.id, d.id, '[]')), 0, 0, count(*),
            null, :by, :reason
        from awp_dead_letter d
        where {OPEN_LETTERS}
          and (cast(:letters as bigint[]) is null or d.id = any(cast(:letters as bigint[])))
        having count(*) > 0
        """,
    Kind.DELETED: f"""
        with r as (
            select ledger_id, count(*) as records, sum(duplicate_count)::bigint as repeats
            from awp_job_execution where idempotency_key is not null group by ledger_id
        ), d as (
            select ledger_id, count(*) as letters
            from awp_dead_letter where execution_id is null group by ledger_id
        ), a as (
            select ledger_id, sum(records) as records, sum(repeats) as repeats,
                sum(letters) as letters
            from awp_acknowledgement where kind = 'deleted' group by ledger_id
        ), missing as (
            select l.id,
                l.records - l.pruned_records - coalesce(a.records, 0) - coalesce(r.records, 0)
                    as records,
                l.dead_letters - l.pruned_letters - coalesce(a.letters, 0)
                    - coalesce(d.letters, 0) as letters,
                case when l.topic like :triggers then l.duplicates else 0 end
                    - l.pruned_repeats - coalesce(a.repeats, 0) - coalesce(r.repeats, 0) as repeats
            from awp_trigger_ledger l left join r on r.ledger_id = l.id
            left join d on d.ledger_id = l.id left join a on a.ledger_id = l.id
        ), one as (
            -- A repeat may be counted on a record of another partition: only the sum says it.
            select min(id) filter (where records > 0) as id,
                greatest(sum(repeats), 0)::bigint as repeats
            from missing
        )
        {_INTO} select 'deleted', m.id, cast('{{}}' as int8multirange), greatest(m.records, 0),
            case when m.id = one.id then one.repeats else 0 end, greatest(m.letters, 0),
            coalesce((select min(decided_at) from awp_job_execution
                      where idempotency_key is not null), now()), :by, :reason
        from missing m, one where m.records > 0 or m.letters > 0
        """,
}
_LIST = text(
    """
    select a.id, a.kind, l.topic, l.topic_id, l."partition", a.records, a.repeats, a.letters,
        a.acknowledged_by as by, a.reason, a.acknowledged_at as at,
        (select array_agg(array[lower(x), upper(x) - 1] order by lower(x))
         from unnest(a.ranges) x) as ranges
    from awp_acknowledgement a left join awp_trigger_ledger l on l.id = a.ledger_id
    order by a.id desc limit :most
    """
)


def acknowledge(
    connection: Connection,
    kind: Kind,
    *,
    by: str,
    reason: str,
    triggers: str,
    letters: Sequence[int] | None = None,
) -> int:
    """Accept what is open of a kind; `letters` names some of the dead letters.

    `triggers` is the pattern of the trigger topic's name. Returns how many rows tell of it: none
    where nothing is open.
    """
    values: dict[str, object] = {"by": by, "reason": reason}
    if kind is Kind.LETTERS:
        values["letters"] = None if letters is None else bigints(letters)
    elif kind is Kind.DELETED:
        values["triggers"] = triggers
    return int(connection.execute(text(_STATEMENTS[kind]), values).rowcount)


class NeedsNoWord(StrEnum):
    """Why a dead letter waits for nobody's word."""

    MISSING = "missing"
    REPLAYED = "replayed"
    RECORDED = "recorded"
    NO_JOB = "no_job"
    ACKNOWLEDGED = "acknowledged"


def not_open(connection: Connection, letters: Sequence[int]) -> dict[int, NeedsNoWord]:
    """Those of these dead letters that cannot be accepted, and why, in the order given."""
    rows = connection.execute(_NOT_OPEN, {"letters": bigints(letters)})
    return {row.id: NeedsNoWord(row.why) for row in rows}


def newest(connection: Connection, most: int) -> list[Acknowledgement]:
    """The newest acknowledgements, newest first."""
    found = []
    for row in connection.execute(_LIST, {"most": most}).mappings():
        ranges = tuple((first, last) for first, last in row["ranges"] or ())
        found.append(Acknowledgement(**{**row, "ranges": ranges}))
    return found
