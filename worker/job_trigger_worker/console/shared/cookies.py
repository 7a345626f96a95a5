"""The console's cookies.

Behind TLS the session is `__Host-awp-session` with `Secure`: no other host and no plain request can
set it. A browser takes neither over plain HTTP, so on loopback, where nobody listens in, it is
`awp-session` without them; over plain HTTP from elsewhere nobody is signed in (`is_private`).
"""

from __future__ import annotations

from fastapi import Request, Response

from job_trigger_worker.console.shared.proxies import is_loopback

SESSION = "awp-session"
FORM = "awp-form"
LANGUAGE = "awp-language"
THEME = "awp-theme"
ZONE = "awp-zone"
_YEAR_S = 365 * 24 * 3600


def is_private(request: Request) -> bool:
    """True when nobody between the browser and us can read along."""
    return _is_secure(request) or is_loopback(request.client.host if request.client else None)


def secret(request: Request, name: str) -> str | None:
    """The value of a cookie that `set_secret` set."""
    return request.cookies.get(_named(request, name))


def set_secret(request: Request, response: Response, name: str, value: str) -> None:
    """Keep a secret in the browser until it is closed; no script reads it."""
    response.set_cookie(
        _named(request, name),
        value,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def forget_secret(request: Request, response: Response, name: str) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        _named(request, name),
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def set_choice(request: Request, response: Response, name: str, value: str) -> None:
    """Keep a choice of language, theme or zone for a year."""
    response.set_cookie(
        name,
        value,
        max_age=_YEAR_S,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _named(request: Request, name: str) -> str:
    return f"__Host-{name}" if _is_secure(request) else name
