"""The checks: pure functions of (trigger, job, facts, circumstances), and the list of them.

Each returns what it found, nothing when all is well; a further check is a function here, a place in
`CHECKS`, and its sentences. A verdict's findings stand in the order of `FailureCode`, so that the
first one is the cause whatever the order of this list.

One root, one finding: where a server is missing its accounts are not judged, and where the owner or
the automation is missing the permission is not. What is not clear of a row (`inventory_invalid`) is
told in the place of what would follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from job_trigger_worker.domain.cause import cause
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.inventory import (
    UNCLEAR_TYPE,
    Account,
    Credential,
    Job,
    JobType,
    Server,
    ServerState,
    unclear,
)
from job_trigger_worker.domain.trigger import Trigger, TriggerKind, slot_name
from job_trigger_worker.domain.verdict import Finding, Findings, Target
from job_trigger_worker.preflight import invalid
from job_trigger_worker.preflight.facts import Facts
from job_trigger_worker.preflight.invalid import Objects


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What all triggers of a batch have in common.

    `now` is the moment of the decision; `default_max_lateness_s` is how late a scheduled trigger
    may be whose job says nothing. `most_findings` is how many findings of one code are made of one
    trigger, None for all of them.
    """

    now: datetime
    default_max_lateness_s: int
    most_findings: int | None = None


Check = Callable[[Trigger, Job, Facts, Circumstances], Sequence[Finding]]

_TYPES = frozenset(map(str, JobType))
_SCHEDULE = TriggerKind.SCHEDULE
_REPLAY = TriggerKind.REPLAY
_CANARY = TriggerKind.CANARY
_INVALID = FailureCode.INVENTORY_INVALID
_ON = ServerState.ON
_UNFIT = {
    ServerState.OFFLINE: FailureCode.SERVER_OFFLINE,
    ServerState.OFF: FailureCode.SERVER_POWERED_OFF,
}


def is_clear(_trigger: Trigger, job: Job, _facts: Facts, _at: Circumstances) -> Sequence[Finding]:
    """`inventory_invalid`: the job's own row says something that is not allowed."""
    if not job.unclear:
        return ()
    key = {"job_id": job.job_id}
    return [
        invalid.finding("preflight_job", "job", fault, key, _job(job))
        for fault in unclear(job.unclear)
    ]


def is_enabled(_trigger: Trigger, job: Job, _facts: Facts, _at: Circumstances) -> Sequence[Finding]:
    """`job_disabled`: its owner switched the job off."""
    if job.enabled or invalid.is_unclear(job.unclear, "enabled"):
        return ()
    return (_of_job(FailureCode.JOB_DISABLED, job),)


def is_in_time(trigger: Trigger, job: Job, _facts: Facts, at: Circumstances) -> Sequence[Finding]:
    """`expired`: the slot is too long ago to run the job now.

    The job's own limit holds for every kind but a replay, whose old slot a person has chosen; the
    default holds for `schedule` alone.
    """
    limit = limit_of(trigger, job, at.default_max_lateness_s)
    if limit is None:
        return ()
    lateness = at.now - trigger.scheduled_at
    if lateness <= limit or invalid.is_unclear(job.unclear, "max_lateness_s"):
        return ()
    late: Objects = {
        "scheduled_at": slot_name(trigger.scheduled_at),
        "lateness_s": int(lateness.total_seconds()),
        "max_lateness_s": int(limit.total_seconds()),
    }
    return (_of_job(FailureCode.EXPIRED, job, late),)


def limit_of(trigger: Trigger, job: Job, default_max_lateness_s: int) -> timedelta | None:
    """How long after its slot a trigger may still be run; None: at any time."""
    kind, limit_s = trigger.kind, job.max_lateness_s
    if kind is _REPLAY:
        return None
    if limit_s is None:
        if kind is not _SCHEDULE:
            return None
        limit_s = default_max_lateness_s
    return _span(limit_s)


@lru_cache(maxsize=1024)  # nearly all jobs have one of a few limits
def _span(seconds: int) -> timedelta | None:
    """None for more than can be added to a time."""
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return None


