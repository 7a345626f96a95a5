"""Counting failures by the minute of the event, and the sums of the last 1, 15 and 60 minutes.

Pure: the table is a mapping that somebody else keeps. One bucket holds what one partition brought
of one code or cause in one minute, in slots of five seconds, so the windows are exact to five
seconds and an event changes few hundred bytes. A bucket remembers the offset that it last counted:
the messages that are read again after a crash are not counted again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal, TypedDict

from job_trigger_worker.streams.failures import Cause, CountedFailure

WINDOWS_MIN = (1, 15, 60)
"""Lengths of the windows, in minutes."""

MOST_CAUSES_SHOWN = 100

MOST_BUCKETS = 50_000
"""Buckets at the most; beyond, a failure adds to its code and to causes that are there."""

_ROOM_FOR_CODES = 10_000
"""Buckets more for codes alone: 16 codes and 61 minutes of ten partitions."""

MOST_JOBS = 200_000
"""Jobs named in all buckets together; beyond, `jobs` of a cause is a lower bound."""

_SLOT_S = 5
_SLOTS = 60 // _SLOT_S
_LONGEST_S = max(WINDOWS_MIN) * 60
_AHEAD_S = 60
"""How far a worker's clock may be ahead of ours."""

Kind = Literal["code", "cause"]
Key = tuple[int, int, Kind, str]
"""Partition, minute since 1970, and the code or the cause's key."""


class Bucket(TypedDict):
    """What one key has seen. `slots` are counts, `jobs` the last slot of each job's failures."""

    code: str
    message: str
    last_s: float
    slots: list[int]
    jobs: dict[str, int]
    offset: int


Table = MutableMapping[Key, Bucket]


class CountResult(Enum):
    """What became of a failure."""

    COUNTED = "counted"
    LATE = "late"
    AHEAD = "ahead"
    REPEATED = "repeated"
    CUT = "cut"
    """Counted by code, but the table is full and holds no more causes or jobs."""


@dataclass(slots=True)
class _Sum:
    code: str
    message: str
    last_s: float
    triggers: int = 0
    jobs: set[str] = field(default_factory=set)


class Counts:
    """Adds failures to a table and sums it up; keeps the table within its bounds."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._jobs = 0

    @property
    def jobs(self) -> int:
        """Jobs named in all buckets, as `MOST_JOBS` bounds them."""
        return self._jobs

    @property
    def is_full(self) -> bool:
        """True while causes or jobs are left out."""
        return len(self._table) >= MOST_BUCKETS or self._jobs >= MOST_JOBS

    def add(
        self, failure: CountedFailure, partition: int, offset: int, now_s: float
    ) -> tuple[CountResult, list[Key]]:
        """Count one failure; returns what became of it and the keys of the buckets it changed."""
        age_s = now_s - failure.failed_s
        if age_s >= _LONGEST_S:
            return CountResult.LATE, []
        if age_s < -_AHEAD_S:
            return CountResult.AHEAD, []
        minute, second = divmod(int(failure.failed_s), 60)
        slot = second // _SLOT_S
        roots: Iterable[tuple[Kind, Cause]] = (
            ("code", Cause(failure.code, failure.code, "")),
            *(("cause", cause) for cause in failure.causes),
        )
        touched: list[Key] = []
        is_cut = is_repeated = False
        for kind, cause in roots:
            key: Key = (partition, minute, kind, cause.key)
            bucket = self._table.get(key)
            if bucket is None:
                if len(self._table) >= MOST_BUCKETS + (kind == "code") * _ROOM_FOR_CODES:
                    is_cut = True
                    continue
                bucket = _empty(cause)
                self._table[key] = bucket
            elif bucket["offset"] >= offset:
                is_repeated = True
                continue
            if kind == "cause":
                is_cut |= not self._name_job(bucket, failure.job_id, slot)
            bucket["slots"][slot] += 1
            bucket["offset"] = offset
            if failure.failed_s >= bucket["last_s"]:
                bucket["last_s"] = failure.failed_s
                bucket["message"] = cause.message
            touched.append(key)
        if is_cut:
            return CountResult.CUT, touched
        return (
            CountResult.REPEATED if is_repeated and not touched else CountResult.COUNTED
        ), touched

    def _name_job(self, bucket: Bucket, job_id: str, slot: int) -> bool:
        known = bucket["jobs"].get(job_id)
        if known is None:
            if self._jobs >= MOST_JOBS:
                return False
            self._jobs += 1
        bucket["jobs"][job_id] = slot if known is None else max(slot, known)
        return True

    def prune(self, now_s: float) -> None:
        """Forget what is older than the longest window, and count the rest again."""
        oldest = int(now_s - _LONGEST_S) // 60
        for key in [key for key in self._table if key[1] < oldest]:
            del self._table[key]
        self._jobs = sum(len(bucket["jobs"]) for bucket in self._table.values())

    def windows(self, now_s: float, partitions: Collection[int]) -> dict[str, Any]:
        """The sums of each window over these partitions, as `/windows` answers them."""
        buckets = [each for each in self._table.items() if each[0][0] in partitions]
        return {
            "as_of": _moment(now_s),
            "is_cut": self.is_full,
            "windows": {f"{each}m": _window(buckets, now_s - each * 60) for each in WINDOWS_MIN},
        }


def _window(buckets: Iterable[tuple[Key, Bucket]], since_s: float) -> dict[str, Any]:
    sums: dict[Kind, dict[str, _Sum]] = {"code": {}, "cause": {}}
    for (_, minute, kind, name), bucket in buckets:
        first = max(0, int((since_s - minute * 60) // _SLOT_S))
        triggers = sum(bucket["slots"][first:])
        if not triggers:
            continue
        found = sums[kind].setdefault(name, _Sum(bucket["code"], "", 0.0))
        found.triggers += triggers
        found.jobs.update(job for job, slot in bucket["jobs"].items() if slot >= first)
        if bucket["last_s"] >= found.last_s:
            found.last_s, found.message = bucket["last_s"], bucket["message"]
    causes = _most_first(sums["cause"])
    return {
        "total": sum(each.triggers for each in sums["code"].values()),
        "by_code": [
            {"code": code, "triggers": each.triggers} for code, each in _most_first(sums["code"])
        ],
        "by_cause": [
            {
                "cause": cause,
                "code": each.code,
                "message": each.message,
                "triggers": each.triggers,
                "jobs": len(each.jobs),
                "last_at": _moment(each.last_s),
            }
            for cause, each in causes[:MOST_CAUSES_SHOWN]
        ],
        "omitted": max(0, len(causes) - MOST_CAUSES_SHOWN),
    }


def _most_first(sums: dict[str, _Sum]) -> list[tuple[str, _Sum]]:
    return sorted(sums.items(), key=lambda each: (-each[1].triggers, each[0]))


def _empty(cause: Cause) -> Bucket:
    return {
        "code": cause.code,
        "message": cause.message,
        "last_s": 0.0,
        "slots": [0] * _SLOTS,
        "jobs": {},
        "offset": -1,
    }


def _moment(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
