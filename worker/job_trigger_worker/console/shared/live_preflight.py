"""The preflight of a page: what would happen if the job fired now, within a second (R5).

The same preflight as the worker's, with nothing written. What cannot be told in time is *unknown*:
never a finding, and never a page that fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from job_trigger_worker.clock import Clock
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.trigger import NAMESPACE, Origin, Trigger, TriggerKind
from job_trigger_worker.domain.verdict import Finding, Verdict
from job_trigger_worker.errors import TriggerWorkerError, ViewRaised
from job_trigger_worker.preflight.bisection import isolated_facts
from job_trigger_worker.preflight.facts import Change, Facts, facts_in
from job_trigger_worker.preflight.runner import judge
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.platform.inventory import select_grants
from job_trigger_worker.storage.read.job_parameter import limit_statements

LIMIT_S = 0.9
"""How long a page waits for the inventory, from the beginning of the check on (R5)."""
_STATEMENT_SHARE = 8 / 9
_AT_ONCE = 4
_NOWHERE = Origin(0, 0)

Result = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class LivePreflightResult:
    """What preflight says of a job now; without verdict and facts when it is unknown.

    Also without facts when a row that the job needs cannot be read, which is then the finding.

    `may_see_automation` is the viewer's own permission on the job's action or workflow; None where
    it is not known.
    """

    result: Result
    verdict: Verdict | None = None
    facts: Facts | None = None
    may_see_automation: bool | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found; an automation has a name only for those who may see it (R10)."""
        if self.verdict is None or self.may_see_automation:
            return self.verdict.findings if self.verdict else ()
        return tuple(map(_without_automation, self.verdict.findings))


def _without_automation(finding: Finding) -> Finding:
    objects = {name: value for name, value in finding.objects.items() if name != "target_name"}
    return replace(finding, objects=objects)


UNKNOWN = LivePreflightResult("unknown")


class PendingPreflight(NamedTuple):
    """A check under way, and until when it is waited for."""

    check: Future[LivePreflightResult]
    until: float


class LivePreflight:
    """Checks at most four jobs at once, so that a slow inventory leaves connections to the rest."""

    def __init__(
        self, pool: Pool, clock: Clock, default_max_lateness_s: int, limit_s: float = LIMIT_S
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._limit_s = limit_s
        self._default_max_lateness_s = default_max_lateness_s
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="live-preflight")

    def begin(
        self, job_id: int, viewer: Principal, draft: Change | None = None
    ) -> PendingPreflight:
        """Start the check, for `finish` to wait for; of the job as `draft` would have it."""
        check = self._threads.submit(self._check, job_id, viewer, self._clock.now(), draft)
        return PendingPreflight(check, time.monotonic() + self._limit_s)

    def finish(self, begun: PendingPreflight) -> LivePreflightResult:
        """The answer, `UNKNOWN` when it does not come in time or the inventory raises."""
        try:
            return begun.check.result(max(0.0, begun.until - time.monotonic()))
        except (TooLate, TriggerWorkerError):
            begun.check.cancel()
            return UNKNOWN

    def close(self) -> None:
        """Begin nothing more; what runs ends by its own limits."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(
        self, job_id: int, viewer: Principal, now: datetime, draft: Change | None
    ) -> LivePreflightResult:
        trigger = Trigger(
            job_id, NAMESPACE, NAMESPACE, TriggerKind.MANUAL, now, now, None, _NOWHERE
        )
        try:
            facts, may_see = self._read(facts_in, job_id, viewer, draft)
        except ViewRaised:
            facts, may_see = self._read(isolated_facts, job_id, viewer, draft)
        (verdict,) = judge([trigger], facts, now, self._default_max_lateness_s)
        known = None if job_id in facts.unreadable else facts  # what is not there may be there
        return LivePreflightResult(
            "passed" if verdict.has_passed else "failed", verdict, known, may_see
        )

    def _read(
        self,
        read: Callable[[Connection, Collection[int], Change | None], Facts],
        job_id: int,
        viewer: Principal,
        draft: Change | None,
    ) -> tuple[Facts, bool | None]:
        """The facts, and whether the viewer may see the job's automation, of one moment."""
        may_see = None
        with self._pool.snapshot() as connection:
            limit_statements(connection, int(self._limit_s * 1000 * _STATEMENT_SHARE))
            facts = read(connection, {job_id}, draft)
            job = facts.jobs.get(job_id)
            if viewer.sees_all_jobs:
                may_see = True
            elif job is not None and job.target_id is not None and viewer.user_id is not None:
                key = (job.job_type, job.target_id)
                users, groups = {viewer.user_id}, set(viewer.group_ids)
                try:
                    grants = select_grants(connection, {key}, users, groups)
                    may_see = any(
                        (grant.job_type, grant.target_id) == key
                        for grant, unclear in grants.items()
                        if not unclear
                    )
                except ViewRaised:
                    may_see = None  # the last read of the transaction, which is over now
            elif viewer.user_id is None:
                may_see = False
        return facts, may_see
