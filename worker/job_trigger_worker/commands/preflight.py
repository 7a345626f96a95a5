"""`trigger-worker preflight`: could these jobs start now, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
from pydantic import ValidationError
from rich.console import Console

from job_trigger_schemas import JobTrigger, explain
from job_trigger_worker import config
from job_trigger_worker.clock import SystemClock
from job_trigger_worker.commands.database import ANY_ROLE, asking
from job_trigger_worker.commands.ids import JOB_ID
from job_trigger_worker.commands.output import as_json, finish, noted
from job_trigger_worker.config import Settings
from job_trigger_worker.domain import messages
from job_trigger_worker.domain.trigger import NAMESPACE, Origin, Trigger, TriggerKind
from job_trigger_worker.domain.verdict import Target, Verdict
from job_trigger_worker.errors import FatalError, Transient, UsageError
from job_trigger_worker.preflight.bisection import read_facts
from job_trigger_worker.preflight.runner import judge
from job_trigger_worker.storage.db.engine import Session, make_engine

_NOWHERE = Origin(0, 0)


@click.command(name="preflight")
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB_ID...", type=JOB_ID)
@click.option(
    "--at",
    metavar="TIME",
    help="As the scheduled slot of this time, RFC 3339 with a zone: is it too late by now?",
)
@as_json
def command(*, job_ids: tuple[int, ...], at: str | None, as_json: bool) -> None:
    """Say for each JOB_ID whether it could start now, and everything that is in its way.

    The same preflight that the worker runs; it changes nothing. Without --at a job is judged as if
    a person fired it now. Exit status 1 if a job could not start, or could not be checked.
    """
    settings = config.load()
    now = SystemClock().now()
    triggers = [_trigger(job_id, at, now) for job_id in dict.fromkeys(job_ids)]
    problem = None
    verdicts: list[Verdict] = []
    try:
        with asking(ANY_ROLE):
            verdicts = _judge(triggers, now, settings)
    except (Transient, FatalError) as error:
        problem = str(error)
    result = _result(triggers, verdicts, problem, settings.message_language)
    result = {"checked_at": now.isoformat(), "at": at, **result}
    finish(
        result,
        as_json=as_json,
        show=lambda out: _show(out, result, settings.message_language),
        is_good=result["passed"] == len(triggers),
    )


def _trigger(job_id: int, at: str | None, now: datetime) -> Trigger:
    kind, slot = TriggerKind.MANUAL, now
    if at is not None:
        kind, slot = TriggerKind.SCHEDULE, _slot(job_id, at, now)
    return Trigger(job_id, NAMESPACE, NAMESPACE, kind, slot, now, None, _NOWHERE)


def _slot(job_id: int, at: str, now: datetime) -> datetime:
    """The time, held to the same rules as in an event."""
    fields = {"job_id": job_id, "kind": "schedule", "scheduled_at": at, "fired_at": now.isoformat()}
    try:
        return JobTrigger.model_validate(fields).scheduled_at
    except ValidationError as error:
        raise UsageError(
            f"--at {at} cannot be used: {explain(error)}.",
            remedy="TIME looks like 2026-11-20T08:00:00Z.",
        ) from None


def _judge(triggers: Sequence[Trigger], now: datetime, settings: Settings) -> list[Verdict]:
    engine = make_engine(settings)
    session = Session(engine)
    try:
        facts = read_facts(session.snapshot, {trigger.job_id for trigger in triggers})
    finally:
        session.close()
        engine.dispose()
    return list(judge(triggers, facts, now, settings.default_max_lateness_s))


def _result(
    triggers: Sequence[Trigger],
    verdicts: Sequence[Verdict],
    problem: str | None,
    language: messages.Language,
) -> dict[str, Any]:
    if problem is None:
        jobs = [
            _told(trigger.job_id, verdict, language)
            for trigger, verdict in zip(triggers, verdicts, strict=True)
        ]
    else:
        jobs = [{"job_id": str(trigger.job_id), "verdict": "unknown"} for trigger in triggers]
    counts = dict.fromkeys(("passed", "failed", "unknown"), 0)
    for job in jobs:
        counts[job["verdict"]] += 1
    return {**counts, "problem": problem, "jobs": jobs}


def _told(job_id: int, verdict: Verdict, language: messages.Language) -> dict[str, Any]:
    job = verdict.job
    return {
        "job_id": str(job_id),
        "job_name": job and job.name,
        "job_type": job and job.job_type,
        "owner_name": verdict.owner_name,
        "verdict": "passed" if verdict.has_passed else "failed",
        "targets": [_target(target) for target in verdict.targets],
        "findings": [
            {
                **messages.as_json(finding, language),
                "cause": finding.cause,
                "remedy": messages.remedy(finding.code, language),
            }
            for finding in verdict.findings
        ],
    }


def _target(target: Target) -> dict[str, str | None]:
    ids = ("server_id", "credential_id", "action_id")
    return {
        name: str(value) if name in ids and value is not None else value
        for name, value in target._asdict().items()
    }


def _show(out: Console, result: dict[str, Any], language: messages.Language) -> None:
    if result["problem"] is not None:
        ids = ", ".join(job["job_id"] for job in result["jobs"])
        words = f"job {ids}: could not check. {result['problem']}"
        out.print(words, markup=False, soft_wrap=True)
        return
    for job in result["jobs"]:
        name = noted(messages.shown(job["job_name"]), job["job_type"]) if job["job_name"] else ""
        called = f"job {job['job_id']} {name}".rstrip()
        out.print(f"{called}: {job['verdict']}", markup=False, soft_wrap=True)
        for finding in job["findings"]:
            words = messages.joined((finding["message"], finding["remedy"]), language)
            out.print(f"  {words}", markup=False, soft_wrap=True)
        if job["findings"]:
            continue
        for target in job["targets"]:
            node = f"node {messages.shown(target['node_id'])}, " if target["node_id"] else ""
            words = (
                f"  {node}server {target['server_id']} ({target['ip'] or 'no ip'})"
                f" as {messages.shown(target['account'])}, credential {target['credential_id']}"
            )
            out.print(words, markup=False, soft_wrap=True)
