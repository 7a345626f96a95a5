"""What is seen at one look is what the checks find one by one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from job_trigger_worker.domain.parameter import parse
from job_trigger_worker.domain.trigger import Origin, Trigger, TriggerKind
from job_trigger_worker.domain.verdict import MOST_FINDINGS, Target, Verdict
from job_trigger_worker.preflight.checks import CHECKS, Circumstances
from job_trigger_worker.preflight.facts import Facts
from job_trigger_worker.preflight.fast_path import passed
from job_trigger_worker.preflight.runner import judge

NOW = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
ON_BOTH = """{"servers": [{"server_id": 7, "ip": "10.9.9.9", "account": "deploy"},
                          {"server_id": 8, "ip": "10.9.9.8", "account": "root"}]}"""
IN_A_NODE = """{"nodes": [{"node_id": "n1", "action_id": 31,
                           "servers": [{"server_id": 8, "account": "root"}]}]}"""
JOB = Job(17, "log-backup", "action", 9, 5, True, ON_BOTH, None, 1)
WORKFLOW = JOB._replace(job_type="workflow", parameter=IN_A_NODE)
HEALTHY = Facts(
    jobs={},
    parameters={},
    servers={
        7: Server(7, "db-07", "10.0.0.7", ServerState.ON),
        8: Server(8, "web-08", "10.0.0.8", ServerState.ON),
    },
    accounts={
        (7, "deploy"): Account(7, "deploy", True, 3),
        (8, "root"): Account(8, "root", True, 4),
    },
    credentials={3: Credential(3, "password", True), 4: Credential(4, "key", True)},
    owners={5: Owner(5, "wang.fang", True, (70, 71))},
    automations={
        ("action", 9): Automation("action", 9, "Rotate logs", True),
        ("workflow", 9): Automation("workflow", 9, "Nightly", True),
    },
    grants={Grant("user", 5, "action", 9), Grant("group", 71, "workflow", 9)},
)
SERVER, ACCOUNT, KEY = HEALTHY.servers[8], HEALTHY.accounts[8, "root"], HEALTHY.credentials[4]
OWNER, AUTOMATION = HEALTHY.owners[5], HEALTHY.automations["action", 9]
UNCLEAR = ("a column", "?")


def trigger(kind: TriggerKind = TriggerKind.SCHEDULE, late_s: float = 1) -> Trigger:
    key, slot = str(UUID(int=1)), NOW - timedelta(seconds=late_s)
    return Trigger(17, key, key, kind, slot, slot, None, Origin(1, 0))


def about(job: Job, facts: Facts) -> Facts:
    return replace(facts, jobs={17: job}, parameters={17: parse(job.job_type, job.parameter)})


def at_one_look(fired: Trigger, job: Job, facts: Facts) -> Verdict | None:
    return passed(fired, job, about(job, facts), Circumstances(NOW, 3600, MOST_FINDINGS))


def one_by_one(fired: Trigger, job: Job, facts: Facts) -> Verdict:
    """What the checks say: a list of them is judged without the one look."""
    (verdict,) = judge([fired], about(job, facts), NOW, 3600, checks=list(CHECKS))
    return verdict


ENDS_BY_DEFAULT = NOW - timedelta(seconds=1) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("fired", "job", "expires_at"),
    [
        (trigger(), JOB, ENDS_BY_DEFAULT),
        (trigger(late_s=3600), JOB, NOW),
        (trigger(late_s=59), JOB._replace(max_lateness_s=60), NOW + timedelta(seconds=1)),
        (trigger(late_s=9_999), JOB._replace(max_lateness_s=10**15), None),
        (trigger(TriggerKind.MANUAL, late_s=9_999), JOB, None),
        (trigger(TriggerKind.REPLAY, late_s=9_999), JOB._replace(max_lateness_s=60), None),
    ],
)
def test_a_sound_job_passes_with_its_targets_and_its_end(
    fired: Trigger, job: Job, expires_at: datetime | None
) -> None:
    targets = (
        Target(7, "10.0.0.7", "deploy", 3),
        Target(8, "10.0.0.8", "root", 4),
    )
    assert at_one_look(fired, job, HEALTHY) == Verdict((), targets, job, "wang.fang", expires_at)
    assert one_by_one(fired, job, HEALTHY) == at_one_look(fired, job, HEALTHY)


def test_a_workflow_whose_owners_group_is_granted_it_passes() -> None:
    targets = (Target(8, "10.0.0.8", "root", 4, "n1", 31),)
    verdict = Verdict((), targets, WORKFLOW, "wang.fang", ENDS_BY_DEFAULT)

    assert at_one_look(trigger(), WORKFLOW, HEALTHY) == verdict
    assert one_by_one(trigger(), WORKFLOW, HEALTHY) == verdict


@pytest.mark.parametrize(
    ("fired", "job"),
    [
        (trigger(late_s=3601), JOB),
        (trigger(late_s=61), JOB._replace(max_lateness_s=60)),
        (trigger(TriggerKind.MANUAL, late_s=61), JOB._replace(max_lateness_s=60)),
        (trigger(TriggerKind.CANARY), JOB),
        (trigger(), JOB._replace(enabled=False)),
        (trigger(), JOB._replace(unclear=UNCLEAR)),
        (trigger(), JOB._replace(job_type="script", unclear=("job_type", "script"))),
        (trigger(), JOB._replace(target_id=None)),
        (trigger(), JOB._replace(target_id=10)),
        (trigger(), JOB._replace(owner_id=None)),
        (trigger(), JOB._replace(owner_id=6)),
        (trigger(), JOB._replace(parameter=None)),
        (trigger(), JOB._replace(parameter="{}")),
        (trigger(), JOB._replace(parameter=ON_BOTH.replace("8,", '"eight",'))),
    ],
)
def test_what_is_wrong_with_a_trigger_or_its_job_is_left_to_the_checks(
    fired: Trigger, job: Job
) -> None:
    assert one_by_one(fired, job, HEALTHY).findings
    assert at_one_look(fired, job, HEALTHY) is None


@pytest.mark.parametrize(
    "rows",
    [
        {"servers": {7: HEALTHY.servers[7]}},
        {"servers": {**HEALTHY.servers, 8: SERVER._replace(state=ServerState.OFF)}},
        {"servers": {**HEALTHY.servers, 8: SERVER._replace(state=ServerState.OFFLINE)}},
        {
            "servers": {
                **HEALTHY.servers,
                8: SERVER._replace(state=ServerState.UNKNOWN, unclear=UNCLEAR),
            }
        },
        {"accounts": {(7, "deploy"): HEALTHY.accounts[7, "deploy"]}},
        {"accounts": {**HEALTHY.accounts, (8, "root"): ACCOUNT._replace(enabled=False)}},
        {"accounts": {**HEALTHY.accounts, (8, "root"): ACCOUNT._replace(credential_id=None)}},
        {"accounts": {**HEALTHY.accounts, (8, "root"): ACCOUNT._replace(credential_id=5)}},
        {"credentials": {**HEALTHY.credentials, 4: KEY._replace(usable=False)}},
        {"credentials": {3: HEALTHY.credentials[3]}},
        {"owners": {}},
        {"owners": {5: OWNER._replace(enabled=False)}},
        {"automations": {}},
        {"automations": {("action", 9): AUTOMATION._replace(enabled=False)}},
        {"grants": set()},
        {"grants": {Grant("user", 70, "action", 9), Grant("group", 5, "action", 9)}},
        {"grants": {Grant("user", 5, "workflow", 9), Grant("user", 5, "action", 8)}},
    ],
)
def test_what_is_wrong_with_a_row_is_left_to_the_checks(rows: dict[str, Any]) -> None:
    facts = replace(HEALTHY, **rows)

    assert one_by_one(trigger(), JOB, facts).findings
    assert at_one_look(trigger(), JOB, facts) is None


def test_a_type_that_nobody_knows_does_not_pass_at_one_look() -> None:
    job = JOB._replace(job_type="script")
    facts = replace(
        HEALTHY,
        automations={("script", 9): Automation("script", 9, "Rotate logs", True)},
        grants={Grant("user", 5, "script", 9)},
    )
    assert at_one_look(trigger(), job, facts) is None


@pytest.mark.parametrize(
    "lacking", [lambda facts: replace(facts, parameters={}), lambda facts: replace(facts, jobs={})]
)
def test_facts_that_lack_something_are_left_to_the_checks(
    lacking: Callable[[Facts], Facts],
) -> None:
    facts = lacking(about(JOB, HEALTHY))
    (verdict,) = judge([trigger()], facts, NOW, 3600)

    assert verdict.findings
