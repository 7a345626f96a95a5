"""`JobDispatch`: a trigger passed preflight; the action or orch service runs the job."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from job_trigger_schemas.fields import SentId, Text, Time

JobType = Literal["action", "workflow"]
"""What a job runs; workflows are run by the orch service."""


class Owner(BaseModel):
    """The user whom a job belongs to."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    user_id: SentId = Field(description="The user's id.")
    name: Text | None = Field(description="The user's name; null where the user is not known.")


class DispatchTarget(BaseModel):
    """A server and an account to run on, as preflight found them. Secrets never travel."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    server_id: SentId = Field(description="The server's id, its identity.")
    ip: Text | None = Field(description="The inventory's address; null where it holds none.")
    account: Text = Field(description="The account on the server.")
    credential_id: SentId = Field(description="The account's credential, by id.")
    node_id: Text | None = Field(default=None, description="The workflow's node; null for actions.")
    action_id: SentId | None = Field(
        default=None, description="The action that the node runs; null for actions."
    )


class JobDispatch(BaseModel):
    """Run this job now, under this execution_id.

    Repeats are possible after a crash and carry the same event_id. Ignore unknown fields: fields
    are added without notice.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    event_id: UUID = Field(description="The same in every repeat of this event.")
    execution_id: UUID = Field(description="Identifies the run; send it back in statuses.")
    trigger_id: UUID = Field(description="The producer's id of the firing, or a derived one.")
    job_id: SentId = Field(description="The job.")
    job_type: JobType = Field(description="What the job runs.")
    target_id: SentId = Field(description="The action or the workflow to run.")
    owner: Owner = Field(description="The job's owner.")
    kind: Text = Field(
        description="Why the job fired. More kinds may come.",
        examples=["schedule", "manual", "replay", "canary"],
    )
    triggered_by: Text | None = Field(
        default=None,
        description="Who or what fired the job, where the trigger names somebody.",
        examples=["li.wei"],
    )
    triggered_by_verified: bool | None = Field(
        default=None,
        description="True where the console noted that person or service before it sent the "
        "trigger; false where the trigger only claims it; null where nobody is named.",
    )
    scheduled_at: Time = Field(description="The slot: when the job was due.")
    dispatched_at: Time = Field(description="When the worker decided.")
    expires_at: Time | None = Field(
        default=None,
        description="Start nothing after this moment: answer `rejected` instead. Null: no limit.",
    )
    parameter: dict[str, JsonValue] = Field(description="The job's own parameter, as saved.")
    targets: list[DispatchTarget] = Field(description="Where to run, in the parameter's order.")
