"""The four events: their model, their CloudEvents type and who reads them."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from job_trigger_schemas import cloudevents
from job_trigger_schemas.execution_status import ExecutionStatus
from job_trigger_schemas.job_dispatch import JobDispatch
from job_trigger_schemas.job_trigger import JobTrigger
from job_trigger_schemas.trigger_failure import TriggerFailure


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Its name is its CloudEvents type, its schema file and its examples' folder.

    `is_read_by_others` is true for what the worker sends and false for what it receives; it turns
    the compatibility rule around.
    """

    model: type[BaseModel]
    name: str
    is_read_by_others: bool

    @property
    def file_name(self) -> str:
        """The name of its JSON Schema under `json/`."""
        return f"{self.name}.schema.json"


EVENTS = (
    Event(JobTrigger, cloudevents.TYPE_JOB_TRIGGER, is_read_by_others=False),
    Event(JobDispatch, cloudevents.TYPE_JOB_DISPATCH, is_read_by_others=True),
    Event(TriggerFailure, cloudevents.TYPE_TRIGGER_FAILURE, is_read_by_others=True),
    Event(ExecutionStatus, cloudevents.TYPE_EXECUTION_STATUS, is_read_by_others=False),
)
