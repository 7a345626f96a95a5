"""Rows that prove where a message came from: nonces of dead letters, and the console's notes."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, text

from job_trigger_worker.domain.signatures import Note
from job_trigger_worker.domain.trigger import Uuid
from job_trigger_worker.storage.db.arrays import bigints, texts

NOTE_KEPT_DAYS = 30
"""How long a note is kept: longer than brokers keep triggers, as a rule. Whoever is behind a
trigger that waits longer than that is told as claimed."""


def nonce_of(place: str) -> str:
    """SQL: the nonce of the dead letter of a place, with the table awp_trigger_database at hand.

    Made of the place and a secret, not drawn: a database that forgot the letter makes the same one.
    """
    named = f"convert_to(cast(secret as text) || ':' || {place}, 'UTF8')"
    return f"cast(encode(substr(sha256({named}), 1, 16), 'hex') as uuid)"


_NONCES = text(
    f"""
    select place, cast({nonce_of("place")} as text) as nonce
    from unnest(cast(:places as text[])) as place cross join awp_trigger_database
    """
)
_SECRET = text("select cast(secret as text) from awp_trigger_database")
_NOTES = text(
    """
    select id, login, cast(nonce as text) from awp_trigger_note
    where id = any(cast(:ids as bigint[]))
    """
)
# Each note sweeps two old ones, so there are never many more than were written in that time.
_WRITE = text(
    """
    with swept as (
        delete from awp_trigger_note where id in (
            select id from (select id, at from awp_trigger_note order by id limit 2) as oldest
            where at < now() - cast(:days as int) * interval '1 day')
    )
    insert into awp_trigger_note (login, triggers) values (:login, :triggers)
    returning id, login, cast(nonce as text)
    """
)


def secret(connection: Connection) -> Uuid:
    """What makes ids of runs and nonces of letters unpredictable; it never changes."""
    return str(connection.execute(_SECRET).scalar_one())


def nonces(connection: Connection, places: Collection[str]) -> dict[str, Uuid]:
    """The nonces of what became or may yet become a dead letter, by its place."""
    rows = connection.execute(_NONCES, {"places": texts(sorted(places))})
    return {row.place: row.nonce for row in rows}


def check_right(connection: Connection) -> None:
    """Raise what `nonces` and `notes` raise for a login that may not read what they are made of."""
    nonces(connection, ())
    notes(connection, ())


def notes(connection: Connection, ids: Collection[int]) -> dict[int, Note]:
    """Notes by their ids."""
    rows = connection.execute(_NOTES, {"ids": bigints(sorted(ids))})
    return {row.id: Note(*row) for row in rows}


def write_note(connection: Connection, login: str, triggers: int) -> Note:
    """Note that `login` has so many triggers sent; to be committed before they are."""
    values = {"login": login, "triggers": triggers, "days": NOTE_KEPT_DAYS}
    return Note(*connection.execute(_WRITE, values).one())
