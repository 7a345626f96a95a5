"""How many jobs there are by status (R4)."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, text

from worker.domain.reading import AsOf, Count, JobCounts, JobFilter, Scope, Status, Window
from worker.storage.queries.job_meaning import FAILED, Meant
from worker.storage.queries.job_pages import recent_jobs, window_of
from worker.storage.queries.job_streams import Stream, Taken
from worker.storage.queries.paging import NO_SLOT

COUNTED = 2_000
"""Jobs whose statuses are counted one by one, of each kind."""

MOST_TOTAL = 10_000
"""Jobs are counted one by one up to so many."""


def counts(connection: Connection, scope: Scope, as_of: AsOf, wanted: JobFilter) -> JobCounts:
    """Jobs by status: exact when they are few, otherwise of the recent ones."""
    meant = Meant.of(connection, scope, as_of, replace(wanted, status=None))
    if meant.asks_failure:
        stream, _ = meant.failed(connection, meant.by_failing)
        by_status, window = _counted(connection, stream)
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
        base = f"{meant.stream.base} and {FAILED}"
        failed = replace(meant.stream, order=meant.by_failing, base=base, most=COUNTED)
        found, looked = _counted(connection, failed)
        number = found[Status.TRIGGER_FAILED].value
        by_status[Status.TRIGGER_FAILED] = Count(number, is_exact=looked.is_complete)
    if meant.asks_text:
        number = sum(count.value for count in by_status.values())
        return JobCounts(Count(number, is_exact=False), by_status, window)
    return JobCounts(_total(connection, meant.stream), by_status, window)


def _counted(connection: Connection, stream: Stream) -> tuple[dict[Status, Count], Window]:
    """The statuses of the first jobs of a stream: one statement."""
    key, job_id = stream.order.start
    rows = connection.execute(
        text(
            f"""
            with looked as materialized ({stream.looked})
            select status, count(*) as jobs, null as slot
            from ({stream.known}) as known where {stream.rest or "true"} group by status
            union all
            select null, count(*), cast(min(key) as text) from looked
            """
        ),
        {**stream.values, "key": key, "id": job_id, "most": stream.most},
    ).all()
    found = {row.status: row.jobs for row in rows}
    looked = next(row for row in rows if row.status is None)
    is_complete = looked.jobs < stream.most
    taken = Taken((), (looked.slot or NO_SLOT, 0), looked.jobs, is_complete=is_complete)
    return (
        {status: Count(found.get(str(status), 0), is_exact=is_complete) for status in Status},
        window_of(stream.order, taken),
    )


def _total(connection: Connection, stream: Stream) -> Count:
    found = connection.execute(
        text(
            f"""
            select count(*) from (
                select from console_job c where {stream.base} limit {MOST_TOTAL + 1}) as jobs
            """
        ),
        stream.values,
    ).scalar_one()
    return Count(min(found, MOST_TOTAL), is_exact=found <= MOST_TOTAL)
