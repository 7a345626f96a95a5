"""Where dispatched runs stand: the histories of the action and orch services.

A producer of the status topic may name any run. So what is told of a run that nobody knows is kept
within bounds (`sweep`), and an end that differs from the one that stands is counted beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from job_trigger_worker.domain.truncation import truncate
from job_trigger_worker.storage.db.arrays import texts, timestamps
from job_trigger_worker.storage.db.prepared_statements import PreparedStatement, prepared

ENDS = ("rejected", "succeeded", "failed", "cancelled")
"""What ends a run; an end of a platform's own word is none of these."""

MOST_UNKNOWN = 10_000
"""Most rows of both histories that we have inserted and that have no record: more than a failover
loses, and a few megabytes of whoever fills them."""

UNKNOWN_KEPT_DAYS = 7
"""How long a run without a record is kept. A record that a database has lost is made again from its
trigger, and brokers keep that for seven days unless told otherwise."""

LONGEST_MESSAGE = 2_000
"""Longest message of a run, in characters; a longer one is cut."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of one run: its furthest status, and when it got where.

    `status` is the first end that was told, if one was; `more_ends` are those told after it.
    """

    execution_id: str
    status: str
    message: str | None
    accepted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    more_ends: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` found out: ends that differ from the one that stands, and unknown runs.

    `contradicted` and `unknown` are execution ids; `ends` counts the differing ends.
    """

    ends: int = 0
    contradicted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def _upsert(table: str, job_type: str) -> PreparedStatement:
    ends = ", ".join(f"'{end}'" for end in ENDS)
    return prepared(
        f"""
        with told as materialized (
            select * from unnest(
                cast(:execution_id as uuid[]), cast(:status as text[]), cast(:message as text[]),
                cast(:accepted_at as timestamptz[]), cast(:started_at as timestamptz[]),
                cast(:ended_at as timestamptz[]), cast(:more_ends as text[]),
                cast(:more_messages as text[]))
            as t (execution_id, status, message, accepted_at, started_at, ended_at, more_ends,
                more_messages)
        ), unknown as materialized (
            select t.execution_id from told t
            where not exists (select from {table} h where h.execution_id = t.execution_id)
              and not {_has_record("t.execution_id")}
        ), written as (
            insert into {table} as e
                (execution_id, status, message, accepted_at, started_at, ended_at)
            select execution_id, status, message, accepted_at, started_at, ended_at from told
            on conflict (execution_id) do update set
                status = case when {_rank("excluded")} > {_rank("e")}
                    then excluded.status else e.status end,
                message = case when {_rank("excluded")} > {_rank("e")}
                    then excluded.message else e.message end,
                accepted_at = coalesce(e.accepted_at, excluded.accepted_at),
                started_at = coalesce(e.started_at, excluded.started_at),
                ended_at = coalesce(e.ended_at, excluded.ended_at)
            returning execution_id, status
        ), noted as (
            insert into awp_unknown_execution (execution_id, job_type)
            select execution_id, '{job_type}' from unknown on conflict do nothing
        ), differing as (
            select w.execution_id, count(*) as ends,
                (array_agg(o.status order by o.place desc))[1] as status,
                (array_agg(o.message order by o.place desc))[1] as message
            from written w join told t using (execution_id)
            cross join lateral (
                select t.status, t.message, 0 as place
                union all
                select * from unnest(cast(t.more_ends as text[]), cast(t.more_messages as text[]))
                    with ordinality
            ) as o
            where t.status in ({ends}) and w.status in ({ends})
              and (t.status <> w.status or t.more_ends <> '{{}}') and o.status <> w.status
            group by w.execution_id
        ), contradicted as (
            insert into awp_execution_contradiction as c (execution_id, ends, status, message)
            select execution_id, ends, status, message from differing
            on conflict (execution_id) do update set ends = c.ends + excluded.ends,
                status = excluded.status, message = excluded.message, last_at = now()
        )
        select cast(execution_id as text), ends from differing
        union all
        select cast(execution_id as text), null from unknown
        """
    )


def _rank(row: str) -> str:
    return (
        f"(case when {row}.status is null then 0 when {row}.status = 'accepted' then 1 "
        f"when {row}.status = 'running' then 2 else 3 end)"
    )


def _has_record(execution_id: str) -> str:
    """SQL: a record of ours has this id, or a row that the platform wrote itself.

    Two conditions, because an index serves each: a record's execution id is its key.
    """
    return f"""
        (exists (select from awp_job_execution r where r.idempotency_key = {execution_id})
         or exists (select from awp_job_execution r
                    where r.execution_id = {execution_id} and r.idempotency_key is null))
    """


_UPSERTS = {
    "action": _upsert("awp_action_execution", "action"),
    "workflow": _upsert("awp_workflow_execution", "workflow"),
}
TYPES = tuple(_UPSERTS)
"""Job types with a history of runs."""

# The rows to be deleted may be locked by the platform: then they are the next one's.
_ALONE = text(
    """
    select pg_try_advisory_xact_lock(hashtextextended('awp_unknown_execution', 0)) as is_alone,
        set_config('lock_timeout', '100ms', true)
    """
)
_PATIENT = text("set local lock_timeout to default")
_SWEEP = text(
    f"""
    with due as (
        delete from awp_unknown_execution u
        where u.seen_at < now() - cast(:days as int) * interval '1 day'
           or u.id <= (select id from awp_unknown_execution order by id desc offset :most limit 1)
        returning u.execution_id, u.job_type
    ), foreign_ones as materialized (
        select * from due where not {_has_record("due.execution_id")}
    ), actions as (
        delete from awp_action_execution h using foreign_ones f
        where f.job_type = 'action' and h.execution_id = f.execution_id returning h.execution_id
    ), workflows as (
        delete from awp_workflow_execution h using foreign_ones f
        where f.job_type = 'workflow' and h.execution_id = f.execution_id returning h.execution_id
    ), contradictions as (
        delete from awp_execution_contradiction c using foreign_ones f
        where c.execution_id = f.execution_id
    )
    select (select count(*) from actions) + (select count(*) from workflows)
    """
)


def apply(connection: Connection, job_type: str, rows: Sequence[Progress]) -> Applied:
    """Move runs of one type forward; the first end stands, an unknown run is inserted.

    No two rows may name the same run. A further end that differs is counted in
    `awp_execution_contradiction`, an unknown run noted in `awp_unknown_execution`: `sweep` in the
    same transaction keeps those within their limit.
    """
    ordered = sorted(rows, key=lambda row: row.execution_id)
    found = _UPSERTS[job_type].rows(
        connection,
        {
            "execution_id": texts(row.execution_id for row in ordered),
            "status": texts(row.status for row in ordered),
            "message": texts(_short(row.message) for row in ordered),
            "accepted_at": timestamps(row.accepted_at for row in ordered),
            "started_at": timestamps(row.started_at for row in ordered),
            "ended_at": timestamps(row.ended_at for row in ordered),
            "more_ends": texts(texts(end for end, _ in row.more_ends) for row in ordered),
            "more_messages": texts(
                texts(_short(message) for _, message in row.more_ends) for row in ordered
            ),
        },
    )
    return Applied(
        ends=sum(ends for _, ends in found if ends is not None),
        contradicted=tuple(run for run, ends in found if ends is not None),
        unknown=tuple(run for run, ends in found if ends is None),
    )


def sweep(connection: Connection) -> int | None:
    """Forget runs without a record: those beyond the limit, the oldest first, and old ones.

    Only rows that `apply` has inserted are looked at; what has a record by now stays. Returns how
    many were forgotten; None while another transaction sweeps, which may itself have to wait for
    somebody: what is beyond the limit by then is the next one's. To be called in a savepoint,
    because it waits for no row for long: a lock that it waited for in vain raises.
    """
    is_alone = connection.execute(_ALONE).one().is_alone
    values = {"days": UNKNOWN_KEPT_DAYS, "most": MOST_UNKNOWN}
    swept = int(connection.execute(_SWEEP, values).scalar_one()) if is_alone else None
    connection.execute(_PATIENT)
    return swept


def _short(message: str | None) -> str | None:
    if message is None or len(message) <= LONGEST_MESSAGE:
        return message
    return truncate(message, LONGEST_MESSAGE - 1) + "…"