def automation_exists(
    _trigger: Trigger, job: Job, facts: Facts, _at: Circumstances
) -> Sequence[Finding]:
    """`automation_not_found`: the action or workflow is gone, switched off, or not named."""
    target_id = job.target_id
    automation = None
    if target_id is not None:
        automation = facts.automations.get((job.job_type, target_id))
        if automation is not None and automation.enabled:
            return ()
        automation = automation or facts.automations.get((UNCLEAR_TYPE, target_id))
    if job.job_type not in _TYPES or invalid.is_unclear(job.unclear, "target_id"):
        return ()
    code = FailureCode.AUTOMATION_NOT_FOUND
    if target_id is None:
        objects = _job(job) | {"reason": "unset", "job_type": job.job_type}
        return (Finding(code, objects, cause(code, job=job.job_id)),)
    objects = {"job_type": job.job_type, "target_id": str(target_id)}
    if automation is not None:
        objects |= {"target_name": automation.name}
        if automation.unclear:
            key = {job.job_type: target_id}
            return [
                invalid.finding("preflight_automation", "automation", fault, key, objects)
                for fault in unclear(automation.unclear)
            ]
        objects |= {"reason": "disabled"}
    return (Finding(code, objects, cause(code, **{job.job_type: target_id})),)


def parameter_holds(
    _trigger: Trigger, job: Job, facts: Facts, _at: Circumstances
) -> Sequence[Finding]:
    """`parameter_invalid` and `no_targets`: what the saved parameter lacks."""
    problems = facts.parameters[job.job_id].problems
    if not problems:
        return ()
    return [_of_job(problem.code, job, problem.objects) for problem in problems]


def servers_are_up(
    _trigger: Trigger, job: Job, facts: Facts, at: Circumstances
) -> Sequence[Finding]:
    """`server_not_found`, `server_offline`, `server_powered_off`; once a server and node.

    A server whose state is not clear is `inventory_invalid`.
    """
    servers = facts.servers
    bad: Findings | None = None
    seen: set[tuple[str | None, int]] = set()
    for target in facts.parameters[job.job_id].targets:
        server = servers.get(target.server_id)
        if server is None:
            code = FailureCode.SERVER_NOT_FOUND
        elif server.state is _ON:
            continue
        elif server.unclear:
            code = _INVALID
        elif server.state in _UNFIT:
            code = _UNFIT[server.state]
        else:
            continue
        key = (target.node_id, target.server_id)
        if key in seen:
            continue
        seen.add(key)
        if code is _INVALID and server is not None:
            root = cause(code, view="preflight_server", server_id=target.server_id)
            objects = invalid.objects_of("preflight_server", "server", unclear(server.unclear)[0])
        else:
            root, objects = cause(code, server=target.server_id), {}
        bad = Findings(at.most_findings) if bad is None else bad
        if bad.has_room(code):
            bad.append(Finding(code, _server(target, server) | objects, root))
        else:
            bad.leave_out(root)
    return bad or ()


def accounts_are_usable(
    _trigger: Trigger, job: Job, facts: Facts, at: Circumstances
) -> Sequence[Finding]:
    """`account_not_found` and `credential_not_found`, on servers that exist, whatever their state.

    An account that is switched off is not found; a credential that is not named, not there or not
    usable is not found. Where a value is unclear, the finding is `inventory_invalid`.
    """
    accounts, credentials = facts.accounts, facts.credentials
    found: Findings | None = None
    for target in facts.parameters[job.job_id].targets:
        account = accounts.get((target.server_id, target.account))
        credential_id = None if account is None else account.credential_id
        credential = None if credential_id is None else credentials.get(credential_id)
        if account and account.enabled and credential and credential.usable:
            continue
        server = facts.servers.get(target.server_id)
        if server is None:
            continue
        code, root = _root_of_account(target, account, credential)
        found = Findings(at.most_findings) if found is None else found
        if found.has_room(code):
            objects = _of_account(target, server, account, credential)
            found.append(Finding(code, objects, root))
        else:
            found.leave_out(root)
    return found or ()


def _root_of_account(
    target: Target, account: Account | None, credential: Credential | None
) -> tuple[FailureCode, str]:
    """Which kind of finding an account that cannot be used is, and its cause."""
    if account is not None and account.unclear:
        view, server_id = "preflight_account", target.server_id
        root = cause(_INVALID, view=view, server_id=server_id, account=target.account)
        return _INVALID, root
    if account is None or not account.enabled:
        code = FailureCode.ACCOUNT_NOT_FOUND
        return code, cause(code, server=target.server_id, account=target.account)
    code, credential_id = FailureCode.CREDENTIAL_NOT_FOUND, account.credential_id
    if credential_id is None:
        return code, cause(code, server=target.server_id, account=target.account)
    if credential is not None and credential.unclear:
        root = cause(_INVALID, view="preflight_credential", credential_id=credential_id)
        return _INVALID, root
    return code, cause(code, credential=credential_id)


