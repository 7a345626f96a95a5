"""Failed triggers, summed up, as they travel."""

from __future__ import annotations

from pydantic import Field

from job_trigger_worker.console.shared.models.lists import ROWS, Listed, Window
from job_trigger_worker.console.shared.models.values import Answer, Id, Moment

_CAUSE = "server_not_found:server=7"
_MESSAGE = "Server 7 (10.0.0.7, db-07) does not exist."


class Cause(Answer):
    """One root and what it broke. A trigger that failed for two causes counts in both."""

    cause: str = Field(description="Its stable key.", examples=[_CAUSE])
    code: str = Field(examples=["server_not_found"])
    message: str = Field(
        description="Its sentence as stored, without a workflow's node.", examples=[_MESSAGE]
    )
    jobs: int = Field(description="How many jobs it broke.", examples=[31])
    triggers: int = Field(description="How many triggers failed for it.", examples=[62])
    first_at: Moment
    last_at: Moment
    newest_id: Id = Field(description="The newest record that failed for it.")


class CauseList(Answer):
    """Causes, those that broke most jobs first."""

    items: list[Cause] = ROWS
    total: int = Field(description="How many causes there are in all.", examples=[12])
    window: Window = Field(description="The failures that were summed up.")


class BrokenJob(Answer):
    """A job that a cause broke."""

    job_id: Id
    job_name: str | None = Field(examples=["log-backup"])
    triggers: int = Field(description="How many of its triggers failed for it.", examples=[2])
    last_at: Moment
    newest_id: Id = Field(description="Its newest record that failed for it.")
    message: str = Field(description="As stored.", examples=[_MESSAGE])
    is_broken: bool = Field(description="This failure is still the job's newest record.")


class BrokenJobPage(Listed):
    """The jobs that one cause broke, the newest failure first."""

    items: list[BrokenJob] = ROWS


class Code(Answer):
    """How many triggers failed by one code."""

    code: str = Field(examples=["server_not_found"])
    jobs: int = Field(examples=[31])
    triggers: int = Field(examples=[62])


class CodeList(Answer):
    """Codes, the most frequent first."""

    items: list[Code] = ROWS
    window: Window = Field(description="The failures that were summed up.")


class Bucket(Answer):
    """The failures of one step of time."""

    start: Moment = Field(description="Included; the next step's start is not.")
    by_code: dict[str, int] = Field(examples=[{"server_not_found": 31}])


class BucketList(Answer):
    """Failures over time, steps without any included."""

    items: list[Bucket] = ROWS
    step_s: int = Field(examples=[1800])
    window: Window = Field(description="The failures that were summed up.")
