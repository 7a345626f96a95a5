"""What people read: the words in which jobs, records and failures are shown (R4 to R8).

Values only; `storage.read` fills them. Ids are whole numbers here and strings on the
wire; times are aware UTC. Text stands as it was stored: whoever shows it escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from job_trigger_worker.domain import slots

Row = TypeVar("Row")


class Status(StrEnum):
    """The combined status of a record, and of a job by its newest record (R4).

    A record has exactly one; `never_run` is of jobs only.
    """

    TRIGGER_FAILED = "trigger_failed"
    FAILED = "failed"
    REJECTED = "rejected"
    NO_ANSWER = "no_answer"
    """Dispatched, and the service has not answered for longer than the setting."""
    CANCELLED = "cancelled"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    OTHER = "other"
    """The run has a status that we have no word for; `Run.status` is the platform's own word."""
    BLANK = "blank"
    """Written without us, and no run to join (R11)."""
    NEVER_RUN = "never_run"


TROUBLE = (Status.TRIGGER_FAILED, Status.FAILED, Status.REJECTED, Status.NO_ANSWER)
"""What somebody has to look at, the worst first; lists show it before the rest."""


class JobSort(StrEnum):
    """The order of a list of jobs."""

    TROUBLE = "trouble"
    """Trouble first, then the newest slot."""
    NEWEST_SLOT = "newest_slot"
    NAME = "name"
    ID = "id"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a viewer may see: everything, or the jobs of some groups and their records (R10).

    None means everything. Without a group one sees nothing. A record whose job is gone belongs to
    no group.
    """

    group_ids: tuple[int, ...] | None = None


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class AsOf:
    """The moment that statuses are told for, and when silence becomes `no_answer`."""

    now: datetime
    no_answer_after_s: int = 300


@dataclass(frozen=True, slots=True)
class Window:
    """How far a bounded read looked; a page that has one says so.

    `read` rows were looked at, the oldest of them of `since` (None: no time is known). When it
    `is_complete` there was nothing more to look at.
    """

    read: int
    since: datetime | None
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list. `next` continues it; None at its end.

    A page with a `window` may hold fewer rows than asked for, even none, and still have a `next`.
    """

    rows: tuple[Row, ...]
    next: str | None
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The action's or workflow's own execution of a record, as its service tells it.

    The first end that was told stands. `other_ends` is how many were told that differ from it, and
    `other_end` the last of them: somebody told something untrue, the first time or later.
    """

    status: str | None
    message: str | None
    accepted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    platform_url: str | None = None
    other_ends: int = 0
    other_end: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """The first findings of a failed trigger as stored, and how many there are in all.

    They can be said in any language; a record's `message` is in the one that it was stored in.
    """

    first: tuple[Mapping[str, Any], ...] = ()
    count: int = 0


NO_FINDINGS = Findings()

MOST_CAUSES_LISTED = 100
"""How many causes a record has in a list; a job may have thousands of targets that are gone."""


@dataclass(frozen=True, slots=True)
class RecordRow:
    """An execution record in a list (R7), with its combined status.

    `message` is None on success and in rows written without us, whose other trigger fields are
    None, too. `job_name` is the job's as decided, or its present one; None where neither is known.
    `triggered_by_verified` is True where the console noted who had the trigger sent, False where
    the trigger only claims it, and None where nobody is named.
    `causes` are the first ones, all of them in a `RecordDetail`.
    """

    id: int
    job_id: int
    job_name: str | None
    job_type: str | None
    status: Status
    trigger_status: int | None
    code: str | None
    message: str | None
    causes: tuple[str, ...]
    kind: str | None
    triggered_by: str | None
    execution_id: UUID | None
    trigger_id: UUID | None
    scheduled_at: datetime | None
    fired_at: datetime | None
    decided_at: datetime | None
    duplicate_count: int
    run: Run | None
    findings: Findings = NO_FINDINGS
    triggered_by_verified: bool | None = None

    @property
    def lateness_s(self) -> float | None:
        """Seconds from the slot to the decision."""
        if self.scheduled_at is None or self.decided_at is None:
            return None
        return (self.decided_at - self.scheduled_at).total_seconds()


@dataclass(frozen=True, slots=True)
class RecordDetail:
    """A whole record (R8). `findings` and `targets` are as stored.

    `findings_omitted` is how many findings there were beside these, in a job with very many.
    `previous_id` and `next_id` are the records of the same job written before and after it.
    `has_job` is False when the job is gone.
    """

    record: RecordRow
    owner_id: int | None
    target_id: int | None
    findings: tuple[Mapping[str, Any], ...]
    findings_omitted: int
    targets: tuple[Mapping[str, Any], ...]
    topic: str | None
    partition: int | None
    offset: int | None
    trace_id: str | None
    previous_id: int | None
    next_id: int | None
    has_job: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of a job's last outcomes, for its small picture."""

    record_id: int
    status: Status
    code: str | None
    scheduled_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobListRow:
    """A job in a list (R4), and of its detail what lists know: no inventory is read.

    `newest` is its newest record, None when it never ran. `last_scheduled_at` is its newest slot;
    overdue and the next slot follow from it, as of `read_at`. `consecutive_failures`
    and `failing_since` (the first failed slot of the row) are set while `status` is
    `trigger_failed`; `last_success_at` is the slot of the last run that succeeded, looked for among
    the job's recent records.
    """

    id: int
    name: str
    job_type: str
    target_id: int | None
    automation_name: str | None
    owner_id: int | None
    owner_name: str | None
    is_enabled: bool
    schedule: str | None
    timezone: str | None
    version: int
    updated_at: datetime | None
    platform_url: str | None
    status: Status
    newest: RecordRow | None
    last_scheduled_at: datetime | None
    failing_since: datetime | None
    consecutive_failures: int
    last_success_at: datetime | None
    read_at: datetime = field(repr=False)

    @property
    def next_slot_at(self) -> datetime | None:
        """The next slot; None where the job is switched off or has none."""
        upcoming = self.next_slots(1)
        return upcoming[0] if upcoming else None

    @property
    def is_overdue(self) -> bool:
        """True when a slot has passed and no trigger came."""
        return self.is_enabled and slots.is_overdue(
            self.schedule,
            self.timezone,
            last_scheduled_at=self.last_scheduled_at,
            updated_at=self.updated_at,
            now=self.read_at,
        )

    def next_slots(self, count: int) -> tuple[datetime, ...]:
        """The next slots of a job that is switched on."""
        if not self.is_enabled:
            return ()
        return slots.next_slots(self.schedule, self.timezone, self.read_at, count)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are wanted; a field that is None does not narrow the list.

    `name_prefix` ignores case. `text` is what a person typed: a part of the name or of the newest
    message, a job id, or the server id or account of a target as saved. `code` and `cause` are of
    the newest record, when it failed. A filter by `text`, or by a status other than
    `trigger_failed`, is answered within a window; so are failures of a scope or filter that leaves
    thousands of jobs, but not all. `is_overdue` leaves jobs of which a slot has passed without a
    trigger; only their schedules tell which, so it is answered for a thousand jobs at most.
    """

    name_prefix: str | None = None
    text: str | None = None
    server_id: int | None = None
    owner_id: int | None = None
    job_type: str | None = None
    group_id: int | None = None
    is_enabled: bool | None = None
    status: Status | None = None
    code: str | None = None
    cause: str | None = None
    is_overdue: bool = False


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records are wanted; a field that is None does not narrow the list.

    `since` is included, `until` is not; both are times of decision. A record that was written
    without us counts to the time of the decision before it. `text` is a part of the message or of
    the job's name as decided, or the job's id. Of `job` only name, owner, type, group and enabled
    are looked at, as the job is now; a record whose job is gone has none of them but the type. A
    filter that no index serves, by `text` or by a status other than `trigger_failed` above all, is
    answered within a window.
    """

    job_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    status: Status | None = None
    code: str | None = None
    cause: str | None = None
    kind: str | None = None
    trigger_id: UUID | None = None
    text: str | None = None
    job: JobFilter = field(default_factory=JobFilter)


