"""Everything that a list holds, read page by page as exports and people read it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from job_trigger_worker.domain.read_models import (
    AsOf,
    JobFilter,
    JobListRow,
    JobSort,
    RecordFilter,
    RecordRow,
    Scope,
)
from job_trigger_worker.storage.read import executions, jobs

_PAGE = 1_000


def each_job(
    connection: Connection,
    scope: Scope,
    as_of: AsOf,
    *,
    wanted: JobFilter | None = None,
    sort: JobSort = JobSort.ID,
) -> Iterator[JobListRow]:
    """Every job that a filter matches, in the order of `sort`."""
    after: str | None = None
    while True:
        page = jobs.list_jobs(
            connection, scope, as_of, wanted=wanted, sort=sort, after=after, size=_PAGE
        )
        yield from page.rows
        if page.next is None:
            return
        after = page.next


def each_record(
    connection: Connection, scope: Scope, as_of: AsOf, *, wanted: RecordFilter | None = None
) -> Iterator[RecordRow]:
    """Every record that a filter matches, the newest first."""
    after: str | None = None
    while True:
        page = executions.list_records(
            connection, scope, as_of, wanted=wanted, after=after, size=_PAGE
        )
        yield from page.rows
        if page.next is None:
            return
        after = page.next
