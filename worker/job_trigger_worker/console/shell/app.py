"""The application, put together in one place."""

from __future__ import annotations

from functools import cache

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from job_trigger_worker.console.account import html as sign_in
from job_trigger_worker.console.account import preferences_html as preferences
from job_trigger_worker.console.dead_letters import edit_html as letter_mend
from job_trigger_worker.console.dead_letters import html as dead_letters
from job_trigger_worker.console.dead_letters import replay_html as letter_replay
from job_trigger_worker.console.export.view import Exports
from job_trigger_worker.console.failures import html as failures
from job_trigger_worker.console.failures import stream_html as live
from job_trigger_worker.console.failures.live.state import Live
from job_trigger_worker.console.history import html as history
from job_trigger_worker.console.history import record_html as record
from job_trigger_worker.console.jobs import html as jobs
from job_trigger_worker.console.jobs.changes import html as job_changes
from job_trigger_worker.console.jobs.detail import html as job
from job_trigger_worker.console.jobs.edit import html as job_edit
from job_trigger_worker.console.jobs.run import html as job_run
from job_trigger_worker.console.shared import permissions
from job_trigger_worker.console.shared.auth.identify import Identify
from job_trigger_worker.console.shared.auth.sessions import Sessions
from job_trigger_worker.console.shared.auth.users import Users
from job_trigger_worker.console.shared.limits import Limiter
from job_trigger_worker.console.shared.live_preflight import LivePreflight
from job_trigger_worker.console.shared.metrics import ConsoleMetrics
from job_trigger_worker.console.shared.proxies import FromProxies, Proxies
from job_trigger_worker.console.shared.rendering import Pages
from job_trigger_worker.console.shared.state import Collaborators, Console
from job_trigger_worker.console.shared.statics import shared_statics
from job_trigger_worker.console.shell import openapi, probes, routers
from job_trigger_worker.console.shell.error_handlers import Answering, answer
from job_trigger_worker.console.shell.headers import SecurityHeaders
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.errors import TriggerWorkerError, UsageError

ROUTERS = (
    probes.router,
    sign_in.router,
    preferences.router,
    jobs.router,
    history.router,
    record.router,
    job.router,
    job_run.router,
    job_changes.router,
    job_edit.router,
    failures.router,
    live.router,
    dead_letters.router,
    letter_mend.router,
    letter_replay.router,
)


def create_app(collaborators: Collaborators) -> FastAPI:
    """The ASGI application. Asks nothing of the database yet.

    Raises `UsageError` or `FatalError` for settings that cannot be used, LookupError for a route
    that says neither which role it needs nor that it is public.
    """
    settings, clock = collaborators.settings, collaborators.clock
    proxies = Proxies(settings.trusted_proxies)
    if settings.remote_user_header and not proxies:
        raise UsageError(
            "TRIGGER_WORKER_REMOTE_USER_HEADER is set, but no proxy may send it.",
            remedy="Name the proxies in TRIGGER_WORKER_TRUSTED_PROXIES.",
        )
    pages = Pages(clock, settings.console_timezone)
    users = Users(settings.console_users_file)
    sessions = Sessions(collaborators.pool, users, clock, settings)
    app = FastAPI(
        title="trigger-worker console",
        openapi_url=None,
        redirect_slashes=False,
        # FastAPI's spans would hold whole addresses, one-time links too.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.exports = Exports(collaborators.pool, clock)
    app.state.live = Live.of(collaborators)
    metrics = ConsoleMetrics(lambda: app.state.live.hub.viewers, lambda: collaborators.pool.in_use)
    app.state.console = Console(
        settings=settings,
        pool=collaborators.pool,
        clock=clock,
        sender=collaborators.sender,
        replayer=collaborators.replayer,
        pages=pages,
        users=users,
        sessions=sessions,
        identify=Identify(collaborators.pool, users, sessions, settings.remote_user_header),
        masker=Masker(settings.masked_parameter_words),
        preflight=LivePreflight(
            collaborators.pool,
            clock,
            settings.default_max_lateness_s,
            collaborators.inventory_limit_s,
        ),
        inventory_limit_s=collaborators.inventory_limit_s,
        sign_in_limit=Limiter(clock, burst=5, refill_s=60.0),
        address_limit=Limiter(clock, burst=30, refill_s=10.0),
        run_limit=Limiter(clock, burst=10, refill_s=6.0),
        metrics=metrics,
    )
    app.router.routes.extend(_routes())
    app.mount("/static", shared_statics(), name="static")

    async def explain(request: Request, error: Exception) -> Response:
        return await answer(request, error, pages)

    for kind in (TriggerWorkerError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, explain)
    # The last one added is the outermost.
    app.add_middleware(Answering, pages=pages, metrics=metrics)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(FromProxies, proxies=proxies)
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Every route, resolved once in a process: that takes longer than all the rest of a start.

    Raises LookupError for a route that says neither which role it needs nor that it is public.
    """
    resolved = FastAPI(openapi_url=None, redirect_slashes=False)
    for router in (*ROUTERS, *routers.ROUTERS, openapi.router):
        resolved.include_router(router)
    permissions.routes(resolved)
    return tuple(resolved.router.routes)
