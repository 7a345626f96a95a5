"""Jobs: the list with its counts, one job, and the last outcomes of a page of jobs (R4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, RowMapping, text

from job_trigger_worker.domain.platform_views import TYPES
from job_trigger_worker.domain.read_models import (
    AsOf,
    JobCounts,
    JobFilter,
    JobListRow,
    JobSort,
    Outcome,
    Page,
    Scope,
    Status,
)
from job_trigger_worker.storage.db.arrays import bigints
from job_trigger_worker.storage.db.view_columns import one_of
from job_trigger_worker.storage.read import run_states
from job_trigger_worker.storage.read.job_counts import counts
from job_trigger_worker.storage.read.job_pages import page
from job_trigger_worker.storage.read.job_selection import JobSelection
from job_trigger_worker.storage.read.records import COLUMNS, record
from job_trigger_worker.storage.read.run_states import (
    COUNTS,
    JOB_STATUS,
    RUN,
    STATUS,
    newest,
    newest_slot,
)
from job_trigger_worker.storage.read.scope import may_see, viewer
from job_trigger_worker.storage.write.newest_record import counts as counts_for_job
from job_trigger_worker.storage.write.newest_record import moment, newest_first

_RECENT = 20
"""Passed triggers among which a job's last success is looked for."""

_ROWS = f"""
    select cast(c.job_id as bigint) as c_id, coalesce(cast(c.name as text), '') as c_name,
        {one_of("c.job_type", TYPES)} as c_job_type,
        cast(c.target_id as bigint) as c_target_id,
        cast(c.automation_name as text) as c_automation_name,
        cast(c.owner_id as bigint) as c_owner_id, cast(c.owner_name as text) as c_owner_name,
        cast(c.enabled as boolean) is true as c_is_enabled,
        cast(c.schedule as text) as c_schedule, cast(c.timezone as text) as c_timezone,
        coalesce(cast(c.version as bigint), 0) as c_version, c.updated_at as c_updated_at,
        cast(c.platform_url as text) as c_platform_url, {JOB_STATUS} as job_status, {COLUMNS},
        coalesce({newest_slot("page.id")}, j.last_scheduled_at) as newest_slot,
        case when r.trigger_status = 2 then j.failing_since end as failing_since,
        case when r.trigger_status = 2 then coalesce(j.consecutive_failures, 1) else 0 end
            as consecutive_failures,
        good.scheduled_at as last_success_at
    from unnest(cast(:ids as bigint[])) with ordinality as page (id, place)
    join console_job c on c.job_id = page.id
    left join awp_automcation_job j on j.id = page.id
    {newest("page.id")} {RUN}
    left join lateral (
        select p.scheduled_at from (
            select p.job_type, p.execution_id, p.scheduled_at, p.decided_at, p.id
            from awp_job_execution p
            where p.job_id = page.id and {counts_for_job("p")}
              and {moment("p")} is not null and p.trigger_status = 1
              and {moment("p")} <= case when r.trigger_status = 2
                then coalesce(j.failing_since, {moment("r")}) else 'infinity' end
            order by {newest_first("p")} limit {_RECENT}) as p
        join console_execution x
            on x.execution_id = p.execution_id and lower(cast(x.job_type as text)) = p.job_type
        where lower(cast(x.status as text)) = '{Status.SUCCEEDED}'
        order by {newest_first("p")} limit 1
    ) good on true
    order by page.place
"""


def list_jobs(
    connection: Connection,
    scope: Scope,
    as_of: AsOf,
    *,
    wanted: JobFilter | None = None,
    sort: JobSort = JobSort.TROUBLE,
    after: str | None = None,
    size: int = 50,
) -> Page[JobListRow]:
    """A page of jobs. Raises `UsageError` for an `after` that is no cursor of this sort."""
    meant = JobSelection.of(connection, scope, as_of, wanted or JobFilter())
    return page_of(connection, meant, as_of, sort, after, size)


def page_of(
    connection: Connection,
    meant: JobSelection,
    as_of: AsOf,
    sort: JobSort,
    after: str | None,
    size: int,
) -> Page[JobListRow]:
    """The same of jobs that were looked up."""
    found = page(connection, meant, sort, after, size)
    return Page(_rows(connection, as_of, found.ids), found.next, found.window)


