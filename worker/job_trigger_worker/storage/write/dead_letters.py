"""Dead letters: what could not be read or stored, whole or bounded (`DeadLetter.bounded`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgpack
from sqlalchemy import Connection, text

from job_trigger_worker.domain.record import DeadLetter
from job_trigger_worker.storage.db.arrays import bigints, bytestrings, texts, timestamps, uuids
from job_trigger_worker.storage.write.replay_notes import nonce_of

_INSERT = text(
    f"""
    insert into awp_dead_letter (
        ledger_id, origin_offset, last_offset, reason, job_id, execution_id, key, headers, value,
        size, sha256, message_at, nonce)
    select k.*, {nonce_of("l.topic_id || '/' || l.partition || '/' || k.origin_offset")}
    from unnest(
        cast(:ledger_id as int[]), cast(:origin_offset as bigint[]),
        cast(:last_offset as bigint[]), cast(:reason as text[]),
        cast(:job_id as bigint[]), cast(:execution_id as uuid[]), cast(:key as bytea[]),
        cast(:headers as bytea[]), cast(:value as bytea[]), cast(:size as int[]),
        cast(:sha256 as bytea[]), cast(:message_at as timestamptz[]))
        as k (ledger_id, origin_offset, last_offset, reason, job_id, execution_id, key, headers,
            value, size, sha256, message_at)
    join awp_trigger_ledger l on l.id = k.ledger_id cross join awp_trigger_database
    on conflict (ledger_id, origin_offset) do nothing
    """
)
_RANGES = text(
    """
    select ledger_id, origin_offset, last_offset from awp_dead_letter
    where last_offset is not null and ledger_id = any(cast(:ledger_ids as int[]))
    order by ledger_id, origin_offset
    """
)


def insert(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep letters as they are given; a redelivery adds nothing."""
    deliveries = [letter.delivery for letter in letters]
    connection.execute(
        _INSERT,
        {
            "ledger_id": bigints(letter.ledger_id for letter in letters),
            "origin_offset": bigints(d.offset for d in deliveries),
            "last_offset": bigints(letter.last_offset for letter in letters),
            "reason": texts(letter.reason for letter in letters),
            "job_id": bigints(letter.job_id for letter in letters),
            "execution_id": uuids(letter.execution_id for letter in letters),
            "key": bytestrings(d.key for d in deliveries),
            "headers": bytestrings(
                msgpack.packb([list(header) for header in d.headers], use_bin_type=True)
                for d in deliveries
            ),
            "value": bytestrings(d.value for d in deliveries),
            "size": bigints(letter.size for letter in letters),
            "sha256": bytestrings(letter.sha256 for letter in letters),
            "message_at": timestamps(_moment(d.appended_ms) for d in deliveries),
        },
    )


def unreadable_ranges(
    connection: Connection, ledger_ids: Sequence[int]
) -> dict[int, list[tuple[int, int]]]:
    """Offsets, first and last, that no client could unpack, by ledger id and in their order.

    A dead letter stands for each range. Whoever reads the topic has to leave them out.
    """
    found: dict[int, list[tuple[int, int]]] = {}
    for row in connection.execute(_RANGES, {"ledger_ids": bigints(ledger_ids)}):
        found.setdefault(row.ledger_id, []).append((row.origin_offset, row.last_offset))
    return found


def _moment(appended_ms: int) -> datetime | None:
    """A message's timestamp, None where it has none or one that no calendar holds."""
    try:
        return datetime.fromtimestamp(appended_ms / 1000, UTC) if appended_ms > 0 else None
    except (OverflowError, OSError, ValueError):
        return None
