"""Rows that say where a message came from: nonces of dead letters, and the console's notes."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, text

from worker.domain.signatures import Note
from worker.domain.trigger import Uuid
from worker.storage.arrays import bigints

NOTE_KEPT_DAYS = 30
"""How long a note is kept: longer than brokers keep triggers, as a rule. Whoever is behind a
trigger that waits longer than that is told as claimed."""

_NONCES = text(
    "select id, cast(nonce as text) as nonce from awp_dead_letter "
    "where id = any(cast(:ids as bigint[]))"
)
_SECRET = text("select cast(run_secret as text) from awp_trigger_database")
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


def run_secret(connection: Connection) -> Uuid:
    """What makes the ids of runs unpredictable; the same for as long as the database lives."""
    return str(connection.execute(_SECRET).scalar_one())


def nonces(connection: Connection, letter_ids: Collection[int]) -> dict[int, Uuid]:
    """The nonces of dead letters, by their ids."""
    rows = connection.execute(_NONCES, {"ids": bigints(sorted(letter_ids))})
    return {row.id: row.nonce for row in rows}


def notes(connection: Connection, ids: Collection[int]) -> dict[int, Note]:
    """Notes by their ids."""
    rows = connection.execute(_NOTES, {"ids": bigints(sorted(ids))})
    return {row.id: Note(*row) for row in rows}


def write_note(connection: Connection, login: str, triggers: int) -> Note:
    """Note that `login` has so many triggers sent; to be committed before they are."""
    values = {"login": login, "triggers": triggers, "days": NOTE_KEPT_DAYS}
    return Note(*connection.execute(_WRITE, values).one())
