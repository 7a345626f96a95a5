"""The job that somebody wants to change, if they may see it."""

from __future__ import annotations

from sqlalchemy import Connection

from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.dependencies import scope_of
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.read_models import AsOf, JobListRow
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.read import jobs


def get_visible_job(connection: Connection, who: Principal, at: AsOf, job_id: int) -> JobListRow:
    """The job; raises 'not found' for one that is not there, or not theirs (R10)."""
    with errors.translate_read_errors():  # also within a transaction that writes
        job = jobs.get_job(connection, scope_of(who), at, job_id)
    if job is None:
        raise problems.not_found()
    return job
