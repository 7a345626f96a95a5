"""What the stand-in for common-job has on its list: the demo jobs, and two that only it knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import islice

import orjson

from job_trigger_schemas import JobTrigger
from job_trigger_worker.demo import jobs as demo_jobs

DELETED_JOB = 404
"""Deleted on the platform and still on common-job's list (`job_not_found`)."""

_ZONELESS_JOB = 150
_LATENESS = timedelta(hours=2)
_SPACING = timedelta(milliseconds=1)


class Flaw(Enum):
    """What is wrong with how an entry is fired."""

    NONE = "none"
    LATE = "late"
    NO_ZONE = "no zone"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of common-job's list. `schedule` is cron."""

    job_id: int
    schedule: str
    flaw: Flaw = Flaw.NONE


@dataclass(frozen=True, slots=True)
class Firing:
    """One trigger to send: one that a producer's model takes, or bytes as an old program sends."""

    job_id: int
    trigger: JobTrigger | None
    raw: bytes | None = None


def entries() -> list[Entry]:
    """202 entries: the 200 jobs, a deleted one, and one job again whose times have no zone."""
    listed = [
        Entry(job_id, job.schedule, _flaw(job.name)) for job_id, job in demo_jobs.jobs().items()
    ]
    listed.append(Entry(DELETED_JOB, "23 * * * *"))
    listed.append(Entry(_ZONELESS_JOB, "41 * * * *", Flaw.NO_ZONE))
    return listed


def fire(entry: Entry, slot: datetime) -> Firing:
    """The trigger of an entry for a slot (aware UTC)."""
    if entry.flaw is Flaw.NO_ZONE:
        moment = slot.astimezone(UTC).replace(tzinfo=None).isoformat()
        raw = orjson.dumps({"job_id": str(entry.job_id), "scheduled_at": moment})
        return Firing(entry.job_id, None, raw)
    due = slot - _LATENESS if entry.flaw is Flaw.LATE else slot
    trigger = JobTrigger.model_validate(
        {
            "job_id": entry.job_id,
            "kind": "schedule",
            "scheduled_at": due,
            "fired_at": slot,
            "triggered_by": "common-job",
        }
    )
    return Firing(entry.job_id, trigger)


def exactly(count: int, start: datetime) -> Iterator[Firing]:
    """`count` triggers, each of another job or slot, the whole list in turn.

    Slots lie a millisecond apart from `start` on, so that no other run has sent them.
    """
    return islice(_forever(start), count)


def _forever(start: datetime) -> Iterator[Firing]:
    listed = entries()
    slot = start
    while True:
        for entry in listed:
            yield fire(entry, slot)
        slot += _SPACING


def _flaw(name: str) -> Flaw:
    return Flaw.LATE if name == demo_jobs.LATE_JOB_NAME else Flaw.NONE
