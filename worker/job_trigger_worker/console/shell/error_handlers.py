"""The outermost layers of an answer: what went wrong becomes an answer, and a line in the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from job_trigger_worker.console.shared import permissions, problems
from job_trigger_worker.console.shared.forms import SAFE
from job_trigger_worker.console.shared.metrics import ConsoleMetrics
from job_trigger_worker.console.shared.problems import Problem
from job_trigger_worker.console.shared.rendering import Pages, words_of
from job_trigger_worker.errors import FatalError, NotTaken, Refused, Transient, TriggerWorkerError
from job_trigger_worker.logs import logger

log = logger(__name__)

MAX_BODY = 4 * 1024 * 1024


class Answering:
    """Logs each request, and answers for what nobody else has caught.

    The log line has the path without its query, and without the token of a one-time link.
    """

    def __init__(self, app: ASGIApp, pages: Pages, metrics: ConsoleMetrics) -> None:
        self._app = app
        self._pages = pages
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["request_id"] = secrets.token_hex(4)
        began = time.monotonic()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            _refuse_too_large(scope)
            await self._app(scope, _limited(receive), noting)
        except Exception as error:
            if status:
                raise
            response = await answer(Request(scope), error, self._pages)
            await response(scope, receive, noting)
        finally:
            took_s = time.monotonic() - began
            self._metrics.answered(_route(scope), scope["method"], status, took_s)
            log.info(
                "request",
                method=scope["method"],
                path=_shown(scope["path"]),
                status=status,
                ms=round(took_s * 1000),
                request=scope["state"]["request_id"],
            )


def _route(scope: Scope) -> str:
    """The route that answered, as it is declared: its parameters by their names."""
    path = getattr(scope.get("route"), "path", None)
    if path is not None:
        return str(path)
    return "/static" if scope["path"].startswith("/static/") else "none"


async def answer(request: Request, error: Exception, pages: Pages) -> Response:
    """The answer for an exception: problem details below /api, a page elsewhere."""
    request_id: str = request.scope["state"]["request_id"]
    problem = problems.of(error, request_id)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", request=request_id, exc_info=error)
    elif isinstance(error, Transient | FatalError):
        log.warning("request_unavailable", request=request_id, reason=error)
    elif isinstance(error, NotTaken):
        log.warning("edit_refused", request=request_id, sqlstate=error.sqlstate, reason=error)
    elif isinstance(error, Refused):
        log.warning("request_refused", request=request_id, reason=error)
    headers = {}
    if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
        # Several routes may share an address; a router knows only the first.
        headers["Allow"] = ", ".join(permissions.methods_of(request.app, request.url.path))
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if request.url.path.startswith("/api/"):
        return _details(request, problem, headers)
    if problem.kind == "sign-in-needed" and request.method in SAFE:
        return RedirectResponse(sign_in_address(request), HTTPStatus.SEE_OTHER)
    await _recognise(request, problem)
    values = {"problem": problem.said(words_of(request)), "kind": problem.kind}
    return pages.render(request, "problem.html", values, status=problem.status, headers=headers)


async def _recognise(request: Request, problem: Problem) -> None:
    """Find out who asks, where no route has, so that the page has their navigation."""
    if hasattr(request.state, "signed_in") or problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    try:
        identify = request.app.state.console.identify
        request.state.signed_in = await run_in_threadpool(identify, request)
    except TriggerWorkerError:
        request.state.signed_in = None


def sign_in_address(request: Request) -> str:
    """Where to sign in, and come back from."""
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/sign-in?" + urlencode({"next": back})


def _details(request: Request, problem: Problem, headers: Mapping[str, str]) -> Response:
    body: dict[str, Any] = {**problem.said(words_of(request)), "instance": request.url.path}
    more = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else {}
    return Response(
        orjson.dumps(body), problem.status, {**headers, **more}, "application/problem+json"
    )


def _shown(path: str) -> str:
    return "/start/…" if path.startswith("/start/") else quote(path[:200])


def _limited(receive: Receive) -> Receive:
    """A request's body; raises a refusal while it is read beyond 4 MiB."""
    read = 0

    async def receiving() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY:
            raise problems.too_large()
        return message

    return receiving


def _refuse_too_large(scope: Scope) -> None:
    announced = Headers(scope=scope).get("content-length", "0")
    if announced.isdigit() and int(announced) > MAX_BODY:
        raise problems.too_large()
