"""A trigger: one firing of one job, and the key by which its repeats are recognised.

The key is the `execution_id` of the trigger's record too (`Trigger.idempotency_key`): a database
that has forgotten its last commits decides a trigger again under the ids that it had before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import orjson
from uuid_utils import UUID, uuid5

NAMESPACE = "6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"
"""Namespace of every derived id. Changing it makes every old trigger a new one: never change it."""

Uuid = str
"""A UUID as it is stored, sent and compared: 36 lower-case characters."""

MAX_ID = 2**63 - 1
"""Largest id, a PostgreSQL bigint; the smallest is 1."""


UNSIGNED_REPLAY = (
    "kind 'replay' is for dead letters that the console or `trigger-worker dlq replay` sends again,"
    " and nothing in this message proves that one of them has sent it"
)
"""The problem of a trigger that calls itself a replay."""


class TriggerKind(StrEnum):
    """Why a job fires."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    REPLAY = "replay"
    CANARY = "canary"


class Origin(NamedTuple):
    """Where a message was read: its ledger row (topic, topic id, partition) and its offset."""

    ledger_id: int
    offset: int


class Trigger(NamedTuple):
    """One firing of one job, as decided upon. Times are timezone-aware UTC.

    `problem` is None for a trigger that could be read. Otherwise only `job_id`, `origin` and the
    idempotency key are sure, `problem` says why, and the trigger ends as an `event_invalid` record.
    `triggered_by_verified` is True where the console noted that person or service before it sent
    the trigger, False where the message only claims it, and None where nobody is named.
    `believed_until` is set when its time lies beyond that moment: it ends as `too_early`.
    """

    job_id: int
    trigger_id: Uuid
    idempotency_key: Uuid
    kind: TriggerKind
    scheduled_at: datetime
    fired_at: datetime
    triggered_by: str | None
    origin: Origin
    trace_id: str | None = None
    problem: str | None = None
    triggered_by_verified: bool | None = None
    believed_until: datetime | None = None


class EventKind(StrEnum):
    """What the outcome event of a record tells."""

    DISPATCH = "dispatch"
    FAILURE = "failure"


_NAMESPACE = UUID(NAMESPACE)
_MOST_MS = 2**48 - 1
_NO_TIME = "00000000-0000-8"
_VERSION_7 = "7"
_AFTER_VERSION = 15
"""Where the hash of a version 8 begins in its text: behind the digit of the version."""


def _derived(name: str) -> Uuid:
    return str(uuid5(_NAMESPACE, name))


def _ordered(head: str, name: str) -> Uuid:
    """A UUID of version 8: the time in `head`, then the last 74 bits of the name's hash.

    Rows of the same hour so stand side by side in the index, whatever the size of the table.
    """
    return head + str(uuid5(_NAMESPACE, name))[_AFTER_VERSION:]


def _head(milliseconds: int) -> str:
    """Milliseconds since 1970 as the first 48 bits of a UUID, and its version."""
    bounded = min(max(milliseconds, 0), _MOST_MS)
    return f"{bounded >> 16:08x}-{bounded & 0xFFFF:04x}-8"


@lru_cache(maxsize=1024)  # many jobs share a slot
def slot_name(moment: datetime) -> str:
    """A slot as it enters a key: UTC, microseconds, always 27 characters."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    text = orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()
    return text if moment.microsecond else f"{text[:-1]}.000000Z"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=1024)
def _slot_parts(moment: datetime) -> tuple[str, str]:
    """What the keys of a slot begin with, and its name."""
    return _head((moment - _EPOCH) // _MILLISECOND), slot_name(moment)


def schedule_key(job_id: int, scheduled_at: datetime) -> Uuid:
    """Key of a scheduled trigger: job and slot, whatever `trigger_id` the producer chose."""
    head, slot = _slot_parts(scheduled_at)
    return _ordered(head, f"schedule:{job_id}:{slot}")


def trigger_key(kind: TriggerKind, job_id: int, trigger_id: Uuid) -> Uuid:
    """Key of a manual, replay or canary trigger: job and `trigger_id`.

    Its time is the one inside a `trigger_id` of version 7; other versions have none.
    """
    has_time = trigger_id[_AFTER_VERSION - 1] == _VERSION_7
    head = f"{trigger_id[: _AFTER_VERSION - 1]}8" if has_time else _NO_TIME
    return _ordered(head, f"{kind}:{job_id}:{trigger_id}")


def early_key(key: Uuid) -> Uuid:
    """Key of a trigger that was too early, of the key that it has at its time.

    Another one: so the same trigger still runs when it comes at its time. Its time is that key's.
    """
    return _ordered(f"{key[: _AFTER_VERSION - 1]}8", f"too-early:{key}")


def run_id(login: str, job_id: int, key: str, secret: Uuid) -> Uuid:
    """`trigger_id` of a run that a person asks for under a key, the same one each time.

    `secret` is the database's: without it, whoever may write to the topic could tell the ids of
    runs to come, and take them beforehand.
    """
    return _derived(f"run:{secret}:{job_id}:{len(login)}:{login}:{key}")


def poison_key(key: bytes | None, value: bytes | None, appended_ms: int) -> Uuid:
    """Key of a trigger that cannot be used: its bytes and its own timestamp, not its place.

    So a topic that was mirrored or moved repeats it. `appended_ms` is in milliseconds since 1970.
    """
    digest = sha256()
    for part in (key, value):
        digest.update(b"-" if part is None else f"{len(part)}:".encode())
        digest.update(part or b"")
    return _ordered(_head(appended_ms), f"poison:{appended_ms}:{digest.hexdigest()}")


def replay_key(nonce: Uuid) -> Uuid:
    """Key of the replay of the dead letter with this nonce, so that a second one is a duplicate.

    Nobody who does not know the nonce can tell the key, or take it beforehand.
    """
    return _ordered(_NO_TIME, f"dead-letter:{nonce}")


def event_id(execution_id: Uuid, kind: EventKind) -> Uuid:
    """Id of an outcome event; stable, so that a repeat is recognised (promise 2)."""
    return str(uuid5(_NAMESPACE, kind + ":" + execution_id))  # half the time of an f-string
