"""What travels where something changes about a job."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from job_trigger_schemas.fields import Id
from job_trigger_worker.console.shared.models.executions import Execution
from job_trigger_worker.console.shared.models.jobs import Preflight
from job_trigger_worker.console.shared.models.values import Moment


class RunAsked(BaseModel):
    """A run that was asked for."""

    trigger_id: str = Field(examples=["7d444840-9dc0-51d1-b245-5ffdce74fad2"])
    job_id: str = Field(examples=["17"])
    follow: str = Field(
        description="Where to see what becomes of it.",
        examples=["/api/v1/triggers/7d444840-9dc0-51d1-b245-5ffdce74fad2"],
    )


class TriggersSent(BaseModel):
    """Triggers that the brokers have."""

    trigger_ids: list[str] = Field(
        description="In the order sent; derived from job and slot where a trigger had no id.",
        examples=[["7d444840-9dc0-51d1-b245-5ffdce74fad2"]],
    )


class TriggerState(BaseModel):
    """What has become of a trigger."""

    trigger_id: str = Field(examples=["7d444840-9dc0-51d1-b245-5ffdce74fad2"])
    state: Literal["pending", "recorded"] = Field(
        description="pending: it was asked for, and the worker has not written its record yet."
    )
    asked_by: str | None = Field(description="Whoever asked for it in the console.")
    asked_at: Moment | None
    record: Execution | None


class JobSwitched(BaseModel):
    """A job after it was switched on or off."""

    job_id: str = Field(examples=["17"])
    enabled: bool
    version: int
    has_changed: bool = Field(description="False where it was so already.")


class EditedTarget(BaseModel):
    """A server and account that a job is to run on."""

    model_config = ConfigDict(extra="forbid")

    node_id: str | None = Field(
        default=None, description="Of workflows only: a node that the job has.", examples=["2"]
    )
    server_id: Id = Field(examples=["7"])
    account: str = Field(examples=["deploy"])


class JobEdit(BaseModel):
    """What to change; what is absent stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, examples=["log-backup"])
    schedule: str | None = Field(
        default=None, description="A cron expression; '' removes the schedule."
    )
    timezone: str | None = Field(default=None, examples=["Asia/Shanghai"])
    targets: list[EditedTarget] | None = Field(
        default=None,
        max_length=10_000,
        description="All of them. A target that is already there keeps the other fields of its "
        "entry.",
    )
    confirm: bool = Field(
        default=False, description="Save a job that is switched on though preflight fails."
    )
    dry_run: bool = Field(
        default=False, description="Save nothing, and say what the edit would do."
    )


class JobEdited(BaseModel):
    """A job after an edit."""

    job_id: str = Field(examples=["17"])
    version: int
    name: str
    schedule: str | None
    timezone: str | None
    enabled: bool
    targets_added: list[str] = Field(description="At most fifty.", examples=[["7 deploy"]])
    targets_removed: list[str] = Field(description="At most fifty.")
    is_saved: bool = Field(description="False after a dry run, and where nothing was different.")
    next_slots: list[Moment]
    preflight: Preflight


class JobChange(BaseModel):
    """What somebody changed with the console or the API, with what looks secret hidden."""

    id: str = Field(examples=["41"])
    at: Moment
    login: str = Field(examples=["li.wei"])
    action: str = Field(description="run, enable, disable or edit.", examples=["edit"])
    before: dict[str, Any] | None = Field(examples=[{"name": "log-backup"}])
    after: dict[str, Any] | None = Field(examples=[{"name": "rotate-logs"}])


class JobChangePage(BaseModel):
    """A job's changes, the newest first."""

    items: list[JobChange]
    next: str | None = Field(description="Give it as `after` for the page that follows.")
