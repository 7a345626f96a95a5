"""A fault of ours concerns one trigger, and can be found again."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from worker.domain.inventory import Job
from worker.domain.messages import sentence
from worker.domain.parameter import parse
from worker.domain.trigger import Origin, Trigger, TriggerKind
from worker.domain.verdict import Finding
from worker.preflight.checks import CHECKS, Circumstances
from worker.preflight.facts import Facts
from worker.preflight.runner import judge

NOW = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
JOBS = {
    job_id: Job(job_id, "job", "action", None, None, True, "{}", None, 1) for job_id in (1, 2, 3)
}
FACTS = Facts(
    jobs=JOBS,
    parameters={job_id: parse("action", "{}") for job_id in JOBS},
    servers={},
    accounts={},
    credentials={},
    owners={},
    automations={},
    grants=set(),
)
FOUND = ["automation_not_found", "no_targets", "owner_not_found"]


def trigger(job_id: int) -> Trigger:
    key = UUID(int=job_id)
    return Trigger(job_id, key, key, TriggerKind.MANUAL, NOW, NOW, None, Origin(1, job_id))


def trips_on_two(
    _trigger: Trigger, job: Job, _facts: Facts, _at: Circumstances
) -> Sequence[Finding]:
    if job.job_id == 2:
        raise ZeroDivisionError("by design")
    return ()


def test_an_exception_in_a_check_is_an_internal_error_of_that_trigger_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        first, second, third = judge(
            [trigger(1), trigger(2), trigger(3)], FACTS, NOW, 3600, checks=(trips_on_two, *CHECKS)
        )
    assert [finding.code for finding in first.findings] == FOUND
    assert [finding.code for finding in third.findings] == FOUND
    assert [finding.code for finding in second.findings] == [*FOUND, "internal_error"]
    fault = second.findings[-1]
    assert fault.cause == "internal_error:check=trips_on_two"
    (line,) = caplog.records
    assert line.message == "check_raised"
    assert line.exc_info is not None
    assert line.exc_info[0] is ZeroDivisionError
    correlation_id = fault.objects["correlation_id"]
    assert line.__dict__["correlation_id"] == correlation_id
    assert line.__dict__["job_id"] == 2
    assert UUID(str(correlation_id))
    assert sentence(fault, "en").endswith(f"under {correlation_id}.")


def test_verdicts_stand_in_the_order_of_triggers() -> None:
    judged = list(judge([trigger(3), trigger(99), trigger(1)], FACTS, NOW, 3600))
    assert [verdict.job and verdict.job.job_id for verdict in judged] == [3, None, 1]


def test_facts_that_lack_a_parameter_are_a_fault_of_ours_and_pass_nobody() -> None:
    (verdict,) = judge([trigger(1)], replace(FACTS, parameters={}), NOW, 3600)
    assert "internal_error" in [finding.code for finding in verdict.findings]
    assert verdict.targets == ()


def test_no_triggers_are_no_verdicts() -> None:
    assert list(judge([], FACTS, NOW, 3600)) == []
