"""What preflight says of a trigger: passed with its targets, or failed with every finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.inventory import Job


class Target(NamedTuple):
    """One server and account that a job runs on.

    As saved in the job's parameter (`credential_id` None), or as resolved by preflight, with the
    inventory's ip. `node_id` and `action_id` are set for workflows only.
    """

    server_id: int
    ip: str | None
    account: str
    credential_id: int | None = None
    node_id: str | None = None
    action_id: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One failed check: its code and the object, in values that a message is rendered from.

    `objects` holds plain JSON values under stable names (`server_id`, `server_name`, `ip`,
    `account`, `credential_id`, `owner_id`, `node_id`, `target_id`, …); ids are strings.
    `cause` is the stable key of the root (code + object), the same for every job that it breaks,
    without the node or the job where the root is a server, an account, a credential or an owner.
    """

    code: FailureCode
    objects: Mapping[str, str | int | None] = field(default_factory=dict)
    cause: str = ""


MOST_FINDINGS = 1000
"""How many findings of one trigger are stored and sent; the others are counted."""

MOST_CAUSES = 10_000
"""How many causes of one trigger are stored, those of findings left out among them."""


class Findings(list[Finding]):
    """What a check found: of each code the first ones, and of the others how many and their causes.

    `most` is how many findings of a code are kept, None for all of them.
    """

    __slots__ = ("_counts", "_most", "causes", "omitted")

    def __init__(self, most: int | None) -> None:
        super().__init__()
        self._most = most
        self._counts: dict[FailureCode, int] = {}
        self.omitted = 0
        self.causes: list[str] = []

    def has_room(self, code: FailureCode) -> bool:
        """Whether the next finding of a code is kept: ask once for each of them."""
        count = self._counts.get(code, 0)
        if self._most is not None and count >= self._most:
            return False
        self._counts[code] = count + 1
        return True

    def leave_out(self, cause: str) -> None:
        """Count a finding that does not fit."""
        self.omitted += 1
        self.causes.append(cause)


class Verdict(NamedTuple):
    """The outcome of preflight for one trigger.

    Passed means no findings. `targets` are as resolved then; of a failed trigger as far as they
    could be, with the saved ip where the server was not found. `findings` stand in the order of
    checks; `omitted` is how many more there were, `more_causes` are theirs. `job` is None where
    there is none, or where it was not looked at. `expires_at` is the moment after which a passed
    trigger is not to be run any more; None where no limit holds.
    """

    findings: tuple[Finding, ...]
    targets: tuple[Target, ...]
    job: Job | None
    owner_name: str | None = None
    expires_at: datetime | None = None
    omitted: int = 0
    more_causes: tuple[str, ...] = ()

    @property
    def has_passed(self) -> bool:
        """True when nothing was found."""
        return not self.findings

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes of all findings, each once, in their order."""
        causes = dict.fromkeys(finding.cause for finding in self.findings)
        causes.update(dict.fromkeys(self.more_causes))
        return tuple(causes)[:MOST_CAUSES]
