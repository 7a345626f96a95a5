"""Choices of how to read: language, theme, time zone. They are kept in the browser."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from zoneinfo import available_timezones

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from job_trigger_worker.console.shared import cookies
from job_trigger_worker.console.shared.permissions import PUBLIC, only
from job_trigger_worker.console.shared.rendering import THEMES
from job_trigger_worker.console.shared.texts import NAMES
from job_trigger_worker.domain.principals import Role

router = APIRouter(include_in_schema=False)

_LONGEST = 2_000


@router.get("/preferences", tags=[PUBLIC])
def choose(
    request: Request,
    back: Annotated[str, Query(max_length=_LONGEST)] = "/",
    language: Annotated[str | None, Query(max_length=10)] = None,
    theme: Annotated[str | None, Query(max_length=10)] = None,
    zone: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Keep a choice and go back. A link, as it harms nobody and works without a script."""
    response = RedirectResponse(local(back), HTTPStatus.SEE_OTHER)
    if language in NAMES:
        cookies.set_choice(request, response, cookies.LANGUAGE, str(language))
    if theme in THEMES:
        cookies.set_choice(request, response, cookies.THEME, str(theme))
    if zone in available_timezones():
        cookies.set_choice(request, response, cookies.ZONE, str(zone))
    return response


@router.get("/time-zone", dependencies=only(Role.VIEWER))
def zones(request: Request, back: Annotated[str, Query(max_length=_LONGEST)] = "/") -> Response:
    """Show the time zones to choose from."""
    names = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
    names = [name for name in names if not name.startswith(("Etc/", "SystemV/", "US/", "posix/"))]
    values = {"zones": names, "back": local(back)}
    return request.app.state.console.pages.render(request, "zones.html", values)  # type: ignore[no-any-return]


def local(address: str) -> str:
    """An address of ours to go to; `/` for one that leads elsewhere."""
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_ours and address.isprintable() and "\\" not in address else "/"
