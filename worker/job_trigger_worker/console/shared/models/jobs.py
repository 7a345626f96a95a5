"""Jobs as they travel."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from job_trigger_worker.console.shared.models.executions import Execution, Finding
from job_trigger_worker.console.shared.models.lists import ROWS, Listed, Window
from job_trigger_worker.console.shared.models.values import Answer, Id, Moment
from job_trigger_worker.domain.read_models import Status


class Now(StrEnum):
    """What has become of an action, a workflow or an owner since the job was saved."""

    OK = "ok"
    OFF = "off"
    """Switched off, disabled."""
    GONE = "gone"
    NO_PERMISSION = "no_permission"
    """It may be there; whoever asks may not see it."""
    NOT_CHECKED = "not_checked"
    """The inventory did not answer in time, or what the job names cannot be read."""


ServerNow = Literal["on", "off", "offline", "unknown", "gone", "not_checked"]
"""`unknown` is the inventory's own word: it does not know; `not_checked`: it was not asked."""


class LastOutcome(Answer):
    """One of a job's last outcomes."""

    id: Id = Field(description="The record's id.", validation_alias="record_id")
    status: Status = Field(examples=["trigger_failed"])
    code: str | None = Field(examples=["server_not_found"])
    scheduled_at: Moment | None


class Job(Answer):
    """A job with its combined status; nothing of it is read from the inventory."""

    id: Id
    name: str = Field(examples=["log-backup"])
    job_type: str = Field(description="action or workflow.", examples=["action"])
    target_id: Id | None = Field(description="The action or workflow that it runs.")
    owner_id: Id | None
    owner_name: str | None = Field(examples=["Li Wei"])
    enabled: bool = Field(examples=[True], validation_alias="is_enabled")
    schedule: str | None = Field(description="A cron expression.", examples=["*/10 * * * *"])
    timezone: str | None = Field(examples=["Asia/Shanghai"])
    next_slot_at: Moment | None = Field(description="Null where it is switched off or has none.")
    is_overdue: bool = Field(description="A slot has passed and no trigger came.", examples=[False])
    version: int = Field(description="What an edit has to know; also its ETag.", examples=[3])
    updated_at: Moment | None
    platform_url: str | None = Field(examples=["https://platform.example/jobs/17"])
    status: Status = Field(
        description="The combined status of its newest record.", examples=["trigger_failed"]
    )
    newest: Execution | None = Field(description="Its newest record; null when it never ran.")
    last_scheduled_at: Moment | None = Field(description="Its newest slot.")
    failing_since: Moment | None = Field(description="Set while triggers fail: the first slot.")
    consecutive_failures: int = Field(description="How many triggers failed in a row.")
    last_success_at: Moment | None = Field(description="The slot of its last run that succeeded.")


class JobWithOutcomes(Job):
    """A job with its last ten outcomes, the oldest first."""

    last_outcomes: list[LastOutcome]


class JobPage(Listed):
    """Jobs in the order asked for."""

    items: list[JobWithOutcomes] = ROWS


class JobTarget(Answer):
    """A server and account as saved, and what is there now."""

    node_id: str | None = Field(description="Of workflows only.", examples=["2"])
    action_id: Id | None = Field(description="Of workflows only.")
    server_id: Id
    ip: str | None = Field(description="As saved.", examples=["10.0.0.7"])
    account: str = Field(examples=["deploy"])
    now: ServerNow = Field(examples=["gone"])
    server_name: str | None = Field(description="As it is now.", examples=["db-07"])
    server_ip: str | None = Field(description="As it is now.", examples=["10.0.0.7"])


class Saved(Answer):
    """What the job was saved with, secrets masked."""

    parameter: Any = Field(
        description="The job's own parameter, any JSON.",
        examples=[{"servers": [{"server_id": 7, "account": "deploy"}], "password": "••••••"}],
    )
    is_whole: bool = Field(
        description="False where it could not be read, or is too large or too deep to be shown."
    )
    targets: list[JobTarget] = Field(description="The first of them.")
    target_count: int = Field(description="How many there are in all.", examples=[1])


class Preflight(Answer):
    """Whether the job could start now. `unknown`: it could not be checked in time."""

    result: Literal["passed", "failed", "unknown"] = Field(examples=["failed"])
    findings: list[Finding]
    checked_at: Moment


class Automation(Answer):
    """The action or workflow as it is now."""

    now: Now = Field(examples=["ok"])
    id: Id
    name: str | None = Field(description="Where one may see it.", examples=["Rotate logs"])


class Owner(Answer):
    """The owner as they are now."""

    now: Now = Field(examples=["ok"])
    id: Id
    name: str | None = Field(examples=["Li Wei"])


class JobDetail(JobWithOutcomes):
    """A job whole: what is saved, and what is there now."""

    next_slots: list[Moment] = Field(description="At most five.")
    saved: Saved
    preflight: Preflight
    automation: Automation | None = Field(description="Null where the job names none.")
    owner: Owner | None = Field(description="Null where the job has none.")


class JobCheck(Answer):
    """The answer to a check: nothing was changed and nothing was sent."""

    job_id: Id
    version: int = Field(description="Of the job that was checked.", examples=[3])
    preflight: Preflight


class Number(Answer):
    """How many there are; at least so many where it is not exact."""

    value: int = Field(examples=[200])
    is_exact: bool


class JobStatusCounts(Answer):
    """How many jobs there are, in all and by status."""

    total: Number
    by_status: dict[Status, Number] = Field(
        examples=[{"trigger_failed": {"value": 43, "is_exact": True}}]
    )
    window: Window | None = Field(description="Set where statuses were counted in a part of them.")
    overdue: int | None = Field(
        description="How many of them are overdue; null where they are more than 1,000.",
        examples=[1],
    )
