"""The application, put together in one place."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from worker.domain.masking import Masker
from worker.errors import Misused, TriggerWorkerError
from worker.web import access
from worker.web.answers import Answering, answer
from worker.web.api import openapi, routers
from worker.web.auth.identify import Identify
from worker.web.auth.sessions import Sessions
from worker.web.auth.users import Users
from worker.web.exporting import Exports
from worker.web.headers import SecurityHeaders
from worker.web.limits import Limiter
from worker.web.live.hub import Hub
from worker.web.live.shared import Shared
from worker.web.live.told import Telling
from worker.web.live_preflight import LivePreflight
from worker.web.pages import (
    dead_letters,
    failures,
    history,
    job,
    job_changes,
    job_edit,
    job_run,
    jobs,
    letter_mend,
    letter_replay,
    live,
    preferences,
    probes,
    record,
    sign_in,
)
from worker.web.proxies import FromProxies, Proxies
from worker.web.rendering import Pages
from worker.web.state import Collaborators, Console
from worker.web.statics import Statics

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

    Raises `Misused` or `Stop` for settings that cannot be used, LookupError for a route that says
    neither which role it needs nor that it is public.
    """
    settings, clock = collaborators.settings, collaborators.clock
    proxies = Proxies(settings.console_proxies)
    if settings.console_user_header and not proxies:
        raise Misused(
            "TRIGGER_WORKER_CONSOLE_USER_HEADER is set, but no proxy may send it.",
            remedy="Name the proxies in TRIGGER_WORKER_CONSOLE_PROXIES.",
        )
    statics = Statics()
    pages = Pages(statics, clock, settings.console_timezone)
    users = Users(settings.console_users_file)
    sessions = Sessions(collaborators.pool, users, clock, settings)
    app = FastAPI(
        title="trigger-worker console",
        openapi_url=None,
        redirect_slashes=False,
        # FastAPI's spans would hold whole addresses, one-time links too.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.console = Console(
        settings=settings,
        pool=collaborators.pool,
        clock=clock,
        sender=collaborators.sender,
        replayer=collaborators.replayer,
        pages=pages,
        users=users,
        sessions=sessions,
        identify=Identify(collaborators.pool, users, sessions, settings.console_user_header),
        masker=Masker(settings.secret_keys),
        preflight=LivePreflight(collaborators.pool, clock, settings.default_max_lateness_s),
        exports=Exports(collaborators.pool, clock),
        sign_in_limit=Limiter(clock, burst=5, refill_s=60.0),
        address_limit=Limiter(clock, burst=30, refill_s=10.0),
        run_limit=Limiter(clock, burst=10, refill_s=6.0),
        hub=Hub(collaborators.pool, clock, settings.no_answer_after_s, collaborators.tail),
        telling=Telling(clock),
        sums=Shared(live.SUMS_S),
        sum_parts=Shared(live.SUMS_S),
    )
    for router in (*ROUTERS, *routers.ROUTERS, openapi.router):
        app.include_router(router)
    app.mount("/static", statics, name="static")

    async def explain(request: Request, error: Exception) -> Response:
        return await answer(request, error, pages)

    for kind in (TriggerWorkerError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, explain)
    # The last one added is the outermost.
    app.add_middleware(Answering, pages=pages)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(FromProxies, proxies=proxies)
    access.routes(app)  # raises for one that nobody has thought about
    return app