def _of_account(
    target: Target, server: Server, account: Account | None, credential: Credential | None
) -> Objects:
    """What is wrong with an account that cannot be used."""
    objects = _server(target, server) | {"account": target.account}
    if account is None:
        return objects
    if account.unclear:
        fault = unclear(account.unclear)[0]
        objects |= invalid.objects_of("preflight_account", "account", fault)
    elif not account.enabled:
        objects["reason"] = "disabled"
    elif account.credential_id is None:
        objects["reason"] = "unset"
    else:
        objects["credential_id"] = str(account.credential_id)
        if credential is not None and credential.unclear:
            fault = unclear(credential.unclear)[0]
            objects |= invalid.objects_of("preflight_credential", "credential", fault)
        elif credential is not None:
            objects["reason"] = "unusable"
    return objects


def owner_is_there(
    _trigger: Trigger, job: Job, facts: Facts, _at: Circumstances
) -> Sequence[Finding]:
    """`owner_not_found` and `owner_disabled`.

    Where it is not clear whether they are enabled, or in which groups: `inventory_invalid`.
    """
    owner_id = job.owner_id
    if owner_id is None and invalid.is_unclear(job.unclear, "owner_id"):
        return ()
    if owner_id is None:
        return (_of_job(FailureCode.OWNER_NOT_FOUND, job, {"reason": "unset"}),)
    owner = facts.owners.get(owner_id)
    if owner is None:
        code = FailureCode.OWNER_NOT_FOUND
        return (Finding(code, {"owner_id": str(owner_id)}, cause(code, user=owner_id)),)
    objects: Objects = {"owner_id": str(owner_id), "owner_name": owner.name}
    if not owner.enabled and not invalid.is_unclear(owner.unclear, "enabled"):
        code = FailureCode.OWNER_DISABLED
        return (Finding(code, objects, cause(code, user=owner_id)),)
    if owner.unclear:
        key = {"owner_id": owner_id}
        fault = unclear(owner.unclear)[0]
        return (invalid.finding("preflight_owner", "owner", fault, key, objects),)
    return ()


def owner_may(_trigger: Trigger, job: Job, facts: Facts, _at: Circumstances) -> Sequence[Finding]:
    """`permission_denied`: neither the owner nor one of their groups is granted it (R10)."""
    owner_id, job_type, target_id = job.owner_id, job.job_type, job.target_id
    grants = facts.grants
    if owner_id is None or target_id is None or ("user", owner_id, job_type, target_id) in grants:
        return ()
    owner = facts.owners.get(owner_id)
    automation = facts.automations.get((job_type, target_id))
    if owner is None or automation is None or job_type not in _TYPES:
        return ()
    if invalid.is_unclear(owner.unclear, "group_ids"):
        return ()
    for group_id in owner.group_ids:
        if ("group", group_id, job_type, target_id) in grants:
            return ()
    code = FailureCode.PERMISSION_DENIED
    objects: Objects = {
        "owner_id": str(owner_id),
        "owner_name": owner.name,
        "job_type": job_type,
        "target_id": str(target_id),
        "target_name": automation.name,
    }
    for grant, columns in facts.unclear_grants.items():
        if invalid.may_be(grant, job_type, target_id, owner_id, owner.group_ids):
            key = {job_type: target_id, "principal_id": grant.principal_id}
            fault = unclear(columns)[0]
            return (invalid.finding("preflight_grant", "grant", fault, key, objects),)
    return (Finding(code, objects, cause(code, user=owner_id, **{job_type: target_id})),)


def may_be_canary(
    trigger: Trigger, job: Job, facts: Facts, _at: Circumstances
) -> Sequence[Finding]:
    """`event_invalid`: a canary for a job that the platform does not mark as one."""
    if trigger.kind is not _CANARY or job.job_id in facts.canaries:
        return ()
    return (_of_job(FailureCode.EVENT_INVALID, job, {"reason": "no_canary"}),)


CHECKS: tuple[Check, ...] = (
    is_clear,
    is_enabled,
    is_in_time,
    automation_exists,
    parameter_holds,
    servers_are_up,
    accounts_are_usable,
    owner_is_there,
    owner_may,
    may_be_canary,
)
"""Every check, each once for every trigger whose job exists."""


def _job(job: Job) -> Objects:
    return {"job_id": str(job.job_id), "job_name": job.name}


def _of_job(
    code: FailureCode, job: Job, more: Mapping[str, str | int | None] | None = None
) -> Finding:
    """A finding whose root is the job itself."""
    return Finding(code, _job(job) | dict(more or {}), cause(code, job=job.job_id))


def _server(target: Target, server: Server | None) -> Objects:
    """A server in words: with the inventory's ip, or the saved one if there is no row."""
    objects: Objects = {"server_id": str(target.server_id)}
    if server is None:
        objects["ip"] = target.ip
    else:
        objects |= {"ip": server.ip, "server_name": server.name}
    if target.node_id is not None:
        objects["node_id"] = target.node_id
    return objects
