"""From a trigger and its verdict to a record with its event. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from job_trigger_worker.config import Language
from job_trigger_worker.domain import messages
from job_trigger_worker.domain.cause import cause
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.fast_tuples import new
from job_trigger_worker.domain.record import Record
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.domain.trigger import UNSIGNED_REPLAY, Trigger
from job_trigger_worker.domain.verdict import Finding, Verdict
from job_trigger_worker.pipeline import events

_SMALL = 4096


@dataclass(frozen=True, slots=True)
class OutcomeBuilder:
    """Makes records: dispatched where the verdict has passed, failed where it has not."""

    topics: Topics
    language: Language

    def record(self, trigger: Trigger, verdict: Verdict, decided_at: datetime) -> Record:
        """The record of a trigger.

        A dispatch too large to be sent is a `parameter_invalid` failure.
        """
        if not verdict.has_passed:
            return self._failed(trigger, verdict, decided_at)
        targets = events.render_targets(verdict.targets)
        event = events.dispatch(self.topics, trigger, verdict, decided_at, targets)
        if event is None:
            job = verdict.job
            size = len(targets) + len(job.parameter or "" if job else "")
            refused = Verdict(
                (events.too_large(trigger.job_id, size),), verdict.targets, job, verdict.owner_name
            )
            return self._failed(trigger, refused, decided_at)
        slim = _slim(verdict)
        return new(Record, (trigger, slim, decided_at, None, None, None, None, targets, event))

    def invalid(self, trigger: Trigger, problem: str, decided_at: datetime) -> Record:
        """The `event_invalid` record of a trigger that cannot be used, for the sake of its job."""
        objects: dict[str, str | int | None] = {"job_id": str(trigger.job_id), "problem": problem}
        if problem == UNSIGNED_REPLAY:
            objects["reason"] = "unsigned_replay"
        finding = Finding(
            FailureCode.EVENT_INVALID,
            objects,
            cause(FailureCode.EVENT_INVALID, job=trigger.job_id),
        )
        return self._failed(trigger, Verdict((finding,), (), None), decided_at)

    def bare(self, trigger: Trigger, problem: str, decided_at: datetime) -> Record:
        """As `invalid`, with nothing else of the trigger than its job, its key and its place.

        Its slot is the moment of decision: a table may have no partition for the one it names.
        """
        stripped = trigger._replace(
            scheduled_at=decided_at, fired_at=decided_at, triggered_by=None, trace_id=None
        )
        return self.invalid(stripped, problem, decided_at)

    def _failed(self, trigger: Trigger, verdict: Verdict, decided_at: datetime) -> Record:
        findings = [messages.as_json(finding, self.language) for finding in verdict.findings]
        event = events.failure(self.topics, trigger, verdict, decided_at, findings)
        return Record(
            trigger,
            _slim(verdict),
            decided_at,
            verdict.findings[0].code,
            messages.summary(verdict.findings, self.language, omitted=verdict.omitted),
            orjson.dumps(findings).decode(),
            verdict.causes,
            events.render_targets(verdict.targets) if verdict.targets else None,
            event,
        )


def _slim(verdict: Verdict) -> Verdict:
    """A verdict without what its record has in another form; a small one as it is."""
    job = verdict.job
    if job is None or len(verdict.targets) + len(job.parameter or "") <= _SMALL:
        return verdict
    return verdict._replace(
        findings=(), targets=(), more_causes=(), job=job._replace(parameter=None)
    )
