"""The events of job-trigger-worker, for everyone who sends or reads them (see README.md).

Imports pydantic and the standard library only. `publisher` and `failure_reader` also import
kafka-python (`job-trigger-schemas[kafka]`).
"""

from job_trigger_schemas.execution_status import ExecutionStatus
from job_trigger_schemas.explain import explain
from job_trigger_schemas.job_dispatch import DispatchTarget, JobDispatch, Owner
from job_trigger_schemas.job_trigger import JobTrigger
from job_trigger_schemas.trigger_failure import KNOWN_CODES, FailureFinding, TriggerFailure

__all__ = [
    "KNOWN_CODES",
    "DispatchTarget",
    "ExecutionStatus",
    "FailureFinding",
    "JobDispatch",
    "JobTrigger",
    "Owner",
    "TriggerFailure",
    "explain",
]
