"""Triggers and facts in, verdicts out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from uuid import uuid4

from job_trigger_worker.domain.cause import cause
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.inventory import ROWS, Job, UnreadableRow
from job_trigger_worker.domain.trigger import Trigger, slot_name
from job_trigger_worker.domain.verdict import Finding, Findings, Target, Verdict
from job_trigger_worker.logs import logger
from job_trigger_worker.preflight import invalid
from job_trigger_worker.preflight.checks import CHECKS, Check, Circumstances, is_clear, limit_of
from job_trigger_worker.preflight.facts import Facts
from job_trigger_worker.preflight.fast_path import end_of, passed

log = logger(__name__)

_ORDER = {code: place for place, code in enumerate(FailureCode)}


def judge(
    triggers: Iterable[Trigger],
    facts: Facts,
    now: datetime,
    default_max_lateness_s: int,
    *,
    most_findings: int | None = None,
    checks: Sequence[Check] = CHECKS,
) -> Iterator[Verdict]:
    """One verdict for each trigger, in their order, each made when it is asked for.

    A verdict has its findings in the order of codes: all of them, or the first `most_findings`, and
    how many more there were with what causes.

    The triggers are those that could be read. `facts` were read for all of their jobs. An exception
    in a check becomes `internal_error` of that trigger alone, with a correlation id that is in the
    log beside the traceback; what the other checks found stands too. A trigger whose job needs a
    row that cannot be read is an `internal_error` that names the row, and nothing else is looked
    at. Raises nothing of its own.
    """
    at = Circumstances(now, default_max_lateness_s, most_findings)
    return (_judge(trigger, facts, at, checks) for trigger in triggers)


def _judge(trigger: Trigger, facts: Facts, at: Circumstances, checks: Sequence[Check]) -> Verdict:
    job = facts.jobs.get(trigger.job_id)
    if trigger.believed_until is not None:
        return _too_early(trigger, trigger.believed_until, job, facts, at.now)
    if (row := facts.unreadable.get(trigger.job_id)) is not None:
        return Verdict((_unreadable(row, trigger, job),), (), job)
    if job is None:
        return _missing(trigger)
    if checks is CHECKS:
        try:
            if (sound := passed(trigger, job, facts, at)) is not None:
                return sound
        except Exception as error:  # the checks judge, and say which of them meets it
            log.warning("fast_path_raised", job_id=trigger.job_id, exc_info=error)
    return _by_checks(trigger, job, facts, at, checks)


def _missing(trigger: Trigger) -> Verdict:
    code, job_id = FailureCode.JOB_NOT_FOUND, trigger.job_id
    missing = Finding(code, {"job_id": str(job_id)}, cause(code, job=job_id))
    return Verdict((missing,), (), None)


def _by_checks(
    trigger: Trigger, job: Job, facts: Facts, at: Circumstances, checks: Sequence[Check]
) -> Verdict:
    """What each of the checks finds, one after the other."""
    targets: tuple[Target, ...] = ()
    owner_name: str | None = None
    expires_at: datetime | None = None
    findings: list[Finding] = []
    omitted = 0
    more_causes: list[str] = []
    if invalid.is_unclear(job.unclear, ROWS):
        checks = (is_clear,)  # what the others would judge is one of several rows
    for check in checks:
        try:
            if found := check(trigger, job, facts, at):
                findings += found
                if isinstance(found, Findings):
                    omitted += found.omitted
                    more_causes += found.causes
        except Exception as error:  # noqa: BLE001  # a fault of ours concerns this trigger alone
            findings.append(_fault(error, check, trigger))
    try:
        targets, owner_name = _resolve(job.job_id, facts), _owner_name(job, facts)
        limit = limit_of(trigger, job, at.default_max_lateness_s)
        expires_at = None if limit is None else end_of(trigger.scheduled_at, limit)
    except Exception as error:  # noqa: BLE001  # and so does one in what a run would be sent with
        findings.append(_fault(error, _resolve, trigger))
    if findings:
        findings.sort(key=_place)
        kept = findings[: at.most_findings]
        omitted += len(findings) - len(kept)
        causes = (*(finding.cause for finding in findings[len(kept) :]), *more_causes)
        return Verdict(tuple(kept), targets, job, owner_name, omitted=omitted, more_causes=causes)
    return Verdict((), targets, job, owner_name, expires_at)


def _too_early(
    trigger: Trigger, believed_until: datetime, job: Job | None, facts: Facts, now: datetime
) -> Verdict:
    """The verdict of a trigger that is too early, whatever else may be wrong by its time."""
    ahead = max(trigger.scheduled_at, trigger.fired_at)
    objects: dict[str, str | int | None] = {
        "job_id": str(trigger.job_id),
        "scheduled_at": slot_name(ahead),
        "earliness_s": int((ahead - now).total_seconds()),
        "max_earliness_s": int((believed_until - now).total_seconds()),
    }
    if job is not None:
        objects["job_name"] = job.name
    code = FailureCode.TOO_EARLY
    finding = Finding(code, objects, cause(code, job=trigger.job_id))
    return Verdict((finding,), (), job, None if job is None else _owner_name(job, facts))


def _owner_name(job: Job, facts: Facts) -> str | None:
    owner = None if job.owner_id is None else facts.owners.get(job.owner_id)
    return None if owner is None else owner.name


def _place(finding: Finding) -> int:
    return _ORDER[finding.code]


def _resolve(job_id: int, facts: Facts) -> tuple[Target, ...]:
    """The job's targets with the inventory's ip and credential, as far as there are any."""
    parameter = facts.parameters.get(job_id)
    if parameter is None:
        return ()
    servers, accounts, make = facts.servers, facts.accounts, Target._make
    resolved = []
    for server_id, ip, name, _, node_id, action_id in parameter.targets:
        if (server := servers.get(server_id)) is not None:
            ip = server.ip  # noqa: PLW2901  # the inventory's, where it knows the server
        account = accounts.get((server_id, name))
        credential_id = None if account is None else account.credential_id
        resolved.append(make((server_id, ip, name, credential_id, node_id, action_id)))
    return tuple(resolved)


def _unreadable(row: UnreadableRow, trigger: Trigger, job: Job | None) -> Finding:
    code = FailureCode.INTERNAL_ERROR
    key = dict(row.key)
    objects = {
        **key,
        "job_id": str(trigger.job_id),
        "job_name": job and job.name,
        "reason": "unreadable",
        "view": row.view,
        "sqlstate": row.sqlstate,
        "row": ", ".join(f"{name}={value}" for name, value in row.key),
    }
    return Finding(code, objects, cause(code, view=row.view, **key))


def _fault(error: Exception, check: Callable[..., object], trigger: Trigger) -> Finding:
    correlation_id = str(uuid4())
    name = getattr(check, "__name__", "unnamed")
    log.error(
        "check_raised",
        correlation_id=correlation_id,
        check=name,
        job_id=trigger.job_id,
        trigger_id=trigger.trigger_id,
        exc_info=error,
    )
    code = FailureCode.INTERNAL_ERROR
    objects = {"correlation_id": correlation_id, "job_id": str(trigger.job_id), "check": name}
    return Finding(code, objects, cause(code, check=name))
