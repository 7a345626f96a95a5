"""How many jobs have each status (R4)."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import (
    EVERYTHING,
    AsOf,
    Count,
    JobCounts,
    JobFilter,
    Scope,
    Status,
    Window,
)
from job_trigger_worker.storage.read.job_overdue import overdue_jobs
from job_trigger_worker.storage.read.job_pages import recent_jobs, window_of
from job_trigger_worker.storage.read.job_scan import OrderedJobScan, ScanResult
from job_trigger_worker.storage.read.job_selection import HAS_FAILED, JobSelection
from job_trigger_worker.storage.read.paging import NO_SLOT
from job_trigger_worker.storage.read.scope import OF_SCOPE, narrows, viewer, where_scanned

COUNTED = 1_000
"""Jobs whose trigger failed that are counted one by one; of more it says '1,000+'."""

ALL = 1_000_000
"""More than any stream has."""

MOST_TOTAL = 1_000
"""Jobs are counted one by one up to so many; those of a group lie far from each other."""


def counts(connection: Connection, scope: Scope, as_of: AsOf, wanted: JobFilter) -> JobCounts:
    """Jobs by status: exact when they are few, otherwise of the recent ones."""
    return counts_of(connection, scope, JobSelection.of(connection, scope, as_of, wanted))


def counts_of(
    connection: Connection, scope: Scope, meant: JobSelection, failed: Count | None = None
) -> JobCounts:
    """The same for jobs that were looked up; the wanted status is ignored.

    `failed` is how many of them have failed, where `standing_causes` has told it.
    """
    found = _counts(connection, scope, meant, failed)
    if meant.wanted.is_overdue:
        return replace(found, overdue=found.total.value)
    if not meant.is_small:
        return found
    return replace(found, overdue=len(overdue_jobs(connection, meant.stream)))


def _counts(
    connection: Connection, scope: Scope, meant: JobSelection, failed: Count | None
) -> JobCounts:
    wanted = replace(meant.wanted, status=None)
    meant = replace(meant, wanted=wanted)
    if meant.asks_failure:
        stream, _ = meant.failed(connection, meant.by_failing)
        by_status, window = _counted(connection, stream, COUNTED)
        total = by_status[Status.TRIGGER_FAILED]
        return JobCounts(total, by_status, None if window.is_complete else window)
    if meant.is_small:
        by_status, _ = _counted(connection, meant.narrowed(meant.by_slot))
        number = sum(count.value for count in by_status.values())
        return JobCounts(Count(number, is_exact=True), by_status, None)
    by_status, window = _counted(connection, recent_jobs(connection, meant))
    window = replace(window, is_complete=False)
    by_status = {status: replace(count, is_exact=False) for status, count in by_status.items()}
    if meant.is_projected:
        if failed is None:
            found, looked = _counted(connection, replace(meant.failing, rest=HAS_FAILED), COUNTED)
            number = found[Status.TRIGGER_FAILED].value
            failed = Count(number, is_exact=looked.is_complete)
        by_status[Status.TRIGGER_FAILED] = failed
    number = sum(count.value for count in by_status.values())
    if meant.asks_text:
        return JobCounts(Count(number, is_exact=False), by_status, window)
    total = _total(connection, scope, wanted)
    if not total.is_exact:
        # Jobs were found on another way, too: there are at least so many.
        total = replace(total, value=min(max(total.value, number), MOST_TOTAL))
    return JobCounts(total, by_status, window)


def _counted(
    connection: Connection, stream: OrderedJobScan, counted: int = ALL
) -> tuple[dict[Status, Count], Window]:
    """The statuses of the first jobs of a stream, `counted` at most: one statement."""
    key, job_id = stream.order.start
    rows = connection.execute(
        text(
            f"""
            with looked as materialized ({stream.looked})
            select status, count(*) as jobs, null as slot
            from (select status from ({stream.known}) as known where {stream.rest or "true"}
                  limit :counted) as counted group by status
            union all
            select null, count(*), cast(min(key) as text) from looked
            """
        ),
        {**stream.values, "key": key, "id": job_id, "most": stream.most, "counted": counted},
    ).all()
    found = {row.status: row.jobs for row in rows}
    looked = next(row for row in rows if row.status is None)
    is_complete = looked.jobs < stream.most and sum(found.values()) < counted
    taken = ScanResult((), (looked.slot or NO_SLOT, 0), looked.jobs, is_complete=is_complete)
    return (
        {status: Count(found.get(str(status), 0), is_exact=is_complete) for status in Status},
        window_of(stream.order, taken),
    )


def _total(connection: Connection, scope: Scope, wanted: JobFilter) -> Count:
    """How many jobs are meant, whatever their status, of the first 1,000 that an index gives.

    Where there are more, 1,000 is the least: the limit is on rows looked at, not on rows found.
    """
    if scope.group_ids is None and wanted.group_id is not None:
        scope, wanted = Scope((wanted.group_id,)), replace(wanted, group_id=None)
    condition, values = where_scanned(EVERYTHING, wanted)
    driver = OF_SCOPE
    if scope.group_ids is None:
        served = JobFilter(name_prefix=wanted.name_prefix, owner_id=wanted.owner_id)
        driver = f"select c.job_id from console_job c where {where_scanned(EVERYTHING, served)[0]}"
    meant = "driven"
    if narrows(EVERYTHING, wanted):
        meant = f"driven join console_job c on c.job_id = driven.job_id where {condition}"
    found = connection.execute(
        text(
            f"""
            with driven as materialized ({driver} limit {MOST_TOTAL + 1})
            select (select count(*) from driven) as read, count(distinct driven.job_id) as jobs
            from {meant}
            """
        ),
        {**values, **viewer(scope)},
    ).one()
    # A job of several groups may be there several times: then they are fewer than they seem.
    return Count(min(found.jobs, MOST_TOTAL), is_exact=found.read <= MOST_TOTAL)