def get_job(connection: Connection, scope: Scope, as_of: AsOf, job_id: int) -> JobListRow | None:
    """One job; None where there is none that the viewer may see."""
    condition = may_see(scope, "cast(:job_id as bigint)")
    seen = connection.execute(
        text(f"select cast(:job_id as bigint) where {condition}"),
        {"job_id": job_id, **viewer(scope)},
    )
    found = _rows(connection, as_of, list(seen.scalars()))
    return found[0] if found else None


def _rows(connection: Connection, as_of: AsOf, ids: Sequence[int]) -> tuple[JobListRow, ...]:
    """Jobs that the viewer may see, in this order; one that is gone by now is left out."""
    if not ids:
        return ()
    values = {"ids": bigints(ids), **run_states.moment(as_of)}
    rows = connection.execute(text(_ROWS), values).mappings()
    return tuple(_job(row, as_of) for row in rows)


def _job(row: RowMapping, as_of: AsOf) -> JobListRow:
    return JobListRow(
        id=row["c_id"],
        name=row["c_name"],
        job_type=row["c_job_type"],
        target_id=row["c_target_id"],
        automation_name=row["c_automation_name"],
        owner_id=row["c_owner_id"],
        owner_name=row["c_owner_name"],
        is_enabled=row["c_is_enabled"],
        schedule=row["c_schedule"],
        timezone=row["c_timezone"],
        version=row["c_version"],
        updated_at=row["c_updated_at"],
        platform_url=row["c_platform_url"],
        status=Status(row["job_status"]),
        newest=None if row["id"] is None else record(row),
        last_scheduled_at=row["newest_slot"],
        failing_since=row["failing_since"],
        consecutive_failures=row["consecutive_failures"],
        last_success_at=row["last_success_at"],
        read_at=as_of.now,
    )


def count_jobs(
    connection: Connection, scope: Scope, as_of: AsOf, *, wanted: JobFilter | None = None
) -> JobCounts:
    """How many jobs there are by status; `wanted.status` is not looked at."""
    return counts(connection, scope, as_of, wanted or JobFilter())


_PLACE = f"""
    coalesce({moment("r")}, max({moment("r")}) over (partition by r.job_id order by r.id))
"""
"""The moment by which a record is ordered: of one written without us, the newest before it."""


def last_outcomes(
    connection: Connection,
    scope: Scope,
    as_of: AsOf,
    job_ids: Collection[int],
    *,
    count: int = 10,
) -> dict[int, tuple[Outcome, ...]]:
    """The newest outcomes of each of these jobs, the oldest first; one statement for all.

    The last of a job is its newest record; canaries are left out.
    """

    def taken(condition: str) -> str:
        return f"""
            (select r.* from awp_job_execution r
             where r.job_id = wanted.job_id and {COUNTS} and {moment("r")} is {condition}
             order by {newest_first("r")} limit :count)
        """

    rows = connection.execute(
        text(
            f"""
            with candidates as (
                select r.id, r.job_id, r.job_type, r.execution_id, r.trigger_status,
                    r.trigger_code, r.scheduled_at, r.decided_at, {_PLACE} as at
                from (select distinct unnest(cast(:ids as bigint[])) as job_id) as wanted
                cross join lateral ({taken("not null")} union all {taken("null")}) as r
                where {may_see(scope, "wanted.job_id")}
            ), ranked as (
                select *, row_number() over (
                    partition by job_id order by at desc nulls last, id desc) as place
                from candidates
            )
            select r.job_id, r.id, {STATUS} as status, r.trigger_code, r.scheduled_at
            from ranked r {RUN} where r.place <= :count order by r.job_id, r.place desc
            """
        ),
        {"ids": bigints(job_ids), "count": count, **viewer(scope), **run_states.moment(as_of)},
    )
    outcomes: dict[int, list[Outcome]] = {}
    for row in rows:
        outcome = Outcome(row.id, Status(row.status), row.trigger_code, row.scheduled_at)
        outcomes.setdefault(row.job_id, []).append(outcome)
    return {job_id: tuple(found) for job_id, found in outcomes.items()}
