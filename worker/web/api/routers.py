"""Every router of the API, in the order of its document."""

from __future__ import annotations

from worker.web.api import job_changes, me, triggers

ROUTERS = (job_changes.router, triggers.router, me.router)
