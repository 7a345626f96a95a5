"""Overdue jobs: a slot has passed and no trigger came.

When a job is due only its schedule tells, which no index knows: jobs are asked one by one, and so
only where they are few.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from job_trigger_worker.domain import slots
from job_trigger_worker.storage.read.job_scan import OrderedJobScan
from job_trigger_worker.storage.read.run_states import newest_slot


def overdue_jobs(connection: Connection, stream: OrderedJobScan) -> list[int]:
    """The ids of the jobs of a whole stream that are overdue: one statement."""
    rows = connection.execute(
        text(
            f"""
            select cast(c.job_id as bigint) as id, cast(c.schedule as text) as schedule,
                cast(c.timezone as text) as timezone, c.updated_at,
                coalesce({newest_slot("c.job_id")}, j.last_scheduled_at) as newest_slot
            from console_job c left join awp_automcation_job j on j.id = c.job_id
            where {stream.base} and {stream.found} and cast(c.enabled as boolean) is true
              and c.schedule is not null
            """
        ),
        stream.values,
    )
    return [
        row.id
        for row in rows
        if slots.is_overdue(
            row.schedule,
            row.timezone,
            last_scheduled_at=row.newest_slot,
            updated_at=row.updated_at,
            now=stream.values["now"],
        )
    ]
