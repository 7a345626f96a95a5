"""The home page's jobs, their counts and what is broken; which jobs are meant is looked up once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from job_trigger_worker.domain.read_models import (
    AsOf,
    Causes,
    Count,
    JobCounts,
    JobFilter,
    JobListRow,
    JobSort,
    Page,
    Scope,
)
from job_trigger_worker.storage.read.failures import standing_causes
from job_trigger_worker.storage.read.job_counts import counts_of
from job_trigger_worker.storage.read.job_selection import JobSelection
from job_trigger_worker.storage.read.jobs import page_of


@dataclass(frozen=True, slots=True)
class Overview:
    """What `list_jobs` and `count_jobs` say of a filter, and `standing_causes` of the scope."""

    page: Page[JobListRow]
    counts: JobCounts
    broken: Causes


def overview(
    connection: Connection,
    scope: Scope,
    as_of: AsOf,
    *,
    wanted: JobFilter,
    sort: JobSort,
    after: str | None,
    size: int,
    causes: int,
) -> Overview:
    """A page of jobs with the numbers above it. Raises `UsageError` as `list_jobs` does."""
    meant = JobSelection.of(connection, scope, as_of, wanted)
    page = page_of(connection, meant, as_of, sort, after, size)
    # By outcome no jobs are left out of those that are meant.
    is_of_scope = replace(wanted, status=None, code=None, cause=None) == JobFilter()
    is_known = is_of_scope and (meant.ids is not None or meant.needs_filtering)
    broken = standing_causes(connection, scope, limit=causes, meant=meant if is_known else None)
    failed = Count(broken.window.read, broken.window.is_complete) if is_of_scope else None
    counts = counts_of(connection, scope, meant, failed)
    return Overview(page, counts, broken)
