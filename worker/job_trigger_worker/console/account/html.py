"""Signing in and out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from job_trigger_worker.console.account.preferences_html import local
from job_trigger_worker.console.shared import cookies, forms, problems
from job_trigger_worker.console.shared.auth.passwords import MAX_LENGTH
from job_trigger_worker.console.shared.permissions import PUBLIC
from job_trigger_worker.console.shared.texts import gettext_noop
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.write.sign_ins import Session

log = logger(__name__)

router = APIRouter(include_in_schema=False, tags=[PUBLIC])

Sent = Annotated[str, Depends(forms.sent_token)]
_WRONG = gettext_noop("The name or the password is wrong.")


@router.get("/sign-in")
def ask(request: Request, next: Annotated[str, Query(max_length=2_000)] = "/") -> Response:  # noqa: A002
    """Ask for name and password; who is signed in already goes on."""
    if request.app.state.console.identify(request) is not None:
        return RedirectResponse(local(next), HTTPStatus.SEE_OTHER)
    return _form(request, local(next))


@router.post("/sign-in")
def sign_in(
    request: Request,
    sent: Sent,
    login: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=MAX_LENGTH)] = "",
    next: Annotated[str, Form(max_length=2_000)] = "/",  # noqa: A002
) -> Response:
    """Begin a session for a user of the file; a wrong password comes back with the form."""
    console = request.app.state.console
    if not cookies.is_private(request):
        raise problems.not_private()
    forms.check(request, sent, None)
    address = request.client.host if request.client else "-"
    # By address too, so that nobody can keep somebody else out by guessing.
    person = f"{address} {login}"
    for limiter, key in ((console.address_limit, address), (console.sign_in_limit, person)):
        wait_s = limiter.take(key)
        if wait_s:
            log.warning("sign_in_limited", address=address)
            console.metrics.signed_in("limited")
            raise problems.too_many(wait_s)
    user = console.users.check(login, password)
    if user is None:
        log.warning("sign_in_failed", address=address)
        console.metrics.signed_in("failed")
        return _form(request, local(next), login=login, error=_WRONG)
    console.sign_in_limit.give_back(person)
    return _begin(request, console.sessions.of_user(login, user), local(next))


@router.get("/start/{token}")
def start(request: Request, token: str) -> Response:
    """Sign in by a one-time link, once."""
    console = request.app.state.console
    if not cookies.is_private(request):
        raise problems.not_private()
    wait_s = console.address_limit.take(request.client.host if request.client else "-")
    if wait_s:
        raise problems.too_many(wait_s)
    session = console.sessions.take_link(token)
    if session is None:
        raise problems.link_is_used()
    return _begin(request, session, "/")


@router.post("/sign-out")
def sign_out(request: Request, sent: Sent) -> Response:
    """End the session."""
    console = request.app.state.console
    signed_in = console.identify(request)
    response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    if signed_in is not None and signed_in.form_token is not None:
        forms.check(request, sent, signed_in.form_token)
        console.sessions.end(cookies.secret(request, cookies.SESSION))
        log.info("signed_out", login=signed_in.principal.login)
    cookies.forget_secret(request, response, cookies.SESSION)
    return response


def _begin(request: Request, session: Session, back: str) -> Response:
    before = cookies.secret(request, cookies.SESSION)
    token = request.app.state.console.sessions.begin(session, instead_of=before)
    log.info("signed_in", login=session.login, by=session.source)
    request.app.state.console.metrics.signed_in("signed_in")
    response = RedirectResponse(back, HTTPStatus.SEE_OTHER)
    cookies.set_secret(request, response, cookies.SESSION, token)
    cookies.forget_secret(request, response, cookies.FORM)
    return response


def _form(request: Request, back: str, *, login: str = "", error: str | None = None) -> Response:
    console = request.app.state.console
    values = {
        "next": back,
        "login": login,
        "error": error,
        "has_users": bool(console.users.all()),
        "is_private": cookies.is_private(request),
    }
    status = HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY
    return console.pages.render(request, "sign_in.html", values, status=status)  # type: ignore[no-any-return]
