"""A fault of ours concerns one trigger, and can be found again."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from job_trigger_worker.domain.inventory import (
    Account,
    Automation,
    Credential,
    Grant,
    Job,
    Owner,
    Server,
    ServerState,
)
from job_trigger_worker.domain.messages import sentence
from job_trigger_worker.domain.parameter import Parameter, parse
from job_trigger_worker.domain.trigger import Origin, Trigger, TriggerKind
from job_trigger_worker.domain.verdict import Finding, Target
from job_trigger_worker.logs import Event
from job_trigger_worker.preflight.checks import CHECKS, Circumstances
from job_trigger_worker.preflight.facts import Facts
from job_trigger_worker.preflight.runner import judge

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
    key = str(UUID(int=job_id))
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
    assert isinstance(line.msg, Event)
    assert line.msg.word == "check_raised"
    assert line.exc_info is not None
    assert line.exc_info[0] is ZeroDivisionError
    correlation_id = fault.objects["correlation_id"]
    assert line.msg.fields["correlation_id"] == correlation_id
    assert line.msg.fields["job_id"] == 2
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


def test_of_very_many_findings_the_first_of_each_code_are_made_and_the_others_counted() -> None:
    servers = {n: Server(n, f"db-{n}", None, ServerState.OFFLINE) for n in range(1, 31)}
    parameter = Parameter(tuple(Target(n, None, "deploy") for n in range(1, 51)))
    facts = replace(FACTS, parameters={1: parameter}, servers=servers)

    (whole,) = judge([trigger(1)], facts, NOW, 3600)
    (bounded,) = judge([trigger(1)], facts, NOW, 3600, most_findings=10)

    codes = [str(finding.code) for finding in whole.findings]
    assert codes[:21] == ["automation_not_found", *["server_not_found"] * 20]
    assert codes.count("server_offline") == 30
    assert codes.count("account_not_found") == 30  # on the servers that are there
    assert bounded.findings == whole.findings[:10]
    assert len(bounded.findings) + bounded.omitted == len(whole.findings)
    assert set(bounded.causes) == set(whole.causes)
    assert bounded.causes[:2] == whole.causes[:2]
    assert whole.causes[1] == "server_not_found:server=31"
    assert (whole.omitted, whole.more_causes) == (0, ())


class Broken(dict[Any, Any]):
    """Raises for the one key that job 2 needs."""

    def get(self, key: Any, default: Any = None) -> Any:
        if key in {2, (2, "deploy")}:
            raise ZeroDivisionError("by design")
        return super().get(key, default)


@pytest.mark.parametrize("lacking", ["servers", "accounts", "owners"])
def test_facts_that_raise_when_they_are_looked_at_cost_their_trigger_alone(
    lacking: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also in the one look that sound triggers are given, and in what a run is sent with."""
    jobs = {
        n: Job(
            n,
            "job",
            "action",
            9,
            n,
            True,
            f"""{{"servers": [
            {{"server_id": {n}, "account": "deploy"}}]}}""",
            None,
            1,
        )
        for n in (1, 2, 3)
    }
    facts = Facts(
        jobs=jobs,
        parameters={n: parse("action", job.parameter) for n, job in jobs.items()},
        servers={n: Server(n, "db", "10.0.0.1", ServerState.ON) for n in jobs},
        accounts={(n, "deploy"): Account(n, "deploy", True, 3) for n in jobs},
        credentials={3: Credential(3, "password", True)},
        owners={n: Owner(n, "wang.fang", True, ()) for n in jobs},
        automations={("action", 9): Automation("action", 9, "Rotate logs", True)},
        grants={Grant("user", n, "action", 9) for n in jobs},
    )
    broken: Any = {lacking: Broken(getattr(facts, lacking))}
    facts = replace(facts, **broken)

    first, second, third = judge([trigger(1), trigger(2), trigger(3)], facts, NOW, 3600)

    assert (first.findings, third.findings) == ((), ())
    assert {finding.code for finding in second.findings} == {"internal_error"}
    words = {line.msg.word for line in caplog.records if isinstance(line.msg, Event)}
    assert words == {"fast_path_raised", "check_raised"}
