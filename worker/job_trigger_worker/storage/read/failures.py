"""Failed triggers: by cause, by code, over time, and as they come (design 8).

Sums are made of at most `most` failures, the newest of those meant; the `Window` of an answer says
how far back that was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from job_trigger_worker.domain import messages
from job_trigger_worker.domain.read_models import (
    NO_FINDINGS,
    BrokenJob,
    Bucket,
    CauseRow,
    Causes,
    CodeRow,
    Findings,
    JobFilter,
    Page,
    RecordFilter,
    Scope,
    Status,
    Window,
)
from job_trigger_worker.errors import UsageError
from job_trigger_worker.storage.db.arrays import bigints
from job_trigger_worker.storage.read import paging
from job_trigger_worker.storage.read.job_selection import SEEN, JobSelection
from job_trigger_worker.storage.read.record_selection import of_records
from job_trigger_worker.storage.read.run_states import newest
from job_trigger_worker.storage.read.scope import SOME, few_jobs, may_see, viewer
from job_trigger_worker.storage.write.newest_record import counts, moment

MOST = 8_000
"""How many failures a sum over codes or time is made of at most."""

MOST_CAUSED = 5_000
"""How many failures a sum over causes is made of at most."""

MOST_STANDING = 1_000
"""How many jobs the standing causes are of at most."""

MOST_BUCKETS = 2_000


def by_cause(
    connection: Connection,
    scope: Scope,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    most: int = MOST_CAUSED,
) -> Causes:
    """What broke: each cause with how many jobs and triggers it failed."""
    meant = _Failures(connection, scope, _failed(since, until), most)
    rows = connection.execute(
        text(
            f"""
            with failures as materialized (
                select r.id, r.job_id, r.decided_at, r.causes from awp_job_execution r
                where {meant.condition}
            ), {_broken()}
            """
        ),
        {**meant.values, "limit": limit},
    ).all()
    return Causes(_caused(rows), rows[0].total or 0, meant.window)


def standing_causes(
    connection: Connection,
    scope: Scope,
    *,
    limit: int = 100,
    most: int = MOST_STANDING,
    meant: JobSelection | None = None,
) -> Causes:
    """What is broken now: causes of the newest records of jobs, so `triggers` equals `jobs`.

    Of the `most` jobs that began to fail last, as their projections say; in a scope of many jobs,
    of those that it has among the 2,000 of all that did. `meant` is all jobs of the scope, where
    these were looked up.
    """
    some: Sequence[int] | None
    if meant is None or scope.group_ids is None:
        some = few_jobs(connection, scope, JobFilter(), SOME)
    else:
        some = meant.ids
    sifts = some is None and scope.group_ids is not None
    values: dict[str, Any] = {"most": most, "looked": SEEN if sifts else most, **viewer(scope)}
    named, seen = "true", may_see(scope, "j.id") if sifts else "true"
    if some is not None:
        named, values["some"] = "j.id = any(cast(:some as bigint[]))", bigints(some)
    rows = connection.execute(
        text(
            f"""
            with looked as materialized (
                select j.id, j.last_execution_id, coalesce(j.failing_since, '-infinity') as since
                from awp_automcation_job j where j.trigger_status = 2 and {named}
                order by coalesce(j.failing_since, '-infinity') desc, j.id desc limit :looked
            ), failures as materialized (
                select r.id, r.job_id, r.decided_at, r.causes from (
                    select j.id, j.last_execution_id from looked as j
                    where {seen} order by j.since desc, j.id desc limit :most) as j
                join awp_job_execution r on r.id = j.last_execution_id
                where r.trigger_status = 2
                  and not exists (
                    select from awp_job_execution n where n.job_id = j.id and {moment("n")} is null
                      and {counts("n")} and n.id > r.id)
            ), {_broken("(select count(*) from looked)")}
            """
        ),
        {**values, "limit": limit},
    ).all()
    head = rows[0]
    return Causes(
        _caused(rows),
        head.total or 0,
        Window(head.read, head.since, head.read < most and head.looked < values["looked"]),
    )


def _broken(looked: str = "null") -> str:
    """SQL that sums `failures` by cause; one row without a cause where there is none.

    What is told is a finding of the newest record that has it first. `looked` is how many rows
    were gone through to find these failures.
    """
    return f"""
        broken as (
            select cause, count(distinct job_id) as jobs, count(*) as triggers,
                min(decided_at) as first_at, max(decided_at) as last_at, max(id) as newest_id,
                coalesce(max(id) filter (where place = 1), max(id)) as told_id
            from failures cross join lateral unnest(causes) with ordinality as root (cause, place)
            group by cause
        )
        select b.cause, split_part(b.cause, ':', 1) as code, b.jobs, b.triggers, b.first_at,
            b.last_at, b.newest_id, b.total, summed.read, summed.since, {looked} as looked,
            coalesce(r.trigger_message, '') as message, finding.its as finding
        from (select count(*) as read, min(decided_at) as since from failures) as summed
        left join (select *, count(*) over () as total from broken
              order by jobs desc, triggers desc, cause limit :limit) as b on true
        left join awp_job_execution r on r.id = b.told_id
        left join lateral ({_finding("b.cause", "r")}) as finding on true
        order by b.jobs desc, b.triggers desc, b.cause
    """


def _finding(cause: str, record: str) -> str:
    """SQL of the finding `its` of a record that a cause is the root of.

    Of those with the cause's code, the first that names most of what the key names
    (`server=7,account=deploy`): a job may miss several servers.
    """
    name, value = "split_part(part, '=', 1)", "split_part(part, '=', 2)"
    return f"""
        select item as its from jsonb_array_elements(case when
            jsonb_typeof({record}.findings) = 'array' then {record}.findings else '[]' end
        ) with ordinality as found (item, place)
        where item ->> 'code' = split_part({cause}, ':', 1)
        order by (
            select count(*) from string_to_table(split_part({cause}, ':', 2), ',') as part
            where {value} in (item ->> {name}, item ->> ({name} || '_id'))) desc, place limit 1
    """


def _caused(rows: Sequence[Any]) -> tuple[CauseRow, ...]:
    return tuple(
        CauseRow(
            row.cause,
            row.code,
            row.jobs,
            row.triggers,
            row.first_at,
            row.last_at,
            row.newest_id,
            messages.of_cause({"message": row.message, **(row.finding or {})}),
            _findings(row),
        )
        for row in rows
        if row.cause is not None
    )


def _findings(row: Any) -> Findings:
    """The finding that describes a cause; none if its record has none."""
    return Findings((row.finding,), 1) if row.finding else NO_FINDINGS


def jobs_of_cause(
    connection: Connection,
    scope: Scope,
    cause: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    size: int = 50,
    most: int = MOST_CAUSED,
) -> Page[BrokenJob]:
    """The jobs that a cause broke in the window, the newest failure first."""
    head, below = None, None
    if after is not None:
        said = paging.place("cause", after, {"head": 0, "id": 0})
        head, below = said["head"] + 1, said["id"]
    meant = _Failures(connection, scope, _failed(since, until, cause=cause), most, head)
    rows = connection.execute(
        text(
            f"""
            with broken as (
                select r.job_id, count(*) as triggers, max(r.decided_at) as last_at,
                    max(r.id) as newest_id
                from awp_job_execution r where {meant.condition} group by r.job_id
                having cast(:page_below as bigint) is null or max(r.id) < :page_below
                order by newest_id desc limit :size
            )
            select b.*, coalesce(f.trigger_message, '') as message, finding.its as finding,
                coalesce(f.job_name, cast(c.name as text)) as job_name, r.id = b.newest_id as is_now
            from broken b join awp_job_execution f on f.id = b.newest_id
            left join lateral ({_finding("cast(:told as text)", "f")}) as finding on true
            left join console_job c on c.job_id = b.job_id
            {newest("b.job_id")} order by b.newest_id desc
            """
        ),
        {**meant.values, "size": size + 1, "page_below": below, "told": cause},
    ).all()
    jobs = tuple(
        BrokenJob(
            row.job_id,
            row.job_name,
            row.triggers,
            row.last_at,
            row.newest_id,
            row.message,
            bool(row.is_now),
            _findings(row),
        )
        for row in rows[:size]
    )
    following = None
    if len(rows) > size:
        following = paging.cursor("cause", {"head": meant.looked.head, "id": jobs[-1].newest_id})
    return Page(jobs, following, meant.window)


def by_code(
    connection: Connection,
    scope: Scope,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    most: int = MOST,
) -> tuple[tuple[CodeRow, ...], Window]:
    """How many triggers failed by each code, the most frequent first."""
    meant = _Failures(connection, scope, _failed(since, until), most)
    rows = connection.execute(
        text(
            f"""
            select coalesce(r.trigger_code, '') as code, count(distinct r.job_id) as jobs,
                count(*) as triggers
            from awp_job_execution r where {meant.condition}
            group by 1 order by triggers desc, code
            """
        ),
        meant.values,
    )
    return tuple(CodeRow(*row) for row in rows), meant.window


def by_time(
    connection: Connection,
    scope: Scope,
    *,
    since: datetime,
    until: datetime,
    step_s: int,
    job_id: int | None = None,
    most: int = MOST,
) -> tuple[tuple[Bucket, ...], Window]:
    """Failures in steps of `step_s` seconds from `since` on, empty steps included.

    Raises `UsageError` for no step, or for more than 2,000.
    """
    if step_s < 1 or (until - since).total_seconds() / step_s > MOST_BUCKETS:
        raise UsageError(
            f"Steps of {step_s} s from {since.isoformat()} to {until.isoformat()} are too many.",
            remedy=f"Take a larger step, for {MOST_BUCKETS} at most.",
        )
    meant = _Failures(connection, scope, _failed(since, until, job_id=job_id), most)
    rows = connection.execute(
        text(
            f"""
            select cast(floor(extract(epoch from r.decided_at - cast(:first as timestamptz))
                / :step_s) as int) as place, coalesce(r.trigger_code, '') as code,
                count(*) as number
            from awp_job_execution r where {meant.condition} group by 1, 2 order by 1, 2
            """
        ),
        {**meant.values, "first": since, "step_s": step_s},
    )
    found: dict[int, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.place, Counter())[row.code] = row.number
    buckets = []
    start, place = since, 0
    while start < until:
        buckets.append(Bucket(start, dict(found.get(place, {}))))
        start, place = start + timedelta(seconds=step_s), place + 1
    return tuple(buckets), meant.window


def _failed(
    since: datetime | None,
    until: datetime | None,
    *,
    cause: str | None = None,
    job_id: int | None = None,
) -> RecordFilter:
    return RecordFilter(
        job_id=job_id, since=since, until=until, status=Status.TRIGGER_FAILED, cause=cause
    )


class _Failures:
    """The failures that a sum is made of: a `condition` on records `r` and its `values`."""

    def __init__(
        self,
        connection: Connection,
        scope: Scope,
        wanted: RecordFilter,
        most: int,
        below: int | None = None,
    ) -> None:
        stream = of_records(connection, scope, wanted, size=0)
        self.looked = stream.window(connection, below, most)
        condition, values = stream.range(below, self.looked)
        self.condition = f"{stream.condition} and {condition}"
        self.values = {**stream.values, **values}
        self.window = self.looked.told
