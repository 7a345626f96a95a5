"""What is there now beside what a job was saved with, as it travels (R5)."""

from __future__ import annotations

import json
from typing import Any

from job_trigger_worker.console.jobs.detail import view
from job_trigger_worker.console.jobs.detail.saved import Saved
from job_trigger_worker.console.jobs.detail.view import State, There
from job_trigger_worker.console.shared import findings
from job_trigger_worker.console.shared.live_preflight import LivePreflightResult
from job_trigger_worker.console.shared.models import jobs as job_models
from job_trigger_worker.console.shared.models.jobs import Now
from job_trigger_worker.console.shared.models.values import TooDeep, whole
from job_trigger_worker.console.shared.texts import Words
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.domain.parameter import MAX_CHARACTERS
from job_trigger_worker.domain.read_models import AsOf, JobListRow
from job_trigger_worker.domain.verdict import Target


def preflight(live: LivePreflightResult, as_of: AsOf, words: Words) -> job_models.Preflight:
    """Whether the job could start now, with every finding."""
    return job_models.Preflight(
        result=live.result,
        findings=[findings.answer_live(each, words) for each in live.findings],
        checked_at=as_of.now,
    )


def saved(found: Saved, live: LivePreflightResult, masker: Masker) -> job_models.Saved:
    """What was saved, with what became of each target."""
    parameter, is_whole = _parameter(found, masker)
    return job_models.Saved(
        parameter=parameter,
        is_whole=is_whole,
        targets=[_target(target, live) for target in found.targets],
        target_count=found.count,
    )


def automation(row: JobListRow, live: LivePreflightResult) -> job_models.Automation | None:
    """The action or workflow; None where the job names none."""
    if row.target_id is None:
        return None
    there = view.automation(live)
    return job_models.Automation(now=_now(there), id=str(row.target_id), name=there.name or None)


def owner(row: JobListRow, live: LivePreflightResult) -> job_models.Owner | None:
    """The owner as the platform knows them now; None where the job has none."""
    if row.owner_id is None:
        return None
    there = view.owner(live)
    return job_models.Owner(now=_now(there), id=str(row.owner_id), name=there.name or None)


def _now(there: There) -> Now:
    """What the job does not say clearly could not be checked, either."""
    is_unclear = there.state in (State.UNREADABLE, State.NOT_SET)
    return Now.NOT_CHECKED if is_unclear else Now(there.state.value)


def _target(target: Target, live: LivePreflightResult) -> job_models.JobTarget:
    server = live.facts.servers.get(target.server_id) if live.facts else None
    return job_models.JobTarget(
        node_id=target.node_id,
        action_id=None if target.action_id is None else str(target.action_id),
        server_id=str(target.server_id),
        ip=target.ip,
        account=target.account,
        now=view.server(live, target.server_id).value,
        server_name=None if server is None else server.name,
        server_ip=None if server is None else server.ip,
    )


def _parameter(found: Saved, masker: Masker) -> tuple[Any, bool]:
    """The parameter without its secrets, and whether that is all there is to show."""
    if found.raw is None:
        return None, found.is_read
    if len(found.raw) > MAX_CHARACTERS:
        return None, False
    try:
        return whole(masker.value(json.loads(found.raw))), True
    except (ValueError, RecursionError, TooDeep):
        return None, False
