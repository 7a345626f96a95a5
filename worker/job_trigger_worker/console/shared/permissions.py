"""Which role a route needs. A route without an answer does not start (`routes`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount, compile_path

from job_trigger_worker.console.shared import forms, problems
from job_trigger_worker.console.shared.auth.identify import SignedIn
from job_trigger_worker.domain.principals import Principal, Role

_NAME = re.compile(r"{[^}]*}")

PUBLIC = "public"
"""A route's tag: whoever asks gets an answer."""


def needs(role: Role) -> Callable[..., Principal]:
    """A dependency that lets this role, and those that include it, in; the answer is who it is.

    Checks also that an unsafe request comes from a page of ours (services aside).
    """

    def check(request: Request, sent: Annotated[str, Depends(forms.sent_token)]) -> Principal:
        signed_in: SignedIn | None = request.app.state.console.identify(request)
        if signed_in is None:
            raise problems.sign_in_needed()
        request.state.signed_in = signed_in
        if signed_in.form_token is not None:
            forms.check(request, sent, signed_in.form_token)
        if not signed_in.principal.role.includes(role):
            raise problems.no_permission(role)
        return signed_in.principal

    check.__dict__["role"] = role
    return check


def only(role: Role) -> list[Any]:
    """The `dependencies` of a route that does not ask who it is."""
    return [Depends(needs(role))]


Viewing = Annotated[Principal, Depends(needs(Role.VIEWER))]
Operating = Annotated[Principal, Depends(needs(Role.OPERATOR))]
Administering = Annotated[Principal, Depends(needs(Role.ADMIN))]
Serving = Annotated[Principal, Depends(needs(Role.SERVICE))]


@dataclass(frozen=True, slots=True)
class Route:
    """One address; `role` is None for a public one."""

    path: str
    methods: frozenset[str]
    role: Role | None


def routes(app: FastAPI) -> list[Route]:
    """Every route, those of included routers too; what is mounted (static files) aside.

    Raises LookupError for one that says neither which role it needs nor that it is public.
    """
    found = []
    for context in iter_route_contexts(app.routes):
        if isinstance(context.route, Mount):
            continue
        dependant = getattr(context, "dependant", None)
        roles = [role for call in _calls(dependant) if (role := _role_of(call))]
        if not roles and PUBLIC not in getattr(context, "tags", ()):
            raise LookupError(
                f"{context.path} says neither which role it needs nor that it is public"
            )
        methods = frozenset(context.methods or ())
        found.append(Route(context.path or "", methods, roles[0] if roles else None))
    return found


def methods_of(app: FastAPI, path: str) -> list[str]:
    """The methods that an address takes: those of all routes that are written like its first."""
    found = routes(app)
    for first in found:
        if compile_path(first.path)[0].match(path):
            alike = [each for each in found if _shape(each.path) == _shape(first.path)]
            return sorted({method for each in alike for method in each.methods})
    return []


def _shape(path: str) -> str:
    return _NAME.sub("{}", path)


def _calls(dependant: Dependant | None) -> Iterator[Any]:
    for each in dependant.dependencies if dependant else ():
        yield each.call
        yield from _calls(each)


def _role_of(call: Any) -> Role | None:
    role = getattr(call, "role", None)
    return role if isinstance(role, Role) else None
