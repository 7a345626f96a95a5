"""Reading dead letters, and choosing those to send again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgpack
from sqlalchemy import Connection, text

from job_trigger_worker.domain.delivery import Headers
from job_trigger_worker.domain.trigger import Uuid, replay_key
from job_trigger_worker.storage.db.arrays import bigints, uuids

_COLUMNS = """
    d.id, l.topic, l.topic_id, l."partition", d.origin_offset as "offset", d.last_offset, d.reason,
    d.job_id, d.execution_id, d.message_at, d.created_at, d.replayed_at,
    coalesce(d.size, length(d.value), 0) as size, encode(d.sha256, 'hex') as sha256
"""
_IS_WHOLE = "d.sha256 is null and d.last_offset is null"
_PLACE = """l.topic_id || '/' || l."partition" || '/' || d.origin_offset as place"""
_CHOSEN = f"""
    from awp_dead_letter d join awp_trigger_ledger l on l.id = d.ledger_id
    where (cast(:ids as bigint[]) is null or d.id = any(cast(:ids as bigint[])))
      and (cast(:reason as text) is null
           or position(lower(cast(:reason as text)) in lower(d.reason)) > 0)
      and (cast(:with_replayed as boolean) or d.replayed_at is null)
      and (cast(:with_cut as boolean) or {_IS_WHOLE})
"""
_LIST = text(
    f"""
    select {_COLUMNS} {_CHOSEN} and (cast(:older_than as bigint) is null or d.id < :older_than)
    order by d.id desc limit :limit
    """
)
_IDS = text(f"select d.id {_CHOSEN} order by d.id limit :limit")
_COUNT = text(
    f"""
    select count(*) filter (where d.replayed_at is null) as fresh,
        count(*) filter (where d.replayed_at is not null) as replayed,
        coalesce(max(d.id), 0) as last, array_agg(distinct l.topic) as topics
    {_CHOSEN}
    """
)
_GET = text(
    f"""
    select {_COLUMNS}, d.key, d.headers, d.value
    from awp_dead_letter d join awp_trigger_ledger l on l.id = d.ledger_id where d.id = :id
    """
)
_PAGE = text(
    f"""
    with page as (
        select d.id, l.topic, d.key, d.headers, d.value, cast(d.nonce as text) as nonce, {_PLACE}
            {_CHOSEN}
          and d.id > :after and d.id <= :last
        order by d.id limit :rows
    ), sized as (
        select page.*, sum(coalesce(length(value), 0)) over (order by id) as so_far,
            row_number() over (order by id) as number
        from page
    )
    select id, topic, key, headers, value, nonce, place from sized
    where so_far <= :bytes or number = 1 order by id
    """
)
_MARK = text(
    "update awp_dead_letter set replayed_at = now() where id = any(cast(:ids as bigint[]))"
)
_MAY_READ_NONCE = text("select has_column_privilege('awp_dead_letter', 'nonce', 'select')")
_NONCE = text("select cast(nonce as text) from awp_dead_letter where id = :id")
_RECORD = text(
    """
    select r.id, r.job_id, cast(r.execution_id as text) as execution_id, r.trigger_status,
        r.trigger_code, r.trigger_message, r.duplicate_count, r.decided_at
    from awp_job_execution r
    where r.idempotency_key = any(cast(:keys as uuid[]))
    """
)
_STANDING = text(
    """
    select cast(r.idempotency_key as text) as key, r.id, r.trigger_code
    from awp_job_execution r
    where r.idempotency_key = any(cast(:keys as uuid[]))
      and not exists (
          select from awp_dead_letter d
          where d.id = any(cast(:ids as bigint[])) and d.execution_id = r.execution_id)
    """
)
_PAGE_ROWS = 500
_PAGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which letters are wanted: all, or these `ids`, or those whose reason contains `reason`.

    Letters that were replayed already are meant only `with_replayed`, and those of which less than
    the whole message is kept only `with_cut`.
    """

    ids: tuple[int, ...] | None = None
    reason: str | None = None
    with_replayed: bool = False
    with_cut: bool = True

    def values(self) -> dict[str, Any]:
        """As bound parameters."""
        return {
            "ids": None if self.ids is None else bigints(self.ids),
            "reason": self.reason,
            "with_replayed": self.with_replayed,
            "with_cut": self.with_cut,
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """How many letters a choice means; `last` is the largest id of them, `topics` their origins."""

    fresh: int
    replayed: int
    last: int
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """A letter without its bytes; `size` is how many its value had as it came.

    With a `sha256` (of the whole value, hexadecimal) less of it is kept than came. With a
    `last_offset` it stands for a range that nobody could unpack, and nothing is kept.
    """

    id: int
    topic: str
    topic_id: str
    partition: int
    offset: int
    reason: str
    job_id: int | None
    execution_id: UUID | None
    message_at: datetime | None
    created_at: datetime
    replayed_at: datetime | None
    size: int
    sha256: str | None = None
    last_offset: int | None = None

    @property
    def is_whole(self) -> bool:
        """True when the message is kept as it came, so that it can be sent again."""
        return self.sha256 is None and self.last_offset is None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A letter's message as it came, and the topic that it came from."""

    id: int
    topic: str
    key: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)
    value: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sendable(StoredMessage):
    """The same, for whoever sends it again.

    `nonce` signs what repeats it: it is shown and logged nowhere. `place` is where it stood, as
    `domain.signatures` names it.
    """

    nonce: Uuid = field(repr=False)
    place: str


