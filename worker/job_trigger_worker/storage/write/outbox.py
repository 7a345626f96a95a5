"""The outbox: what was decided and is not yet acknowledged by the broker.

One row a batch and partition: a format byte, then the batch's events in order, framed by msgpack
and compressed by zstd. A row costs the database as much as one event would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from threading import local
from typing import NamedTuple, Self

import msgpack
import zstandard
from sqlalchemy import Connection, text

from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.record import OutboxRow
from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.db import lock_holders
from job_trigger_worker.storage.db.arrays import bigints, bytestrings
from job_trigger_worker.storage.db.prepared_statements import prepared

_FORMAT = b"\x01"
_COMPRESSION_LEVEL = 1
_EVENTS_OF_PIECE = 64
_PIECE_BYTES = 128 * 1024
"""Events are packed in pieces: one block for all of them is new memory each time, which costs as
much as compressing it."""
_LARGEST_PAYLOAD = 256 * 1024 * 1024
_PACKED_SHARE = 4
"""A page is read packed up to this part of what it may have unpacked: most events repeat much."""

_INSERT = prepared(
    """
    insert into awp_trigger_outbox (ledger_id, events, payload)
    select * from unnest(
        cast(:ledger_id as int[]), cast(:events as int[]), cast(:payload as bytea[]))
    returning id, ledger_id
    """
)
_DELETE = prepared(
    """
    delete from awp_trigger_outbox where id = any(cast(:id as bigint[])) and xmax = '0'
    returning ledger_id, events
    """
)
# A row has an `xmax` while somebody has it locked, and when somebody had.
_DELETE_FREE = text(
    """
    with free as (
        select id from awp_trigger_outbox
        where id = any(cast(:id as bigint[])) order by id for update skip locked
    ), gone as (
        delete from awp_trigger_outbox o using free where o.id = free.id
    )
    select o.id, o.ledger_id, o.events, o.id in (select id from free) as is_free
    from awp_trigger_outbox o where o.id = any(cast(:id as bigint[]))
    """
)
_PAGE = text(
    """
    select id, ledger_id, events, payload from (
        select id, ledger_id, events, payload,
               sum(octet_length(payload)) over (order by id) - octet_length(payload) as before
        from (select * from awp_trigger_outbox
              where ledger_id = any(cast(:ledger_ids as int[]))
                and id <> all(cast(:but as bigint[])) order by id limit :rows) as oldest
    ) as first where before < :most_packed order by id
    """
)
_WAITING = text(
    """
    select ledger_id, count(*) as rows, min(created_at) as since from awp_trigger_outbox
    where ledger_id = any(cast(:ledger_ids as int[])) and id <> all(cast(:but as bigint[]))
    group by ledger_id
    """
)
_REPLACE = text("update awp_trigger_outbox set payload = :payload where id = :id")


class _OfThread(local):
    """A compressor may be used by one thread at a time; its tables are worth keeping."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL)


_of_thread = _OfThread()


class Packed(NamedTuple):
    """Events, and the payload that holds them."""

    events: tuple[Event, ...]
    payload: bytes

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """Events with their payload."""
        kept = tuple(events)
        return cls(kept, pack(kept))


def pack(events: Sequence[Event]) -> bytes:
    """Events as a payload. `unpack` gives the same events back, in the same order."""
    packer = msgpack.Packer(use_bin_type=True, autoreset=False, buf_size=_PIECE_BYTES)
    packer.pack_array_header(len(events))
    frames = []
    for first in range(0, len(events), _EVENTS_OF_PIECE):
        for event in events[first : first + _EVENTS_OF_PIECE]:
            packer.pack(event)
        frames.append(packer.bytes())
        packer.reset()
    frames = frames or [packer.bytes()]
    stream = _of_thread.compressor.compressobj(size=sum(map(len, frames)))
    return b"".join([_FORMAT, *map(stream.compress, frames), stream.flush()])


