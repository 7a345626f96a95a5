"""The job that somebody wants to change, if they may see it."""

from __future__ import annotations

from sqlalchemy import Connection

from worker.domain.access import Principal
from worker.domain.reading import AsOf, JobRow
from worker.storage import errors
from worker.storage.queries import jobs
from worker.web import problems
from worker.web.asking import scope_of


def visible(connection: Connection, who: Principal, at: AsOf, job_id: int) -> JobRow:
    """The job; raises 'not found' for one that is not there, or not theirs (R10)."""
    with errors.reading():  # also within a transaction that writes
        job = jobs.get_job(connection, scope_of(who), at, job_id)
    if job is None:
        raise problems.not_found()
    return job
