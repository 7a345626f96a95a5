"""`TriggerFailure`: a trigger failed before anything started, and why."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from job_trigger_schemas.fields import SentId, Text, Time
from job_trigger_schemas.job_dispatch import Owner

KNOWN_CODES = (
    "job_not_found",
    "job_disabled",
    "expired",
    "too_early",
    "automation_not_found",
    "parameter_invalid",
    "no_targets",
    "server_not_found",
    "server_offline",
    "server_powered_off",
    "account_not_found",
    "credential_not_found",
    "owner_not_found",
    "owner_disabled",
    "permission_denied",
    "inventory_invalid",
    "event_invalid",
    "internal_error",
)
"""The codes of today, in the order of checks. A consumer must survive one that is not here."""

_Code = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$", examples=list(KNOWN_CODES))]


class FailureFinding(BaseModel):
    """One failed check: what is wrong, and with which object.

    Only the properties that name the object are there. Others may come, with any value.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    code: _Code = Field(description="What is wrong. More codes may come.")
    message: Text = Field(description="One sentence for people that names the object.")
    server_id: Text | None = Field(default=None, description="The server, as saved in the job.")
    server_name: Text | None = Field(default=None, description="The server's name.")
    ip: Text | None = Field(default=None, description="The server's address.")
    account: Text | None = Field(default=None, description="The account on the server.")
    credential_id: Text | None = Field(default=None, description="The credential.")
    owner_id: Text | None = Field(default=None, description="The job's owner.")
    owner_name: Text | None = Field(default=None, description="The owner's name.")
    node_id: Text | None = Field(default=None, description="The workflow's node.")
    job_type: Text | None = Field(default=None, description="The automation's type.")
    target_id: Text | None = Field(default=None, description="The action or workflow.")


class TriggerFailure(BaseModel):
    """A trigger failed before anything started, with every reason that was found.

    Repeats are possible after a crash and carry the same event_id. Ignore unknown fields: fields
    are added without notice.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    event_id: UUID = Field(description="The same in every repeat of this event.")
    execution_id: UUID = Field(description="The execution record; nothing runs under it.")
    trigger_id: UUID = Field(description="The producer's id of the firing, or a derived one.")
    job_id: SentId = Field(description="The job.")
    job_name: Text | None = Field(description="The job's name; null where there is no such job.")
    job_type: Text | None = Field(
        description="The platform's word for what the job runs; null where there is no such job.",
        examples=["action", "workflow"],
    )
    owner: Owner | None = Field(description="The job's owner; null where none is known.")
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
    failed_at: Time = Field(description="When the worker decided.")
    code: _Code = Field(description="The first finding's code. More codes may come.")
    message: Text = Field(description="One sentence for people that names the object.")
    findings: list[FailureFinding] = Field(
        description="The failed checks in their order, at most the first 1,000."
    )
    findings_omitted: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=0, description="How many more checks failed than `findings` tells of."
    )
    causes: list[Text] = Field(
        description="A stable key of each failed check's root (code and object), for grouping."
    )
    cause: Text = Field(description="The first of the causes.")
