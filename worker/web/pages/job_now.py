"""What is there now, in words beside what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from worker.domain import messages
from worker.domain.inventory import UNCLEAR_TYPE, Automation, Owner, ServerState
from worker.domain.reading import MOST_CAUSES_LISTED, RecordRow, Status
from worker.domain.verdict import Finding, Target
from worker.preflight.invalid import is_unclear
from worker.web.live_preflight import Live
from worker.web.pages.job_saved import Saved
from worker.web.pages.record import Found
from worker.web.pages.showing import short
from worker.web.words import Words, marked

_LONGEST = 120
_MOST = 30
_ON_TOP = 3
_STATES = {
    ServerState.ON: ("good", marked("On")),
    ServerState.UNKNOWN: ("still", marked("The inventory does not know its state")),
}
_COULD_NOT = marked("Could not check")
_UNREADABLE = marked("Cannot be read")
_NOT_SET = marked("Not set")


@dataclass(frozen=True, slots=True)
class Now:
    """A short word with its tone, and findings under it."""

    tone: str
    text: str
    findings: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetLine:
    """A target as saved, and what is there now. `name` and `address` are the inventory's."""

    node: str
    server_id: int
    ip: str
    account: str
    name: str
    address: str
    now: Now


def target_lines(saved: Saved, live: Live, words: Words) -> list[TargetLine]:
    """Each saved target with what became of it."""
    return [_line(target, live, live.findings, words) for target in saved.targets]


def reasons(live: Live, words: Words) -> tuple[list[Found], int]:
    """What to say on top of what is in a start's way, and how many more stand beside targets."""
    whole = whole_job(live, words)
    of_targets = [each for each in live.findings if not _is_of_whole(each)]
    room = max(0, _ON_TOP - len(whole))
    told = [told_alone(each, words) for each in of_targets[:room]]
    return whole + told, len(of_targets) - len(told)


def is_as_before(record: RecordRow | None, live: Live) -> bool:
    """Whether the newest record failed for just what is in a start's way now."""
    if record is None or record.status is not Status.TRIGGER_FAILED or not live.findings:
        return False
    causes = {each.cause for each in live.findings}
    if len(record.causes) < MOST_CAUSES_LISTED:
        return set(record.causes) == causes
    return causes.issuperset(record.causes)  # of very many, the first ones stand for all


def whole_job(live: Live, words: Words) -> list[Found]:
    """The findings that no single target is to blame for."""
    return [_found(each, words) for each in live.findings if _is_of_whole(each)][:_MOST]


def _is_of_whole(finding: Finding) -> bool:
    return "server_id" not in finding.objects or bool(finding.objects.get("path"))


def automation_now(live: Live, words: Words) -> Now:
    """The action or workflow: its name where the viewer may use it, too (R10)."""
    job = live.verdict.job if live.verdict else None
    if live.facts is None or job is None or live.may_see_automation is None:
        return Now("still", words.gettext(_COULD_NOT))
    if not live.may_see_automation:
        return Now("warn", words.gettext(marked("No permission: you may not see it")))
    if is_unclear(job.unclear, "job_type") or is_unclear(job.unclear, "target_id"):
        return Now("warn", words.gettext(_UNREADABLE))
    if job.target_id is None:
        return Now("bad", words.gettext(_NOT_SET))
    automations = live.facts.automations
    automation = automations.get((job.job_type, job.target_id))
    automation = automation or automations.get((UNCLEAR_TYPE, job.target_id))
    return _row_now(automation, marked("%(name)s, switched off"), words)


def owner_now(live: Live, words: Words) -> Now:
    """The owner as the platform knows them now."""
    job = live.verdict.job if live.verdict else None
    if live.facts is None or job is None:
        return Now("still", words.gettext(_COULD_NOT))
    if is_unclear(job.unclear, "owner_id"):
        return Now("warn", words.gettext(_UNREADABLE))
    if job.owner_id is None:
        return Now("bad", words.gettext(_NOT_SET))
    return _row_now(live.facts.owners.get(job.owner_id), marked("%(name)s, disabled"), words)


def _row_now(row: Automation | Owner | None, off: str, words: Words) -> Now:
    if row is None:
        return Now("bad", words.gettext(marked("No longer exists")))
    if row.unclear:
        return Now("still", words.gettext(_COULD_NOT))
    name = short(row.name, _LONGEST)
    return Now("good", name) if row.enabled else Now("bad", words.gettext(off) % {"name": name})


def now_of(target: Target, live: Live, found: Sequence[Finding], words: Words) -> Now:
    """What became of one target, by those of these findings that concern it."""
    return _now(target, live, [each for each in found if _concerns(each, target)], words)


def _line(target: Target, live: Live, found: Sequence[Finding], words: Words) -> TargetLine:
    server = live.facts.servers.get(target.server_id) if live.facts else None
    return TargetLine(
        short(target.node_id or "", 60),
        target.server_id,
        short(target.ip or "", 60),
        short(target.account, 60),
        short(server.name, 60) if server else "",
        short(server.ip or "", 60) if server else "",
        now_of(target, live, found, words),
    )


def _now(target: Target, live: Live, found: Sequence[Finding], words: Words) -> Now:
    if live.facts is None:
        return Now("still", words.gettext(_COULD_NOT))
    server = live.facts.servers.get(target.server_id)
    shown = tuple(_found(each, words) for each in found)
    if server is None:
        return Now("bad", words.gettext(marked("No longer exists")), shown)
    if server.state is ServerState.OFF:
        return Now("bad", words.gettext(marked("Powered off")), shown)
    if server.state is ServerState.OFFLINE:
        return Now("bad", words.gettext(marked("Out of service")), shown)
    # A server that is on is not what is wrong: its findings have marks of their own.
    tone, text = _STATES[server.state]
    return Now(tone, words.gettext(text), shown)


def _concerns(finding: Finding, target: Target) -> bool:
    """Whether a finding is about a server, or about this account on it, in the target's node."""
    objects = finding.objects
    return (
        objects.get("server_id") == str(target.server_id)
        and objects.get("node_id") == target.node_id
        and objects.get("account", target.account) == target.account
        and not objects.get("path")
    )


def _found(finding: Finding, words: Words) -> Found:
    # Beside a target its node is named already.
    here = {name: v for name, v in finding.objects.items() if name != "node_id"}
    is_target = "server_id" in here and not here.get("path")
    return told_alone(replace(finding, objects=here) if is_target else finding, words)


def told_alone(finding: Finding, words: Words) -> Found:
    """A finding as it is told where nothing stands beside it."""
    return Found(
        finding.code.value,
        short(messages.sentence(finding, words.language), 400),
        messages.remedy(finding.code, words.language),
    )
