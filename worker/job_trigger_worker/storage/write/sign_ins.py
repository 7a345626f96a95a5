"""Who is signed in: sessions that every instance of the console shares, and one-time links.

A token is kept as its hash: who reads the table cannot sign in with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, text

_BEGIN = text(
    """
    insert into awp_console_session
        (token_hash, login, name, role, source, stamp, created_at, seen_at, ends_at)
    values (:token_hash, :login, :name, :role, :source, :stamp, :now, :now, :ends_at)
    """
)
_FIND = text(
    """
    select login, name, role, source, stamp, seen_at from awp_console_session
    where token_hash = :token_hash and ends_at > :now and seen_at > :idle_since
    """
)
_TOUCH = text(
    """
    update awp_console_session set seen_at = greatest(seen_at, :now)
    where token_hash = :token_hash
    """
)
_END = text("delete from awp_console_session where token_hash = :token_hash")
_SWEEP = text("delete from awp_console_session where ends_at <= :now or seen_at <= :idle_since")
_OFFER = text(
    """
    insert into awp_console_link (token_hash, login, name, role, ends_at)
    values (:token_hash, :login, :name, :role, :ends_at)
    """
)
_TAKE = text(
    """
    delete from awp_console_link where token_hash = :token_hash
    returning login, name, role, ends_at > :now as is_good
    """
)
_IS_OPEN = text(
    "select exists (select from awp_console_link where token_hash = :token_hash and ends_at > :now)"
)
_IS_THERE = text("select to_regclass('awp_console_session') is not null")
_SWEEP_LINKS = text("delete from awp_console_link where ends_at <= :now")


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser. `source` is how: `file` or `link`.

    `stamp` belongs to the password that it was begun with: a new password ends it.
    """

    login: str
    name: str
    role: str
    source: str
    stamp: str
    seen_at: datetime | None = None


def is_migrated(connection: Connection) -> bool:
    """True when the console's tables are there."""
    return bool(connection.execute(_IS_THERE).scalar_one())


def begin(
    connection: Connection, token: str, session: Session, *, now: datetime, ends_at: datetime
) -> None:
    """Note a session that has just begun."""
    connection.execute(
        _BEGIN,
        {
            "token_hash": _hash(token),
            "login": session.login,
            "name": session.name,
            "role": session.role,
            "source": session.source,
            "stamp": session.stamp,
            "now": now,
            "ends_at": ends_at,
        },
    )


def find(connection: Connection, token: str, *, now: datetime, idle: timedelta) -> Session | None:
    """The session of a token; None when there is none, or it has ended."""
    row = connection.execute(
        _FIND, {"token_hash": _hash(token), "now": now, "idle_since": now - idle}
    ).one_or_none()
    return None if row is None else Session(*row)


def touch(connection: Connection, token: str, *, now: datetime) -> None:
    """Note that a session was used."""
    connection.execute(_TOUCH, {"token_hash": _hash(token), "now": now})


def end(connection: Connection, token: str) -> None:
    """End a session; one that is not there is ended already."""
    connection.execute(_END, {"token_hash": _hash(token)})


def sweep(connection: Connection, *, now: datetime, idle: timedelta) -> None:
    """Forget sessions and links that have ended."""
    connection.execute(_SWEEP, {"now": now, "idle_since": now - idle})
    connection.execute(_SWEEP_LINKS, {"now": now})


def offer_link(
    connection: Connection, token: str, *, login: str, name: str, role: str, ends_at: datetime
) -> None:
    """Make a link that signs in its first user as `login`, until `ends_at`."""
    connection.execute(
        _OFFER,
        {
            "token_hash": _hash(token),
            "login": login,
            "name": name,
            "role": role,
            "ends_at": ends_at,
        },
    )


def take_link(connection: Connection, token: str, *, now: datetime) -> Session | None:
    """Use a link up: of two at once, one gets it. None when it was used, or is too old."""
    row = connection.execute(_TAKE, {"token_hash": _hash(token), "now": now}).one_or_none()
    if row is None or not row.is_good:
        return None
    return Session(row.login, row.name, row.role, "link", "")


def link_is_open(connection: Connection, token: str, *, now: datetime) -> bool:
    """True while a link can be used; after that, another one should be offered."""
    return bool(connection.execute(_IS_OPEN, {"token_hash": _hash(token), "now": now}).scalar_one())


def _hash(token: str) -> bytes:
    # A token is 256 random bits: nothing slower is needed.
    return sha256(token.encode(errors="replace")).digest()
