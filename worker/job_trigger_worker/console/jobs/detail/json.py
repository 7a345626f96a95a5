"""What is there now beside what a job was saved with, as it travels (R5)."""

from __future__ import annotations

import json
from typing import Any

from job_trigger_worker.console.jobs.detail.saved import Saved
from job_trigger_worker.console.shared import findings
from job_trigger_worker.console.shared.live_preflight import LivePreflightResult
from job_trigger_worker.console.shared.models import jobs as job_models
from job_trigger_worker.console.shared.models.jobs import Now
from job_trigger_worker.console.shared.models.values import TooDeep, id_text, whole
from job_trigger_worker.console.shared.texts import Words
from job_trigger_worker.domain.inventory import UNCLEAR_TYPE, Automation, ServerState
from job_trigger_worker.domain.inventory import Owner as OwnerRow
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.domain.parameter import MAX_CHARACTERS
from job_trigger_worker.domain.read_models import AsOf, JobListRow
from job_trigger_worker.domain.verdict import Target
from job_trigger_worker.preflight.invalid import is_unclear


def preflight(live: LivePreflightResult, as_of: AsOf, words: Words) -> job_models.Preflight:
    """Whether the job could start now, with every finding."""
    return job_models.Preflight(
        result=live.result,
        findings=[findings.live(each, words) for each in live.findings],
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
    """The action or workflow: its name where the viewer may use it, too (R10)."""
    if row.target_id is None:
        return None
    number = str(row.target_id)
    job = live.verdict.job if live.verdict else None
    if live.facts is None or job is None or live.may_see_automation is None:
        return job_models.Automation(now=Now.NOT_CHECKED, id=number, name=None)
    if not live.may_see_automation:
        return job_models.Automation(now=Now.NO_PERMISSION, id=number, name=None)
    if is_unclear(job.unclear, "job_type"):  # nobody knows which of them it is
        return job_models.Automation(now=Now.NOT_CHECKED, id=number, name=None)
    automations = live.facts.automations
    there = automations.get((row.job_type, row.target_id))
    there = there or automations.get((UNCLEAR_TYPE, row.target_id))
    if there is None:
        return job_models.Automation(now=Now.GONE, id=number, name=None)
    return job_models.Automation(now=_flag(there), id=number, name=there.name)


def owner(row: JobListRow, live: LivePreflightResult) -> job_models.Owner | None:
    """The owner as the platform knows them now."""
    if row.owner_id is None:
        return None
    number = str(row.owner_id)
    if live.facts is None:
        return job_models.Owner(now=Now.NOT_CHECKED, id=number, name=None)
    there = live.facts.owners.get(row.owner_id)
    if there is None:
        return job_models.Owner(now=Now.GONE, id=number, name=None)
    return job_models.Owner(now=_flag(there), id=number, name=there.name)


def _flag(there: Automation | OwnerRow) -> Now:
    """What a row's flag says; one that says neither true nor false is a finding of its own."""
    if there.unclear:
        return Now.NOT_CHECKED
    return Now.OK if there.enabled else Now.OFF


def _target(target: Target, live: LivePreflightResult) -> job_models.JobTarget:
    server = live.facts.servers.get(target.server_id) if live.facts else None
    return job_models.JobTarget(
        node_id=target.node_id,
        action_id=id_text(target.action_id),
        server_id=str(target.server_id),
        ip=target.ip,
        account=target.account,
        now=_server_now(live, None if server is None else server.state),
        server_name=None if server is None else server.name,
        server_ip=None if server is None else server.ip,
    )


def _server_now(live: LivePreflightResult, state: ServerState | None) -> job_models.ServerNow:
    if live.facts is None:
        return "not_checked"
    return "gone" if state is None else state.value


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
