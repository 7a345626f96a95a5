"""Which role a route needs. A route without an answer does not start (`routes`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount, compile_path

from worker.domain.access import Principal, Role
from worker.web import forms, problems
from worker.web.auth.identify import SignedIn

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


def methods_at(app: FastAPI, path: str) -> list[str]:
    """Every method of an address, whichever routes they are of; the first that fits it names it."""
    named: str | None = None
    found: set[str] = set()
    for context in iter_route_contexts(app.routes):
        if named is None and context.path and compile_path(context.path)[0].match(path):
            named = context.path
        if named is not None and context.path == named:
            found |= set(context.methods or ())
    return sorted(found)


def _calls(dependant: Dependant | None) -> Iterator[Any]:
    for each in dependant.dependencies if dependant else ():
        yield each.call
        yield from _calls(each)


def _role_of(call: Any) -> Role | None:
    role = getattr(call, "role", None)
    return role if isinstance(role, Role) else None
