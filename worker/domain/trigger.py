"""A trigger: one firing of one job, and the key by which its repeats are recognised."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import orjson
from uuid_utils import UUID, uuid5

NAMESPACE = "6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"
"""Namespace of every derived id. Changing it makes every old trigger a new one: never change it."""

Uuid = str
"""A UUID as it is stored, sent and compared: 36 lower-case characters."""

MAX_ID = 2**63 - 1
"""Largest id, a PostgreSQL bigint; the smallest is 1."""


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


_NAMESPACE = UUID(NAMESPACE)


def _derived(name: str) -> Uuid:
    return str(uuid5(_NAMESPACE, name))


@lru_cache(maxsize=1024)  # many jobs share a slot
def slot_name(moment: datetime) -> str:
    """A slot as it enters a key: UTC, microseconds, always 27 characters."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    text = orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()
    return text if moment.microsecond else f"{text[:-1]}.000000Z"


def schedule_key(job_id: int, scheduled_at: datetime) -> Uuid:
    """Key of a scheduled trigger: job and slot, whatever `trigger_id` the producer chose."""
    return _derived(f"schedule:{job_id}:{slot_name(scheduled_at)}")


def trigger_key(kind: TriggerKind, job_id: int, trigger_id: Uuid) -> Uuid:
    """Key of a manual, replay or canary trigger: job and `trigger_id`."""
    return _derived(f"{kind}:{job_id}:{trigger_id}")


def run_id(login: str, job_id: int, key: str) -> Uuid:
    """`trigger_id` of a run that a person asks for under a key, the same one each time."""
    return _derived(f"run:{job_id}:{len(login)}:{login}:{key}")


def poison_key(topic_id: str, partition: int, offset: int) -> Uuid:
    """Key of a trigger that cannot be read: the place where it stands."""
    return _derived(f"poison:{topic_id}:{partition}:{offset}")


def replay_key(dead_letter_id: int) -> Uuid:
    """Key of a replayed dead letter, so that a second replay is a duplicate."""
    return _derived(f"dead-letter:{dead_letter_id}")


def event_id(execution_id: Uuid) -> Uuid:
    """Id of the outcome event of a record; stable, so that a repeat is recognised (promise 2)."""
    return _derived(f"outcome:{execution_id}")
