"""`ExecutionStatus`: how a dispatched run goes, from the action or orch service."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from job_trigger_schemas.fields import Text, Time
from job_trigger_schemas.job_dispatch import JobType

StatusWord = Literal["accepted", "rejected", "running", "succeeded", "failed", "cancelled"]
"""Where a run stands. It only moves forward; the first end stands."""


class ExecutionStatus(BaseModel):
    """Where a run stands, in the order accepted, running, an end.

    Unknown fields are ignored, whatever they hold; null in an optional field means absent.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    execution_id: UUID = Field(description="As the dispatch brought it.")
    job_type: JobType = Field(description="Which service speaks: action, or workflow for orch.")
    status: StatusWord = Field(description="Where the run stands now.")
    message: Text | None = Field(default=None, description="One sentence for people.")
    at: Time = Field(description="When the run came to stand there.")
