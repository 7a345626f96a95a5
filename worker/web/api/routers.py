"""Every router of the API, in the order of its document."""

from __future__ import annotations

from worker.web.api import executions, exports, failures, jobs, me

# Exports first: `/jobs/export` would else be a job's id.
ROUTERS = (exports.router, jobs.router, executions.router, failures.router, me.router)
