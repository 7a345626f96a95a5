"""What lists are asked for: one vocabulary of filters for pages, API and exports.

The API refuses a parameter that is not declared, is given twice or is empty: a misspelled filter
would otherwise answer with everything. Pages read the same fields leniently (`query_params`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from job_trigger_schemas.fields import SentId, ShortText, Text, Time
from job_trigger_worker.console.shared import problems, validation_messages
from job_trigger_worker.domain.cause import LONGEST_KEY
from job_trigger_worker.domain.read_models import JobFilter, JobSort, RecordFilter, Status
from job_trigger_worker.errors import LimitExceeded, UsageError

MOST_LISTED = 200
LISTED = 50

Key: TypeAlias = Annotated[
    SentId, WithJsonSchema({"type": "string", "pattern": "^([1-9][0-9]{0,17}|[1-8][0-9]{18})$"})
]
"""An id. Those of 9 * 10^18 and more are taken, too; a pattern of them is nothing to read."""

Word: TypeAlias = Annotated[ShortText, Field(min_length=1)]
Cause: TypeAlias = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=LONGEST_KEY,
        description="A cause's key, as executions carry it.",
        examples=["server_not_found:server=7"],
    ),
]
Since: TypeAlias = Annotated[
    Time,
    Field(description="Decided then or later.", examples=["2026-11-23T00:00:00Z"]),
]
Until: TypeAlias = Annotated[
    Time,
    Field(description="Decided before then.", examples=["2026-11-24T00:00:00+08:00"]),
]
RecordStatus: TypeAlias = Literal[
    "trigger_failed",
    "failed",
    "rejected",
    "no_answer",
    "cancelled",
    "dispatched",
    "accepted",
    "running",
    "succeeded",
    "other",
    "blank",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OfJobs(_Strict):
    """Which jobs, by what jobs are."""

    name: Word | None = Field(None, description="Names that begin with this, whatever their case.")
    type: Word | None = Field(None, description="action or workflow.", examples=["action"])
    owner: Key | None = Field(None, description="The owner's id.")
    group: Key | None = Field(None, description="The id of a group of the job.")
    enabled: bool | None = Field(None, description="Switched on, or off.")

    def of_jobs(self) -> JobFilter:
        """The filter of the read service, without what is asked of the newest record."""
        return JobFilter(
            name_prefix=self.name,
            owner_id=self.owner,
            job_type=self.type,
            group_id=self.group,
            is_enabled=self.enabled,
        )


class JobChoice(OfJobs):
    """Which jobs."""

    q: Word | None = Field(
        None,
        description="A part of the name or of the newest message, a job's id, or the server's id "
        "or the account of a target. Searched in a window.",
    )
    server: Key | None = Field(None, description="Jobs with this server as a target, as saved.")
    status: Status | None = Field(None, description="The combined status of the newest record.")
    code: Word | None = Field(None, description="Why the newest trigger failed.")
    cause: Cause | None = None
    overdue: bool = Field(
        default=False,
        description="Only jobs of which a slot has passed and no trigger came. Answered where the "
        "other filters leave 1,000 jobs at most.",
    )

    def wanted(self) -> JobFilter:
        """The filter of the read service."""
        return JobFilter(
            name_prefix=self.name,
            text=self.q,
            server_id=self.server,
            owner_id=self.owner,
            job_type=self.type,
            group_id=self.group,
            is_enabled=self.enabled,
            status=self.status,
            code=self.code,
            cause=self.cause,
            is_overdue=self.overdue,
        )


class FailureChoice(OfJobs):
    """Which failed triggers."""

    job: Key | None = Field(None, description="Those of one job, also of one that is gone.")
    since: Since | None = None
    until: Until | None = None
    code: Word | None = Field(None, description="Why the trigger failed.")
    cause: Cause | None = None
    kind: Word | None = Field(None, description="schedule, manual, replay or canary.")
    trigger: UUID | None = Field(None, description="Those of one trigger id.")
    q: Word | None = Field(
        None,
        description="A part of the message or of the job's name as decided, or the job's id. "
        "Searched in a window.",
    )

    def wanted(self) -> RecordFilter:
        """The filter of the read service."""
        return self._wanted(Status.TRIGGER_FAILED)

    def _wanted(self, status: Status | None) -> RecordFilter:
        return RecordFilter(
            job_id=self.job,
            since=self.since,
            until=self.until,
            status=status,
            code=self.code,
            cause=self.cause,
            kind=self.kind,
            trigger_id=self.trigger,
            text=self.q,
            job=self.of_jobs(),
        )


class ExecutionChoice(FailureChoice):
    """Which execution records."""

    status: RecordStatus | None = Field(None, description="The combined status.")

    def wanted(self) -> RecordFilter:
        """The filter of the read service."""
        return self._wanted(None if self.status is None else Status(self.status))


class LetterChoice(_Strict):
    """Which dead letters."""

    reason: Word | None = Field(None, description="A part of the reason.")
    waiting: bool | None = Field(None, description="Only those that were not sent again yet.")


class Paging(_Strict):
    """Which page."""

    after: Annotated[Text, Field(min_length=1, max_length=2_000)] | None = Field(
        None, description="The `next` of the page before, with the same filters."
    )
    limit: int = Field(LISTED, ge=1, le=MOST_LISTED, description="Items on a page, at most.")


class JobsShown(JobChoice):
    """Jobs in an order."""

    sort: JobSort = Field(JobSort.TROUBLE, description="The order.")


class JobsAsked(JobsShown, Paging):
    """A page of jobs."""


class ExecutionsAsked(ExecutionChoice, Paging):
    """A page of execution records."""


class FailuresAsked(FailureChoice, Paging):
    """A page of failed triggers."""


class Span(_Strict):
    """A time to sum up."""

    since: Since | None = None
    until: Until | None = None


class CausesAsked(Span):
    """Causes in a time."""

    limit: int = Field(LISTED, ge=1, le=MOST_LISTED, description="Causes, at most.")


class StandingAsked(_Strict):
    """Causes that stand."""

    limit: int = Field(LISTED, ge=1, le=MOST_LISTED, description="Causes, at most.")


class BrokenAsked(Span, Paging):
    """The jobs that one cause broke."""

    cause: Cause


class TimesAsked(Span):
    """Failures over time."""

    step_s: int = Field(1_800, ge=1, le=366 * 86_400, description="Seconds of one step.")
    job: Key | None = Field(None, description="Those of one job.")


class JobsExported(JobChoice):
    """An export of jobs."""

    format: Literal["csv", "ndjson"] = Field("csv", description="For spreadsheets, or programs.")


class ExecutionsExported(ExecutionChoice):
    """An export of execution records."""

    format: Literal["csv", "ndjson"] = Field("csv", description="For spreadsheets, or programs.")


class FailuresExported(FailureChoice):
    """An export of failed triggers."""

    format: Literal["csv", "ndjson"] = Field("csv", description="For spreadsheets, or programs.")


def _once(request: Request) -> None:
    given = [name for name, _ in request.query_params.multi_items()]
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise problems.invalid(*(validation_messages.fault(name, "repeated") for name in twice))


reject_repeated = Depends(_once)
"""A dependency: no parameter is given twice."""


@contextmanager
def following() -> Iterator[None]:
    """Say that `after` is wrong when a list cannot go on from it."""
    try:
        yield
    except LimitExceeded:
        raise
    except UsageError:
        raise problems.invalid(validation_messages.fault("after", "cursor")) from None
