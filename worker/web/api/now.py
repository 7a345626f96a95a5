"""What is there now beside what a job was saved with, as it travels (R5)."""

from __future__ import annotations

import json
from typing import Any

from worker.domain.inventory import UNCLEAR_TYPE, Automation, ServerState
from worker.domain.inventory import Owner as OwnerRow
from worker.domain.masking import Masker
from worker.domain.parameter import MAX_CHARACTERS
from worker.domain.reading import AsOf, JobRow
from worker.domain.verdict import Target
from worker.preflight.invalid import is_unclear
from worker.web.api import findings
from worker.web.api.models import jobs as said
from worker.web.api.models.jobs import Now
from worker.web.api.models.values import TooDeep, id_text, whole
from worker.web.live_preflight import Live
from worker.web.pages.job_saved import Saved
from worker.web.words import Words


def preflight(live: Live, as_of: AsOf, words: Words) -> said.Preflight:
    """Whether the job could start now, with every finding."""
    return said.Preflight(
        result=live.result,
        findings=[findings.live(each, words) for each in live.findings],
        checked_at=as_of.now,
    )


def saved(found: Saved, live: Live, masker: Masker) -> said.Saved:
    """What was saved, with what became of each target."""
    parameter, is_whole = _parameter(found, masker)
    return said.Saved(
        parameter=parameter,
        is_whole=is_whole,
        targets=[_target(target, live) for target in found.targets],
        target_count=found.count,
    )


def automation(row: JobRow, live: Live) -> said.Automation | None:
    """The action or workflow: its name where the viewer may use it, too (R10)."""
    if row.target_id is None:
        return None
    number = str(row.target_id)
    job = live.verdict.job if live.verdict else None
    if live.facts is None or job is None or live.may_see_automation is None:
        return said.Automation(now=Now.NOT_CHECKED, id=number, name=None)
    if not live.may_see_automation:
        return said.Automation(now=Now.NO_PERMISSION, id=number, name=None)
    if is_unclear(job.unclear, "job_type"):  # nobody knows which of them it is
        return said.Automation(now=Now.NOT_CHECKED, id=number, name=None)
    automations = live.facts.automations
    there = automations.get((row.job_type, row.target_id))
    there = there or automations.get((UNCLEAR_TYPE, row.target_id))
    if there is None:
        return said.Automation(now=Now.GONE, id=number, name=None)
    return said.Automation(now=_flag(there), id=number, name=there.name)


def owner(row: JobRow, live: Live) -> said.Owner | None:
    """The owner as the platform knows them now."""
    if row.owner_id is None:
        return None
    number = str(row.owner_id)
    if live.facts is None:
        return said.Owner(now=Now.NOT_CHECKED, id=number, name=None)
    there = live.facts.owners.get(row.owner_id)
    if there is None:
        return said.Owner(now=Now.GONE, id=number, name=None)
    return said.Owner(now=_flag(there), id=number, name=there.name)


def _flag(there: Automation | OwnerRow) -> Now:
    """What a row's flag says; one that says neither true nor false is a finding of its own."""
    if there.unclear:
        return Now.NOT_CHECKED
    return Now.OK if there.enabled else Now.OFF


def _target(target: Target, live: Live) -> said.JobTarget:
    server = live.facts.servers.get(target.server_id) if live.facts else None
    return said.JobTarget(
        node_id=target.node_id,
        action_id=id_text(target.action_id),
        server_id=str(target.server_id),
        ip=target.ip,
        account=target.account,
        now=_server_now(live, None if server is None else server.state),
        server_name=None if server is None else server.name,
        server_ip=None if server is None else server.ip,
    )


def _server_now(live: Live, state: ServerState | None) -> said.ServerNow:
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