def unpack(payload: bytes) -> tuple[Event, ...]:
    """The events of a payload. Raises `FatalError` for a format that a later version wrote."""
    if payload[:1] != _FORMAT:
        raise FatalError(
            f"An outbox row has format {payload[:1].hex() or 'none'}; this version cannot read it.",
            remedy="Run the version that wrote it until the outbox is empty, then this one.",
        )
    frames = zstandard.ZstdDecompressor().decompress(payload[1:], max_output_size=_LARGEST_PAYLOAD)
    return tuple(
        Event(topic, key, [(name, content) for name, content in headers], value)
        for topic, key, headers, value in msgpack.unpackb(frames, raw=False)
    )


def insert(connection: Connection, batches: Sequence[tuple[int, int, Packed]]) -> list[OutboxRow]:
    """Put events into the outbox: one row for each (ledger id, outcomes, events)."""
    by_ledger = {ledger_id: (outcomes, packed.events) for ledger_id, outcomes, packed in batches}
    rows = _INSERT.rows(
        connection,
        {
            "ledger_id": bigints(ledger_id for ledger_id, _, _ in batches),
            "events": bigints(outcomes for _, outcomes, _ in batches),
            "payload": bytestrings(packed.payload for _, _, packed in batches),
        },
    )
    return [OutboxRow(row_id, ledger_id, *by_ledger[ledger_id]) for row_id, ledger_id in rows]


class Deleted(NamedTuple):
    """How many outcomes left with rows, by ledger id, for the ledger's `published`.

    `left` are the ids of rows that somebody has locked, with who that is: they stand as they were.
    """

    published: Counter[int]
    left: Mapping[int, str]


def delete(connection: Connection, rows: Sequence[OutboxRow]) -> Deleted:
    """Remove rows whose every event is acknowledged. Waits for nobody.

    A row that is gone already counts nothing.
    """
    published: Counter[int] = Counter()
    values = {"id": bigints(row.id for row in rows)}
    deleted = _DELETE.rows(connection, values)
    for ledger_id, outcomes in deleted:
        published[ledger_id] += outcomes
    if len(deleted) == len(rows):
        return Deleted(published, {})
    locked: set[tuple[int, int]] = set()
    for row in connection.execute(_DELETE_FREE, values):
        if row.is_free:
            published[row.ledger_id] += row.events
        else:
            locked.add((row.id, row.ledger_id))
    # One of another partition is not ours: the database went back, and gave the id away again.
    left = [row.id for row in rows if (row.id, row.ledger_id) in locked]
    holder = lock_holders.of_outbox_rows(connection, left) if left else None
    return Deleted(published, dict.fromkeys(left, str(holder or "not known")))


def page(
    connection: Connection,
    ledger_ids: Iterable[int],
    *,
    rows: int,
    most_bytes: int = _LARGEST_PAYLOAD,
    but: Iterable[int] = (),
) -> list[OutboxRow]:
    """The oldest rows of these partitions, in order: at least one, as long as there is any.

    No more than `rows`, and none behind those that have `most_bytes` of events; without the ids in
    `but`.
    """
    values = {
        "ledger_ids": bigints(ledger_ids),
        "but": bigints(but),
        "rows": rows,
        "most_packed": most_bytes // _PACKED_SHARE,
    }
    taken: list[OutboxRow] = []
    for row in connection.execute(_PAGE, values):
        events = unpack(bytes(row.payload))
        taken.append(OutboxRow(row.id, row.ledger_id, row.events, events))
        most_bytes -= sum(len(event.value or b"") for event in events)
        if most_bytes <= 0:
            break
    return taken


def replace(connection: Connection, row: OutboxRow) -> None:
    """Write a row's events again, for one that the broker refused and that was shortened."""
    connection.execute(_REPLACE, {"id": row.id, "payload": pack(row.events)})


def waiting(
    connection: Connection, ledger_ids: Iterable[int], *, but: Iterable[int] = ()
) -> dict[int, tuple[int, datetime]]:
    """How many rows wait, and since when the oldest, by ledger id; without those that have none.

    The ids in `but` do not count.
    """
    values = {"ledger_ids": bigints(ledger_ids), "but": bigints(but)}
    rows = connection.execute(_WAITING, values)
    return {row.ledger_id: (row.rows, row.since) for row in rows}
