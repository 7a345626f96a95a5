"""Every router of the API, in the order of its document."""

from __future__ import annotations

from worker.web.api import (
    executions,
    exports,
    failures,
    job_changes,
    job_edit,
    jobs,
    me,
    stream,
    triggers,
)

# Exports first: `/jobs/export` would else be a job's id.
ROUTERS = (
    exports.router,
    jobs.router,
    job_changes.router,
    job_edit.router,
    triggers.router,
    executions.router,
    failures.router,
    stream.router,
    me.router,
)
