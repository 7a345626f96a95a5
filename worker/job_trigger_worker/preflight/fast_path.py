"""The usual case of preflight: a trigger with nothing wrong, recognised at a glance.

Nearly every trigger is like that, and one look at everything costs less than ten checks that each
look for one fault. What is not right here is the checks' to judge and to name, so nothing may pass
here that one of them would stop: a test holds the two against each other.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from job_trigger_schemas.fields import LAST_YEAR
from job_trigger_worker.domain.fast_tuples import new
from job_trigger_worker.domain.inventory import Job, JobType, Owner, ServerState
from job_trigger_worker.domain.trigger import Trigger, TriggerKind
from job_trigger_worker.domain.verdict import Target, Verdict
from job_trigger_worker.preflight.checks import Circumstances, limit_of
from job_trigger_worker.preflight.facts import Facts

_TYPES = frozenset(map(str, JobType))
_ON = ServerState.ON
_CANARY = TriggerKind.CANARY


def passed(trigger: Trigger, job: Job, facts: Facts, at: Circumstances) -> Verdict | None:
    """The verdict of a trigger with which nothing is wrong; None for the checks to judge.

    None does not say that something is wrong: a server in a state that nobody knows, and a canary,
    may pass the checks.
    """
    if job.unclear or not job.enabled or job.job_type not in _TYPES or trigger.kind is _CANARY:
        return None
    expires_at = None
    limit = limit_of(trigger, job, at.default_max_lateness_s)
    if limit is not None:
        if at.now - trigger.scheduled_at > limit:
            return None
        expires_at = end_of(trigger.scheduled_at, limit)
    owner, automation = None, None
    if job.owner_id is not None and job.target_id is not None:
        owner = facts.owners.get(job.owner_id)
        automation = facts.automations.get((job.job_type, job.target_id))
    if owner is None or not owner.enabled or owner.unclear:
        return None
    if automation is None or not automation.enabled:
        return None
    targets = _usable_targets(job.job_id, facts) if _may(owner, job, facts) else None
    if targets is None:
        return None
    return new(Verdict, ((), targets, job, owner.name, expires_at, 0, ()))


def _may(owner: Owner, job: Job, facts: Facts) -> bool:
    grants, job_type, target_id = facts.grants, job.job_type, job.target_id
    if ("user", owner.owner_id, job_type, target_id) in grants:
        return True
    for group_id in owner.group_ids:  # noqa: SIM110  # no generator a trigger
        if ("group", group_id, job_type, target_id) in grants:
            return True
    return False


def _usable_targets(job_id: int, facts: Facts) -> tuple[Target, ...] | None:
    """The targets of a job as they resolve; None where the parameter or one of them may not do."""
    parameter = facts.parameters.get(job_id)
    if parameter is None or parameter.problems:
        return None
    servers, accounts, credentials = facts.servers, facts.accounts, facts.credentials
    resolved = []
    for server_id, _, name, _, node_id, action_id in parameter.targets:
        server, account = servers.get(server_id), accounts.get((server_id, name))
        if server is None or server.state is not _ON or account is None or not account.enabled:
            return None
        credential_id = account.credential_id
        credential = None if credential_id is None else credentials.get(credential_id)
        if credential is None or not credential.usable:
            return None
        fields = (server_id, server.ip, name, credential_id, node_id, action_id)
        resolved.append(new(Target, fields))
    return tuple(resolved)


@lru_cache(maxsize=1024)  # many jobs share a slot and a limit
def end_of(slot: datetime, limit: timedelta) -> datetime | None:
    """When it is too late to start a run; None where no event could say when."""
    try:
        end = slot + limit
    except OverflowError:
        return None
    return end if end.year <= LAST_YEAR else None
