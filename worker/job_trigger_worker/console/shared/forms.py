"""Forms that only our own pages can send."""

from __future__ import annotations

import secrets
from hmac import compare_digest

from fastapi import Request

from job_trigger_worker.console.shared import cookies, problems

FIELD = "form_token"
HEADER = "X-Form-Token"
SAFE = ("GET", "HEAD", "OPTIONS")
_KINDS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def sent_token(request: Request) -> str:
    """The token that an unsafe request carries: in its header, or in its form."""
    if request.method in SAFE:
        return ""
    given = request.headers.get(HEADER)
    if given is None and request.headers.get("content-type", "").startswith(_KINDS):
        field = (await request.form()).get(FIELD)
        given = field if isinstance(field, str) else None
    return given or ""


def check(request: Request, sent: str, expected: str | None) -> None:
    """Raise a refusal unless a page of ours has sent this, or a program with its token.

    The browser says where a request comes from (`Sec-Fetch-Site`, older ones `Origin`); the token
    says it once more. `expected` None: the token is checked against the browser's own form cookie,
    which is how the sign-in form is protected, before there is a session.
    """
    if request.method in SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    ours = f"{request.url.scheme}://{request.headers.get('host', '')}"
    is_ours = site == "same-origin" if site is not None else origin in (None, ours)
    if expected is None:
        expected = cookies.secret(request, cookies.FORM) or ""
    is_right = compare_digest(sent.encode(errors="replace"), expected.encode(errors="replace"))
    if not is_ours or not expected or not is_right:
        is_call = request.url.path.startswith("/api/")
        raise problems.foreign_call() if is_call else problems.foreign_form()


def new_token() -> str:
    """A token for a browser without a session."""
    return secrets.token_urlsafe(32)
