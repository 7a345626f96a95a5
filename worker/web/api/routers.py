"""Every router of the API, in the order of its document."""

from __future__ import annotations

from worker.web.api import me, stream

ROUTERS = (me.router, stream.router)
