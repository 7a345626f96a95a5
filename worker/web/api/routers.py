"""Every router of the API, in the order of its document."""

from __future__ import annotations

from worker.web.api import jobs, me

ROUTERS = (jobs.router, me.router)
"""A fixed address stands before one with an id in its place."""
