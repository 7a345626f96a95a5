"""Execution records as they travel."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from job_trigger_worker.console.shared.models.lists import ROWS, Listed
from job_trigger_worker.console.shared.models.values import Answer, Id, Moment, Uuid
from job_trigger_worker.domain.read_models import Status


class Run(Answer):
    """What the action or orch service tells of its own execution."""

    status: str | None = Field(description="That service's own word.", examples=["succeeded"])
    message: str | None = Field(examples=["42 files rotated"])
    accepted_at: Moment | None
    started_at: Moment | None
    ended_at: Moment | None
    platform_url: str | None = Field(examples=["https://platform.example/executions/17"])
    other_ends: int = Field(
        description="How many ends were reported that differ from the first one, which counts.",
        examples=[0],
    )
    other_end: str | None = Field(description="The last of these.", examples=[None])


class Execution(Answer):
    """One trigger and what became of it."""

    id: Id = Field(description="The record's own id.")
    job_id: Id
    job_name: str | None = Field(
        description="As decided; its present name where none was kept.", examples=["log-backup"]
    )
    job_type: str | None = Field(examples=["action"])
    status: Status = Field(description="The combined status.", examples=["trigger_failed"])
    trigger_status: int | None = Field(
        description="1 passed, 2 failed, null for a row written without the worker.", examples=[2]
    )
    code: str | None = Field(description="Why it failed.", examples=["server_not_found"])
    message: str | None = Field(
        description="The sentence as it was stored, in the worker's language; null on success.",
        examples=["Server 7 (10.0.0.7, db-07) does not exist."],
    )
    causes: list[str] = Field(
        description="A stable key for each root, the same for every job that it breaks.",
        examples=[["server_not_found:server=7"]],
    )
    kind: str | None = Field(
        description="schedule, manual, replay or canary.", examples=["schedule"]
    )
    triggered_by: str | None = Field(examples=["common-job"])
    triggered_by_verified: bool | None = Field(
        description="True where the console noted that person or service before it sent the "
        "trigger, false where the trigger only claims it, null where nobody is named.",
        examples=[True],
    )
    execution_id: Uuid | None
    trigger_id: Uuid | None
    scheduled_at: Moment | None = Field(description="The slot: when it was due.")
    fired_at: Moment | None
    decided_at: Moment | None
    lateness_s: float | None = Field(
        description="Seconds from the slot to the decision.", examples=[1.25]
    )
    duplicate_count: int = Field(description="How often it was sent again.", examples=[0])
    run: Run | None = Field(description="Null until a service has reported something.")


class ExecutionPage(Listed):
    """Execution records, the newest written first."""

    items: list[Execution] = ROWS


class Finding(Answer):
    """One failed check, with the objects that it names beside (`server_id`, `account`, …)."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(examples=["server_not_found"])
    message: str = Field(
        description="In the language asked for.",
        examples=["Server 7 (10.0.0.7, db-07) does not exist."],
    )
    remedy: str = Field(examples=["Take the server out of the job, or register it again."])


class ResolvedTarget(Answer):
    """A server and account, as preflight resolved them."""

    node_id: str | None = Field(description="Of workflows only.", examples=["2"])
    action_id: str | None = Field(description="Of workflows only.", examples=["9"])
    server_id: str | None = Field(examples=["7"])
    ip: str | None = Field(examples=["10.0.0.7"])
    account: str | None = Field(examples=["deploy"])
    credential_id: str | None = Field(examples=["4"])


class Origin(Answer):
    """Where in the trigger topic it came from."""

    topic: str | None = Field(examples=["awp.job.triggers.v1"])
    partition: int | None = Field(examples=[0])
    offset: int | None = Field(examples=[1284])


class RebuiltEvent(Answer):
    """The outgoing event, built again from the record: not a copy of what was sent."""

    topic: str = Field(examples=["awp.job.trigger-failures.v1"])
    key: str = Field(examples=["17"])
    headers: dict[str, str] = Field(examples=[{"ce_type": "awp.job.trigger-failure"}])
    body: dict[str, Any] = Field(examples=[{"job_id": "17", "code": "server_not_found"}])
    missing: list[str] = Field(
        description="What was sent and is not kept in the record.", examples=[["owner.name"]]
    )


class ExecutionDetail(Execution):
    """One record whole."""

    owner_id: Id | None
    target_id: Id | None = Field(description="The action or workflow, as decided.")
    findings: list[Finding] = Field(description="The failed checks, at most the first 1,000.")
    findings_omitted: int = Field(
        description="How many findings there were beside these.", examples=[0]
    )
    targets: list[ResolvedTarget]
    event: RebuiltEvent | None = Field(description="Null for a row written without the worker.")
    origin: Origin
    trace_id: str | None = Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    previous_id: Id | None = Field(description="The record of the same job before it.")
    next_id: Id | None = Field(description="The record of the same job after it.")
    has_job: bool = Field(description="False when the job is gone.")
