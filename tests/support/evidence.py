"""What a run left behind, gathered by statements and by a reading of topics of our own.

Shares no code with the worker or with `trigger-worker audit`, but for the topics' names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from job_trigger_worker.domain.topics import Topics
from tests.support import sql
from tests.support.load import Sent, Slot
from tests.support.topics import Received

PASSED, FAILED = 1, 2

_AT = """to_char({0} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
"""A time as the list of triggers writes it: made by the server, because there are very many."""
_RECORDS = f"""
    select id, job_id, {_AT.format("scheduled_at")}, cast(execution_id as text), trigger_status,
        nullif(trigger_code, ''), trigger_message, job_type, {_AT.format("decided_at")}
    from awp_job_execution where idempotency_key is not null
"""
_RECORDED = f"""
    select job_id, {_AT.format("scheduled_at")} from awp_job_execution
    where idempotency_key is not null
"""
_JOBS = """
    select id, trigger_status, last_execution_id, trigger_message from awp_automcation_job
"""
_COUNT = """
    select coalesce(sum(deliveries), 0), coalesce(sum(records), 0), coalesce(sum(duplicates), 0),
        coalesce(sum(redeliveries), 0), coalesce(sum(dead_letters), 0), coalesce(sum(events), 0),
        coalesce(sum(published), 0), (select count(*) from awp_trigger_outbox),
        (select coalesce(sum(duplicate_count), 0) from awp_job_execution)
    from awp_trigger_ledger where topic = '{topic}'
"""

Verdict = str | None
"""The code of the failure that a job's triggers come to; None for one that passes."""


@dataclass(frozen=True, slots=True)
class Record:
    """A row of `awp_job_execution`. `scheduled_at` as the list of triggers writes it.

    `decided_at` is written alike; without one it was decided at its slot or later.
    """

    id: int
    job_id: int
    scheduled_at: str
    execution_id: str
    status: int
    code: Verdict
    message: str | None = None
    job_type: str | None = None
    decided_at: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A dispatch (`PASSED`) or a failure (`FAILED`) as it stands on an outgoing topic.

    `code` is a failure's; `job_type` is what the topic is for, None where it is for all.
    """

    topic: str
    partition: int
    offset: int
    status: int
    execution_id: str
    event_id: str
    job_id: int
    scheduled_at: str
    code: Verdict = None
    job_type: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What the job list says of a job (R3)."""

    id: int
    status: int | None
    last_record_id: int | None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """What the ledger counted in all, what the outbox holds, and the repeats that records count."""

    deliveries: int
    records: int
    duplicates: int
    redeliveries: int
    dead_letters: int
    events: int
    published: int
    waiting: int
    on_records: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a run is judged by.

    `sent` are the triggers that the broker has acknowledged; `unknown` the slots of those that may
    be there or not, because no answer came that says where. `log` has the slot of every message on
    the topic of triggers as it is now: what an idempotent producer has sent again around a crash of
    its broker may stand there twice and be acknowledged once. `verdicts` say of each job what its
    triggers come to. `count` is taken when everything has come to rest. `apart` are jobs whose
    events the brokers refuse and get again, shortened, behind the rest of their batch: they keep
    the order of the job alone. `committed` are the group's offsets by partition, of the topic as it
    is now (`generation`). `unreadable` is how many batches stand there that nobody can unpack.
    """

    sent: Sequence[Sent]
    unknown: frozenset[Slot]
    verdicts: Mapping[int, Verdict]
    records: Sequence[Record]
    outcomes: Sequence[Outcome]
    jobs: Sequence[Job]
    count: Count | None = None
    apart: frozenset[int] = frozenset()
    may_expire: frozenset[Slot] = frozenset()
    committed: Mapping[int, int] = field(default_factory=dict)
    generation: int = 0
    log: Sequence[Slot] | None = None
    unreadable: int = 0


def records(database: str) -> list[Record]:
    """Every record of a trigger."""
    return [Record(*row) for row in sql.rows(database, _RECORDS)]


def recorded(database: str) -> set[Slot]:
    """The slots of every record of a trigger."""
    return set(sql.rows(database, _RECORDED))


def jobs(database: str) -> list[Job]:
    """Every job's columns of R3."""
    return [Job(*row) for row in sql.rows(database, _JOBS)]


def count(database: str, topic: str) -> Count:
    """The count of a topic of triggers, in all of its lives."""
    (row,) = sql.rows(database, _COUNT.format(topic=topic))
    return Count(*map(int, row))


def log(topic: str, read: Callable[[str], Sequence[Received]]) -> list[Slot]:
    """The slot of every message on a topic of triggers, as `read` reads it."""
    bodies = [orjson.loads(each.value or b"") for each in read(topic)]
    return [(int(body["job_id"]), body["scheduled_at"]) for body in bodies]


def outcomes(topics: Topics, read: Callable[[str], Sequence[Received]]) -> list[Outcome]:
    """Every event on the outgoing topics, in the order of each partition, as `read` reads one."""
    found = []
    for topic, status, job_type in (
        (topics.dispatch_action, PASSED, "action"),
        (topics.dispatch_orch, PASSED, "workflow"),
        (topics.failures, FAILED, None),
    ):
        for each in read(topic):
            body = orjson.loads(each.value or b"")
            found.append(
                Outcome(
                    topic=topic,
                    partition=each.partition,
                    offset=each.offset,
                    status=status,
                    execution_id=body["execution_id"],
                    event_id=body["event_id"],
                    job_id=int(body["job_id"]),
                    scheduled_at=_written(datetime.fromisoformat(body["scheduled_at"])),
                    code=body.get("code"),
                    job_type=job_type,
                )
            )
    return found


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
