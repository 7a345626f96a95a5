"""Sessions of people who signed in here: by the users file, or by a one-time link."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256

from job_trigger_worker.clock import Clock
from job_trigger_worker.config import Settings
from job_trigger_worker.console.shared.auth.users import User, Users
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.write import sign_ins
from job_trigger_worker.storage.write.sign_ins import Session

LINK_LASTS_S = 600
_TOUCH_AFTER = timedelta(minutes=1)


class Sessions:
    """Begins, finds and ends sessions. Every instance on the same database knows them all.

    One ends when it is signed out, unused for `console_idle_s`, `console_session_s` old, or when
    its user left the file or got another password there. The role is the file's as it is now.
    """

    def __init__(self, pool: Pool, users: Users, clock: Clock, settings: Settings) -> None:
        self._pool = pool
        self._users = users
        self._clock = clock
        self._idle = timedelta(seconds=settings.console_idle_s)
        self._lasts = timedelta(seconds=settings.console_session_s)

    def begin(self, session: Session, *, instead_of: str | None) -> str:
        """Begin a session; its token, always a new one. The browser's session before it ends."""
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        with self._pool.transaction() as connection:
            if instead_of:
                sign_ins.end(connection, instead_of)
            sign_ins.sweep(connection, now=now, idle=self._idle)
            sign_ins.begin(connection, token, session, now=now, ends_at=now + self._lasts)
        return token

    def of_user(self, login: str, user: User) -> Session:
        """What to begin for a user of the file."""
        return Session(login, user.name, user.role.value, "file", user.stamp)

    def take_link(self, token: str) -> Session | None:
        """Use a one-time link up: what to begin, or None when it was used or is too old."""
        with self._pool.transaction() as connection:
            return sign_ins.take_link(connection, token, now=self._clock.now())

    def find(self, token: str | None, *, is_use: bool = True) -> tuple[Session, Role] | None:
        """The session of a token and what its user may do now; None when there is none.

        Looking it up uses it, which puts off its end, unless `is_use` is False.
        """
        if not token:
            return None
        now = self._clock.now()
        with self._pool.snapshot() as connection:
            session = sign_ins.find(connection, token, now=now, idle=self._idle)
        if session is None:
            return None
        role = self._role(session)
        if role is None:
            return None
        if is_use and (session.seen_at is None or now - session.seen_at > _TOUCH_AFTER):
            with self._pool.transaction() as connection:
                sign_ins.touch(connection, token, now=now)
        return session, role

    def end(self, token: str | None) -> None:
        """Sign out."""
        if token:
            with self._pool.transaction() as connection:
                sign_ins.end(connection, token)

    def _role(self, session: Session) -> Role | None:
        if session.source == "link":
            return Role(session.role)
        user = self._users.person(session.login)
        return user.role if user and user.stamp == session.stamp else None


def offer_link(pool: Pool, clock: Clock, *, login: str, name: str, role: Role = Role.ADMIN) -> str:
    """Make a one-time link; its path, good once and for ten minutes.

    Whoever can write to the database can do this: `make run` does, for the person at its terminal.
    """
    token = secrets.token_urlsafe(32)
    with pool.transaction() as connection:
        sign_ins.offer_link(
            connection,
            token,
            login=login,
            name=name,
            role=role.value,
            ends_at=clock.now() + timedelta(seconds=LINK_LASTS_S),
        )
    return f"/start/{token}"


def link_is_open(pool: Pool, clock: Clock, path: str) -> bool:
    """True while nobody has used a link and it is not too old; then offer another one."""
    with pool.snapshot() as connection:
        return sign_ins.link_is_open(connection, path.removeprefix("/start/"), now=clock.now())


def form_token(session_token: str) -> str:
    """The token that every form of a session carries; it cannot be turned back."""
    return sha256(b"form:" + session_token.encode(errors="replace")).hexdigest()