def summaries(
    connection: Connection, choice: DeadLetterFilter, *, limit: int, older_than: int | None = None
) -> list[DeadLetterSummary]:
    """The newest letters of a choice, newest first; what is older follows."""
    values = {**choice.values(), "limit": limit, "older_than": older_than}
    rows = connection.execute(_LIST, values)
    return [DeadLetterSummary(**row._mapping) for row in rows]  # noqa: SLF001  # a public name


def select(connection: Connection, choice: DeadLetterFilter) -> Selection:
    """Count a choice's letters."""
    row = connection.execute(_COUNT, choice.values()).one()
    return Selection(row.fresh, row.replayed, row.last, tuple(sorted(row.topics or ())))


def ids(connection: Connection, choice: DeadLetterFilter, *, limit: int) -> tuple[int, ...]:
    """The ids of a choice's oldest letters, in order."""
    return tuple(connection.execute(_IDS, {**choice.values(), "limit": limit}).scalars())


def get(connection: Connection, letter_id: int) -> tuple[DeadLetterSummary, StoredMessage] | None:
    """One letter with its bytes; None where there is none of that id."""
    row = connection.execute(_GET, {"id": letter_id}).mappings().one_or_none()
    if row is None:
        return None
    message = _message(row["key"], row["headers"], row["value"])
    kept = StoredMessage(row["id"], row["topic"], *message)
    return DeadLetterSummary(**{name: row[name] for name in DeadLetterSummary.__slots__}), kept


def page(
    connection: Connection, choice: DeadLetterFilter, *, after: int, last: int
) -> list[Sendable]:
    """The next letters of a choice in the order of their ids, behind `after` and up to `last`.

    At most about 8 MiB of values, but always one where there is one.
    """
    rows = connection.execute(
        _PAGE,
        {
            **choice.values(),
            "after": after,
            "last": last,
            "rows": _PAGE_ROWS,
            "bytes": _PAGE_BYTES,
        },
    )
    return [
        Sendable(
            row.id, row.topic, *_message(row.key, row.headers, row.value), row.nonce, row.place
        )
        for row in rows
    ]


def mark_replayed(connection: Connection, ids: Sequence[int]) -> None:
    """Note that letters were sent again, and acknowledged, just now."""
    connection.execute(_MARK, {"ids": bigints(ids)})


def key_of_replay(connection: Connection, letter_id: int) -> Uuid | None:
    """The key of a letter's replay; None where this login may not read what it is made of."""
    if not connection.execute(_MAY_READ_NONCE).scalar_one():
        return None
    return replay_key(connection.execute(_NONCE, {"id": letter_id}).scalar_one())


def records(
    connection: Connection, *, execution_id: UUID | None, key: Uuid | None
) -> list[dict[str, Any]]:
    """The record that a letter has itself, and the one that its replay (by its key) has made."""
    keys = [None if execution_id is None else str(execution_id), key]
    rows = connection.execute(_RECORD, {"keys": uuids(each for each in keys if each)})
    return [dict(row._mapping) for row in rows]  # noqa: SLF001


def standing(
    connection: Connection, keys: Sequence[Uuid], *, letter_ids: Sequence[int]
) -> dict[Uuid, tuple[int, str | None]]:
    """Records with these keys, but for those of the letters: the id, and the code of a failure."""
    rows = connection.execute(_STANDING, {"keys": uuids(keys), "ids": bigints(letter_ids)})
    return {row.key: (row.id, row.trigger_code) for row in rows}


def _message(
    key: memoryview | None, headers: memoryview, value: memoryview | None
) -> tuple[bytes | None, Headers, bytes | None]:
    return (
        None if key is None else bytes(key),
        [(name, content) for name, content in msgpack.unpackb(bytes(headers), raw=False)],
        None if value is None else bytes(value),
    )
