"""Each failure code on facts made by hand; a verdict has every finding, in the order of codes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from job_trigger_worker.domain.codes import FailureCode
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
from job_trigger_worker.domain.verdict import Finding, Target, Verdict
from job_trigger_worker.preflight.facts import Facts
from job_trigger_worker.preflight.runner import judge

NOW = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
ACTION_PARAMETER = """{"servers": [{"server_id": 7, "ip": "10.9.9.9", "account": "deploy"},
                                    {"server_id": 8, "ip": "10.0.0.8", "account": "root"}]}"""
WORKFLOW_PARAMETER = """{"nodes": [
    {"node_id": "1", "action_id": 31,
     "servers": [{"server_id": 7, "ip": "10.0.0.7", "account": "deploy"}]},
    {"node_id": "2", "action_id": 32,
     "servers": [{"server_id": 8, "ip": "10.0.0.8", "account": "root"},
                 {"server_id": 7, "ip": "10.0.0.7", "account": "deploy"}]}]}"""
JOB = Job(17, "log-backup", "action", 9, 5, True, ACTION_PARAMETER, None, 1)
WORKFLOW_JOB = JOB._replace(job_type="workflow", target_id=4, parameter=WORKFLOW_PARAMETER)
HEALTHY = Facts(
    jobs={},
    parameters={},
    servers={
        7: Server(7, "db-07", "10.0.0.7", ServerState.ON),
        8: Server(8, "web-08", "10.0.0.8", ServerState.UNKNOWN),
    },
    accounts={
        (7, "deploy"): Account(7, "deploy", True, 3),
        (8, "root"): Account(8, "root", True, 4),
    },
    credentials={3: Credential(3, "password", True), 4: Credential(4, "key", True)},
    owners={5: Owner(5, "wang.fang", True, (70, 71))},
    automations={
        ("action", 9): Automation("action", 9, "Rotate logs", True),
        ("workflow", 4): Automation("workflow", 4, "Nightly", True),
    },
    grants={Grant("user", 5, "action", 9), Grant("group", 71, "workflow", 4)},
    canaries={17},
)


def trigger(
    kind: TriggerKind = TriggerKind.SCHEDULE, late_s: float = 0, job_id: int = 17
) -> Trigger:
    at = NOW - timedelta(seconds=late_s)
    return Trigger(job_id, str(UUID(int=1)), str(UUID(int=2)), kind, at, at, None, Origin(1, 0))


def verdict(job: Job = JOB, facts: Facts = HEALTHY, fired: Trigger | None = None) -> Verdict:
    parameter = parse(job.job_type, job.parameter)
    facts = replace(facts, jobs={job.job_id: job}, parameters={job.job_id: parameter})
    (judged,) = judge([fired or trigger()], facts, NOW, 3600)
    return judged


def only(judged: Verdict) -> Finding:
    (finding,) = judged.findings
    return finding


def causes(judged: Verdict) -> list[str]:
    return [finding.cause for finding in judged.findings]


def server(**changes: Any) -> Facts:
    return replace(HEALTHY, servers={**HEALTHY.servers, 7: HEALTHY.servers[7]._replace(**changes)})


def test_a_healthy_action_job_passes_with_what_the_inventory_has_now() -> None:
    judged = verdict()
    assert judged.has_passed
    assert judged.targets == (
        Target(7, "10.0.0.7", "deploy", 3),
        Target(8, "10.0.0.8", "root", 4),
    )
    assert judged.job == JOB
    assert judged.owner_name == "wang.fang"


def test_a_healthy_workflow_job_passes_with_its_nodes() -> None:
    judged = verdict(WORKFLOW_JOB)
    assert judged.has_passed
    assert judged.targets == (
        Target(7, "10.0.0.7", "deploy", 3, "1", 31),
        Target(8, "10.0.0.8", "root", 4, "2", 32),
        Target(7, "10.0.0.7", "deploy", 3, "2", 32),
    )


def test_a_job_that_does_not_exist() -> None:
    judged = verdict(fired=trigger(job_id=99))
    assert judged == Verdict(
        (Finding(FailureCode.JOB_NOT_FOUND, {"job_id": "99"}, "job_not_found:job=99"),), (), None
    )


def test_a_job_that_is_switched_off() -> None:
    assert only(verdict(JOB._replace(enabled=False))) == Finding(
        FailureCode.JOB_DISABLED,
        {"job_id": "17", "job_name": "log-backup"},
        "job_disabled:job=17",
    )


@pytest.mark.parametrize(
    ("kind", "max_lateness_s", "late_s", "is_expired"),
    [
        (TriggerKind.SCHEDULE, None, 3600, False),
        (TriggerKind.SCHEDULE, None, 3600.001, True),
        (TriggerKind.SCHEDULE, None, -5, False),
        (TriggerKind.SCHEDULE, 60, 61, True),
        (TriggerKind.SCHEDULE, 86400, 7200, False),
        (TriggerKind.SCHEDULE, 0, 0, False),
        (TriggerKind.SCHEDULE, 0, 1, True),
        (TriggerKind.MANUAL, None, 1e7, False),
        (TriggerKind.MANUAL, 60, 61, True),
        (TriggerKind.CANARY, None, 1e7, False),
        (TriggerKind.CANARY, 60, 61, True),
        (TriggerKind.REPLAY, None, 1e7, False),
        (TriggerKind.REPLAY, 60, 1e7, False),
    ],
)
def test_how_late_a_trigger_may_be(
    kind: TriggerKind, max_lateness_s: int | None, late_s: float, is_expired: bool
) -> None:
    judged = verdict(JOB._replace(max_lateness_s=max_lateness_s), fired=trigger(kind, late_s))
    assert causes(judged) == (["expired:job=17"] if is_expired else [])


@pytest.mark.parametrize(
    ("kind", "max_lateness_s", "seconds"),
    [
        (TriggerKind.SCHEDULE, None, 3600),
        (TriggerKind.SCHEDULE, 60, 60),
        (TriggerKind.SCHEDULE, 10**12, None),
        (TriggerKind.MANUAL, None, None),
        (TriggerKind.MANUAL, 60, 60),
        (TriggerKind.REPLAY, 60, None),
    ],
)
def test_a_run_is_over_so_long_after_its_slot(
    kind: TriggerKind, max_lateness_s: int | None, seconds: int | None
) -> None:
    fired = trigger(kind, late_s=5)
    judged = verdict(JOB._replace(max_lateness_s=max_lateness_s), fired=fired)
    end = None if seconds is None else fired.scheduled_at + timedelta(seconds=seconds)
    assert judged.expires_at == end


def test_a_canary_runs_no_job_that_the_platform_does_not_mark() -> None:
    unmarked = replace(HEALTHY, canaries=frozenset())
    judged = only(verdict(facts=unmarked, fired=trigger(TriggerKind.CANARY)))
    assert (judged.code, judged.cause) == (FailureCode.EVENT_INVALID, "event_invalid:job=17")
    assert causes(verdict(facts=unmarked, fired=trigger(TriggerKind.MANUAL))) == []


def test_an_expired_trigger_says_how_late_it_was() -> None:
    assert only(verdict(fired=trigger(late_s=7512.6))).objects == {
        "job_id": "17",
        "job_name": "log-backup",
        "scheduled_at": "2026-11-02T00:54:47.400000Z",
        "lateness_s": 7512,
        "max_lateness_s": 3600,
    }


def test_an_action_that_is_gone_is_one_finding_without_a_word_of_permission() -> None:
    facts = replace(HEALTHY, automations={}, grants=set())
    assert only(verdict(facts=facts)) == Finding(
        FailureCode.AUTOMATION_NOT_FOUND,
        {"job_type": "action", "target_id": "9"},
        "automation_not_found:action=9",
    )


def test_an_action_that_is_switched_off() -> None:
    off = Automation("action", 9, "Rotate logs", False)
    finding = only(verdict(facts=replace(HEALTHY, automations={("action", 9): off})))
    assert finding.cause == "automation_not_found:action=9"
    assert finding.objects["reason"] == "disabled"
    assert finding.objects["target_name"] == "Rotate logs"


def test_a_job_that_names_no_automation() -> None:
    finding = only(verdict(JOB._replace(target_id=None)))
    assert finding.cause == "automation_not_found:job=17"
    assert finding.objects["reason"] == "unset"


@pytest.mark.parametrize("value", ["script", None])
def test_a_job_of_another_type_is_what_is_wrong_and_nothing_follows_from_it(
    value: str | None,
) -> None:
    job = JOB._replace(job_type=value or "", unclear=["job_type", value])
    finding = only(verdict(job, replace(HEALTHY, grants=set())))
    assert finding == Finding(
        FailureCode.INVENTORY_INVALID,
        {
            "job_id": "17",
            "job_name": "log-backup",
            "reason": "job",
            "view": "preflight_job",
            "column": "job_type",
            "value": value,
        },
        "inventory_invalid:view=preflight_job,job_id=17",
    )


@pytest.mark.parametrize(
    "job",
    [
        JOB._replace(enabled=False, unclear=["enabled", None]),
        JOB._replace(target_id=None, unclear=["target_id", "A9"]),
        JOB._replace(owner_id=None, unclear=["owner_id", "U5"]),
    ],
    ids=["enabled", "target_id", "owner_id"],
)
def test_what_is_not_clear_of_a_job_is_not_told_as_something_else(job: Job) -> None:
    finding = only(verdict(job))
    assert (finding.code, finding.objects["reason"]) == ("inventory_invalid", "job")
    assert [finding.objects["column"], finding.objects["value"]] == job.unclear


UNCLEAR: dict[str, tuple[dict[str, Any], str]] = {
    "server": (
        {"servers": {7: Server(7, "db-07", None, ServerState.UNKNOWN, ["state", "Asleep"])}},
        "view=preflight_server,server_id=7",
    ),
    "account": (
        {"accounts": {(7, "deploy"): Account(7, "deploy", False, 3, ["enabled", None])}},
        "view=preflight_account,server_id=7,account=deploy",
    ),
    "account with an id that is none": (
        {"accounts": {(7, "deploy"): Account(7, "deploy", True, None, ["credential_id", "V3"])}},
        "view=preflight_account,server_id=7,account=deploy",
    ),
    "credential": (
        {"credentials": {3: Credential(3, "key", False, ["usable", "maybe"])}},
        "view=preflight_credential,credential_id=3",
    ),
    "owner": (
        {"owners": {5: Owner(5, "wang.fang", False, (70,), ["enabled", "2"])}},
        "view=preflight_owner,owner_id=5",
    ),
    "automation": (
        {"automations": {("action", 9): Automation("action", 9, "x", False, ["enabled", None])}},
        "view=preflight_automation,action=9",
    ),
    "automation of a type that is none": (
        {"automations": {("", 9): Automation("", 9, "x", True, ["job_type", "Aktion"])}},
        "view=preflight_automation,action=9",
    ),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_is_not_clear_of_a_row_is_the_one_finding_and_names_it(case: str) -> None:
    changes, root = UNCLEAR[case]
    parameter = '{"servers": [{"server_id": 7, "account": "deploy"}]}'
    finding = only(verdict(JOB._replace(parameter=parameter), replace(HEALTHY, **changes)))
    assert finding.code == "inventory_invalid"
    assert finding.cause == f"inventory_invalid:{root}"
    assert finding.objects["reason"] == case.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    ("grant", "columns", "code"),
    [
        (Grant("role", 5, "action", 9), ["principal_kind", "role"], "inventory_invalid"),
        (Grant("", 71, "action", 9), ["principal_kind", None], "inventory_invalid"),
        (Grant("user", 5, "Aktion", 9), ["job_type", "Aktion"], "inventory_invalid"),
        (Grant("group", 5, "Aktion", 9), ["job_type", "Aktion"], "permission_denied"),
        (Grant("role", 5, "workflow", 9), ["principal_kind", "role"], "permission_denied"),
        (Grant("role", 5, "action", 8), ["principal_kind", "role"], "permission_denied"),
    ],
)
def test_a_grant_that_is_not_clear_grants_nothing_and_is_named_where_it_may_be_the_one(
    grant: Grant, columns: list[str | None], code: str
) -> None:
    facts = replace(HEALTHY, grants=set(), unclear_grants={grant: columns})
    finding = only(verdict(JOB, facts))
    assert finding.code == code
    if code == "inventory_invalid":
        assert finding.objects["view"] == "preflight_grant"
        assert finding.objects["owner_name"] == "wang.fang"


def test_a_grant_that_is_clear_is_enough() -> None:
    unclear = {Grant("role", 5, "action", 9): ["principal_kind", "role"]}
    assert verdict(JOB, replace(HEALTHY, unclear_grants=unclear)).has_passed


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        (None, "parameter_invalid"),
        ("null", "parameter_invalid"),
        ("[]", "parameter_invalid"),
        ("{}", "no_targets"),
        ('{"servers": []}', "no_targets"),
    ],
)
def test_a_parameter_that_cannot_be_used(parameter: str | None, code: str) -> None:
    finding = only(verdict(JOB._replace(parameter=parameter)))
    assert finding.code == code
    assert finding.cause == f"{code}:job=17"
    assert finding.objects["job_id"] == "17"


def test_targets_around_a_problem_are_still_judged() -> None:
    parameter = (
        '{"servers": [{"server_id": "x", "account": "a"}, {"server_id": 99, "account": "a"}]}'
    )
    assert causes(verdict(JOB._replace(parameter=parameter))) == [
        "parameter_invalid:job=17",
        "server_not_found:server=99",
    ]


def test_a_server_that_is_gone_is_one_finding_with_the_saved_ip() -> None:
    facts = replace(HEALTHY, servers={8: HEALTHY.servers[8]}, accounts={}, credentials={})
    judged = verdict(facts=facts)
    assert judged.findings[0] == Finding(
        FailureCode.SERVER_NOT_FOUND,
        {"server_id": "7", "ip": "10.9.9.9"},
        "server_not_found:server=7",
    )
    assert causes(judged)[1:] == ["account_not_found:server=8,account=root"]
    assert judged.targets == (
        Target(7, "10.9.9.9", "deploy", None),
        Target(8, "10.0.0.8", "root", None),
    )


@pytest.mark.parametrize(
    ("state", "code"),
    [(ServerState.OFF, "server_powered_off"), (ServerState.OFFLINE, "server_offline")],
)
def test_a_server_that_is_down(state: ServerState, code: str) -> None:
    finding = only(verdict(facts=server(state=state)))
    assert finding == Finding(
        FailureCode(code),
        {"server_id": "7", "ip": "10.0.0.7", "server_name": "db-07"},
        f"{code}:server=7",
    )


def test_a_server_of_unknown_state_is_no_finding() -> None:
    assert verdict(facts=server(state=ServerState.UNKNOWN)).has_passed


def test_a_saved_ip_that_differs_is_no_finding() -> None:
    judged = verdict(facts=server(ip="10.77.7.7"))
    assert judged.has_passed
    assert judged.targets[0].ip == "10.77.7.7"


def test_the_account_of_a_server_that_is_down_is_judged_too() -> None:
    facts = replace(
        server(state=ServerState.OFF), accounts={(8, "root"): Account(8, "root", True, 4)}
    )
    assert causes(verdict(facts=facts)) == [
        "server_powered_off:server=7",
        "account_not_found:server=7,account=deploy",
    ]


def test_a_server_with_two_accounts_is_told_once() -> None:
    parameter = """{"servers": [{"server_id": 7, "account": "deploy"},
                                {"server_id": 7, "account": "root"}]}"""
    facts = replace(HEALTHY, servers={})
    assert causes(verdict(JOB._replace(parameter=parameter), facts)) == [
        "server_not_found:server=7"
    ]


def account(row: Account | None) -> Facts:
    accounts = {key: value for key, value in HEALTHY.accounts.items() if key[0] == 8}
    return replace(HEALTHY, accounts=accounts | ({(7, "deploy"): row} if row else {}))


def test_an_account_that_does_not_exist() -> None:
    assert only(verdict(facts=account(None))) == Finding(
        FailureCode.ACCOUNT_NOT_FOUND,
        {"server_id": "7", "ip": "10.0.0.7", "server_name": "db-07", "account": "deploy"},
        "account_not_found:server=7,account=deploy",
    )


def test_an_account_that_is_switched_off() -> None:
    finding = only(verdict(facts=account(Account(7, "deploy", False, 3))))
    assert finding.code is FailureCode.ACCOUNT_NOT_FOUND
    assert finding.objects["reason"] == "disabled"


def test_an_account_without_a_credential() -> None:
    finding = only(verdict(facts=account(Account(7, "deploy", True, None))))
    assert finding.cause == "credential_not_found:server=7,account=deploy"
    assert finding.objects["reason"] == "unset"


def test_a_credential_that_does_not_exist() -> None:
    finding = only(verdict(facts=account(Account(7, "deploy", True, 999))))
    assert finding.cause == "credential_not_found:credential=999"
    assert finding.objects == {
        "server_id": "7",
        "ip": "10.0.0.7",
        "server_name": "db-07",
        "account": "deploy",
        "credential_id": "999",
    }


def test_a_credential_that_cannot_be_used() -> None:
    credentials = {**HEALTHY.credentials, 3: Credential(3, "password", False)}
    finding = only(verdict(facts=replace(HEALTHY, credentials=credentials)))
    assert finding.cause == "credential_not_found:credential=3"
    assert finding.objects["reason"] == "unusable"


def test_a_job_without_an_owner() -> None:
    finding = only(verdict(JOB._replace(owner_id=None)))
    assert finding.cause == "owner_not_found:job=17"
    assert finding.objects["reason"] == "unset"


def test_an_owner_that_is_gone_is_one_finding_without_a_word_of_permission() -> None:
    judged = verdict(facts=replace(HEALTHY, owners={}, grants=set()))
    assert only(judged) == Finding(
        FailureCode.OWNER_NOT_FOUND, {"owner_id": "5"}, "owner_not_found:user=5"
    )
    assert judged.owner_name is None


def test_an_owner_that_is_disabled() -> None:
    owners = {5: Owner(5, "wang.fang", False, ())}
    assert only(verdict(facts=replace(HEALTHY, owners=owners))) == Finding(
        FailureCode.OWNER_DISABLED,
        {"owner_id": "5", "owner_name": "wang.fang"},
        "owner_disabled:user=5",
    )


@pytest.mark.parametrize(
    "grants",
    [
        set(),
        {Grant("user", 6, "action", 9)},
        {Grant("user", 5, "action", 10)},
        {Grant("user", 5, "workflow", 9)},
        {Grant("group", 5, "action", 9)},
        {Grant("user", 70, "action", 9)},
        {Grant("group", 72, "action", 9)},
    ],
)
def test_an_owner_without_permission(grants: set[Grant]) -> None:
    assert only(verdict(facts=replace(HEALTHY, grants=grants))) == Finding(
        FailureCode.PERMISSION_DENIED,
        {
            "owner_id": "5",
            "owner_name": "wang.fang",
            "job_type": "action",
            "target_id": "9",
            "target_name": "Rotate logs",
        },
        "permission_denied:user=5,action=9",
    )


def test_permission_comes_from_the_user_or_from_any_group() -> None:
    for grant in (
        Grant("user", 5, "action", 9),
        Grant("group", 70, "action", 9),
        Grant("group", 71, "action", 9),
    ):
        assert verdict(facts=replace(HEALTHY, grants={grant})).has_passed


def test_a_workflow_with_two_broken_nodes_names_both() -> None:
    facts = replace(HEALTHY, servers={8: HEALTHY.servers[8]})
    judged = verdict(WORKFLOW_JOB, facts)
    assert [(f.objects["node_id"], f.cause) for f in judged.findings] == [
        ("1", "server_not_found:server=7"),
        ("2", "server_not_found:server=7"),
    ]


def test_everything_that_is_wrong_is_told_in_the_order_of_codes() -> None:
    parameter = """{"servers": [{"server_id": 6, "ip": "10.0.0.6", "account": "a"},
        {"server_id": 8, "account": "nobody"}, {"server_id": 7, "account": "deploy"},
        {"server_id": 9, "account": "a"}, {"account": "a"}]}"""
    job = JOB._replace(enabled=False, parameter=parameter, max_lateness_s=60)
    facts = replace(
        HEALTHY,
        servers={
            7: Server(7, "db-07", "10.0.0.7", ServerState.OFF),
            8: Server(8, "web-08", "10.0.0.8", ServerState.ON),
            9: Server(9, "web-09", "10.0.0.9", ServerState.OFFLINE),
        },
        accounts={
            (7, "deploy"): Account(7, "deploy", True, 3),
            (9, "a"): Account(9, "a", True, 4),
        },
        credentials={4: Credential(4, "key", True)},
        owners={5: Owner(5, "wang.fang", False, ())},
        automations={("action", 9): Automation("action", 9, "Rotate logs", False)},
        grants=set(),
    )
    assert causes(verdict(job, facts, trigger(late_s=61))) == [
        "job_disabled:job=17",
        "expired:job=17",
        "automation_not_found:action=9",
        "parameter_invalid:job=17",
        "server_not_found:server=6",
        "server_offline:server=9",
        "server_powered_off:server=7",
        "account_not_found:server=8,account=nobody",
        "credential_not_found:credential=3",
        "owner_disabled:user=5",
        "permission_denied:user=5,action=9",
    ]
