"""Dead letters: what could not be read or stored, whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgpack
from sqlalchemy import Connection, text

from worker.domain.record import DeadLetter
from worker.storage.arrays import bigints, bytestrings, texts, timestamps, uuids

_INSERT = text(
    """
    insert into awp_dead_letter (
        ledger_id, origin_offset, reason, job_id, execution_id, key, headers, value, message_at)
    select * from unnest(
        cast(:ledger_id as int[]), cast(:origin_offset as bigint[]), cast(:reason as text[]),
        cast(:job_id as bigint[]), cast(:execution_id as uuid[]), cast(:key as bytea[]),
        cast(:headers as bytea[]), cast(:value as bytea[]), cast(:message_at as timestamptz[]))
    on conflict (ledger_id, origin_offset) do nothing
    """
)


def insert(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep letters with their original bytes; a redelivery adds nothing."""
    deliveries = [letter.delivery for letter in letters]
    connection.execute(
        _INSERT,
        {
            "ledger_id": bigints(letter.ledger_id for letter in letters),
            "origin_offset": bigints(d.offset for d in deliveries),
            "reason": texts(letter.reason for letter in letters),
            "job_id": bigints(letter.job_id for letter in letters),
            "execution_id": uuids(letter.execution_id for letter in letters),
            "key": bytestrings(d.key for d in deliveries),
            "headers": bytestrings(
                msgpack.packb([list(header) for header in d.headers], use_bin_type=True)
                for d in deliveries
            ),
            "value": bytestrings(d.value for d in deliveries),
            "message_at": timestamps(_moment(d.appended_ms) for d in deliveries),
        },
    )


def _moment(appended_ms: int) -> datetime | None:
    """A message's timestamp, None where it has none or one that no calendar holds."""
    try:
        return datetime.fromtimestamp(appended_ms / 1000, UTC) if appended_ms > 0 else None
    except (OverflowError, OSError, ValueError):
        return None
