"""From a request to who is asking."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request

from job_trigger_worker.console.shared import cookies, problems
from job_trigger_worker.console.shared.auth.sessions import Sessions, form_token
from job_trigger_worker.console.shared.auth.users import Users
from job_trigger_worker.domain.principals import Principal, Role, highest
from job_trigger_worker.errors import Unknown
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.read import members

_LONGEST_LOGIN = 200


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is asking, and the token that this browser's forms have to carry.

    `form_token` is None for a service: it sends no cookie, so nobody can send one in its name. It
    is empty behind a proxy for who has no cookie of ours yet: a page or `/api/v1/me` sets one.
    `can_sign_out` is False where a proxy signs people in.
    """

    principal: Principal
    form_token: str | None = field(repr=False)
    can_sign_out: bool = False


class Identify:
    """Looks, in this order, at a service's token, a proxy's header and the session cookie."""

    def __init__(
        self, pool: Pool, users: Users, sessions: Sessions, user_header: str | None
    ) -> None:
        self._pool = pool
        self._users = users
        self._sessions = sessions
        self._user_header = user_header

    def __call__(self, request: Request, *, is_use: bool = True) -> SignedIn | None:
        """Who is asking; None for nobody we know.

        Where nobody does anything just now `is_use` is False: that keeps no session alive.
        Raises a refusal for a token that is none, and for a proxy's user whom the platform does not
        know; `Transient` when the database is away.
        """
        authorization = request.headers.get("authorization", "")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._service(token.strip())
        if self._user_header and request.scope["state"].get("is_from_proxy"):
            named = request.headers.getlist(self._user_header)
            if len(named) == 1 and 0 < len(named[0]) <= _LONGEST_LOGIN:
                return self._from_proxy(request, named[0])
        session_token = cookies.secret(request, cookies.SESSION)
        found = self._sessions.find(session_token, is_use=is_use)
        if found is None or session_token is None:
            return None
        session, role = found
        principal = self._person(session.login, session.name, role)
        return SignedIn(principal, form_token(session_token), can_sign_out=True)

    def _service(self, token: str) -> SignedIn:
        found = self._users.service(token)
        if found is None:
            raise problems.unknown_token()
        login, user = found
        return SignedIn(Principal(login, user.name, Role.SERVICE), None)

    def _from_proxy(self, request: Request, login: str) -> SignedIn:
        principal = self._person(login, login, None)
        return SignedIn(principal, cookies.secret(request, cookies.FORM) or "")

    def _person(self, login: str, name: str, role: Role | None) -> Principal:
        """A person with their groups; without a role of ours, with the platform's."""
        try:
            member = members.find(self._pool, login)
        except Unknown:
            return Principal(login, name, role or Role.VIEWER, are_groups_known=False)
        if member is None:
            if role is None:
                raise problems.unknown_user(login)
            return Principal(login, name, role)
        return Principal(
            login, name, role or highest(list(member.roles)), member.user_id, member.group_ids
        )
