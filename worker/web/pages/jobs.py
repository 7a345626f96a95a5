"""The home page: jobs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from worker.domain.access import Role
from worker.web.access import only

router = APIRouter(include_in_schema=False)


@router.get("/", dependencies=only(Role.VIEWER))
def home() -> Response:
    """Go to the jobs."""
    return RedirectResponse("/jobs", HTTPStatus.SEE_OTHER)


@router.get("/jobs", dependencies=only(Role.VIEWER))
def jobs(request: Request, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """List the jobs."""
    return request.app.state.console.pages.render(request, "jobs.html", {"search": q})  # type: ignore[no-any-return]
