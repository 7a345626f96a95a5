"""What is there now, in words beside what was saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from job_trigger_worker.console.jobs.detail import view
from job_trigger_worker.console.jobs.detail.saved import Saved
from job_trigger_worker.console.jobs.detail.view import State, There
from job_trigger_worker.console.shared.findings import PresentedFinding, present
from job_trigger_worker.console.shared.live_preflight import LivePreflightResult
from job_trigger_worker.console.shared.presenters import shorten
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain.inventory import ServerState
from job_trigger_worker.domain.read_models import MOST_CAUSES_LISTED, RecordRow, Status
from job_trigger_worker.domain.verdict import Finding, Target

_LONGEST = 120
_LONGEST_FINDING = 400
_MOST = 30
_ON_TOP = 3
_NOT_CHECKED = ("still", gettext_noop("Could not check"))
_GONE = ("bad", gettext_noop("No longer exists"))
_SAID: Mapping[State, tuple[str, str]] = {
    State.GONE: _GONE,
    State.NO_PERMISSION: ("warn", gettext_noop("No permission: you may not see it")),
    State.NOT_CHECKED: _NOT_CHECKED,
    State.UNREADABLE: ("warn", gettext_noop("Cannot be read")),
    State.NOT_SET: ("bad", gettext_noop("Not set")),
}
_SERVERS: Mapping[ServerState | State, tuple[str, str]] = {
    State.NOT_CHECKED: _NOT_CHECKED,
    State.GONE: _GONE,
    ServerState.ON: ("good", gettext_noop("On")),
    ServerState.OFF: ("bad", gettext_noop("Powered off")),
    ServerState.OFFLINE: ("bad", gettext_noop("Out of service")),
    ServerState.UNKNOWN: ("still", gettext_noop("The inventory does not know its state")),
}


@dataclass(frozen=True, slots=True)
class Now:
    """A short word with its tone, and findings under it."""

    tone: str
    text: str
    findings: tuple[PresentedFinding, ...] = ()


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


def target_lines(saved: Saved, live: LivePreflightResult, words: Words) -> list[TargetLine]:
    """Each saved target with what became of it."""
    return [_line(target, live, live.findings, words) for target in saved.targets]


def reasons(live: LivePreflightResult, words: Words) -> tuple[list[PresentedFinding], int]:
    """What to say on top of what is in a start's way, and how many more stand beside targets."""
    whole = whole_job(live, words)
    of_targets = [each for each in live.findings if not _is_of_whole(each)]
    room = max(0, _ON_TOP - len(whole))
    told = [told_alone(each, words) for each in of_targets[:room]]
    return whole + told, len(of_targets) - len(told)


def is_as_before(record: RecordRow | None, live: LivePreflightResult) -> bool:
    """Whether the newest record failed for just what is in a start's way now."""
    if record is None or record.status is not Status.TRIGGER_FAILED or not live.findings:
        return False
    causes = {each.cause for each in live.findings}
    if len(record.causes) < MOST_CAUSES_LISTED:
        return set(record.causes) == causes
    return causes.issuperset(record.causes)  # of very many, the first ones stand for all


def whole_job(live: LivePreflightResult, words: Words) -> list[PresentedFinding]:
    """The findings that no single target is to blame for."""
    return [_found(each, words) for each in live.findings if _is_of_whole(each)][:_MOST]


def _is_of_whole(finding: Finding) -> bool:
    return "server_id" not in finding.objects or bool(finding.objects.get("path"))


def automation_now(live: LivePreflightResult, words: Words) -> Now:
    """The action or workflow, in words."""
    return _said(view.automation(live), gettext_noop("%(name)s, switched off"), words)


def owner_now(live: LivePreflightResult, words: Words) -> Now:
    """The owner, in words."""
    return _said(view.owner(live), gettext_noop("%(name)s, disabled"), words)


def _said(there: There, off: str, words: Words) -> Now:
    name = shorten(there.name, _LONGEST)
    if there.state is State.OK:
        return Now("good", name)
    if there.state is State.OFF:
        return Now("bad", words.gettext(off) % {"name": name})
    tone, text = _SAID[there.state]
    return Now(tone, words.gettext(text))


def now_of(
    target: Target, live: LivePreflightResult, found: Sequence[Finding], words: Words
) -> Now:
    """What became of one target, by those of these findings that concern it."""
    return _now(target, live, [each for each in found if _concerns(each, target)], words)


def _line(
    target: Target, live: LivePreflightResult, found: Sequence[Finding], words: Words
) -> TargetLine:
    server = live.facts.servers.get(target.server_id) if live.facts else None
    return TargetLine(
        shorten(target.node_id or "", 60),
        target.server_id,
        shorten(target.ip or "", 60),
        shorten(target.account, 60),
        shorten(server.name, 60) if server else "",
        shorten(server.ip or "", 60) if server else "",
        now_of(target, live, found, words),
    )


def _now(target: Target, live: LivePreflightResult, found: Sequence[Finding], words: Words) -> Now:
    # A server that is on is not what is wrong: its findings have marks of their own.
    tone, text = _SERVERS[view.server(live, target.server_id)]
    shown = () if live.facts is None else tuple(_found(each, words) for each in found)
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


def _found(finding: Finding, words: Words) -> PresentedFinding:
    # Beside a target its node is named already.
    here = {name: v for name, v in finding.objects.items() if name != "node_id"}
    is_target = "server_id" in here and not here.get("path")
    return told_alone(replace(finding, objects=here) if is_target else finding, words)


def told_alone(finding: Finding, words: Words) -> PresentedFinding:
    """A finding in a sentence that is complete by itself."""
    return present(finding, words).shortened(_LONGEST_FINDING)