@dataclass(frozen=True, slots=True)
class Count:
    """A number of rows; when it is not exact there are at least so many ('10,000+')."""

    value: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs, in all and by status. A status that no job has is 0.

    With a `window` the statuses other than `trigger_failed` were counted in it. `overdue` is how
    many of them are; None where they are too many to be asked one by one.
    """

    total: Count
    by_status: Mapping[Status, Count]
    window: Window | None
    overdue: int | None = None


@dataclass(frozen=True, slots=True)
class CauseRow:
    """One root and what it broke, in a window of failures.

    `message` is its sentence as it was stored, without the node where that was, and `findings` the
    one that this was made of. A trigger that failed for two causes counts in both.
    """

    cause: str
    code: str
    jobs: int
    triggers: int
    first_at: datetime
    last_at: datetime
    newest_id: int
    message: str
    findings: Findings = NO_FINDINGS


@dataclass(frozen=True, slots=True)
class Causes:
    """The causes in a window, those that broke most jobs first, and how many there are in all."""

    rows: tuple[CauseRow, ...]
    total: int
    window: Window


@dataclass(frozen=True, slots=True)
class BrokenJob:
    """A job that a cause broke: how often in the window, and its newest failure for it.

    `is_broken` says that this failure is still the job's newest record, `message` all that this
    record says, and `findings` the one of the cause.
    """

    job_id: int
    job_name: str | None
    triggers: int
    last_at: datetime
    newest_id: int
    message: str
    is_broken: bool
    findings: Findings = NO_FINDINGS


@dataclass(frozen=True, slots=True)
class CodeRow:
    """How many triggers failed by one code, and of how many jobs."""

    code: str
    jobs: int
    triggers: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """The failures of one step of time, by code; `start` is included, the next start is not."""

    start: datetime
    by_code: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Feed:
    """Failures as they come, and the position to ask from next time: a record id."""

    rows: tuple[RecordRow, ...]
    position: int


class Kind(StrEnum):
    """What an id can name."""

    JOB = "job"
    RECORD = "record"
    TRIGGER = "trigger"
    EXECUTION = "execution"


@dataclass(frozen=True, slots=True)
class IdMatch:
    """One thing that an id names. `record_id` is None for a job, `job_id` never is."""

    kind: Kind
    job_id: int
    record_id: int | None
