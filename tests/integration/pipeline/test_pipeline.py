"""From the trigger topic to the record and the event, on both brokers (R1, R2, R3, R9)."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from job_trigger_schemas import JobDispatch, TriggerFailure
from tests.support.platform import Platform
from tests.support.rig import Rig, at, trigger
from tests.support.topics import Received
from tests.support.waiting import wait_until

Case = tuple[Callable[[Platform], int], dict[str, object], str, str]


def _missing(_: Platform) -> int:
    return 999_001


def _disabled(platform: Platform) -> int:
    return platform.action_job(enabled=False, id=1001)


def _punctual(platform: Platform) -> int:
    return platform.action_job(id=1002, name="log-backup", max_lateness_s=60)


def _no_automation(platform: Platform) -> int:
    return platform.action_job(target_id=880, id=1003)


def _bad_parameter(platform: Platform) -> int:
    return platform.action_job(parameter={"servers": "db-07"}, id=1004)


def _no_targets(platform: Platform) -> int:
    return platform.workflow_job(parameter={"nodes": []}, id=1005)


def _no_server(platform: Platform) -> int:
    return platform.action_job([(8801, "deploy")], id=1006)


def _offline(platform: Platform) -> int:
    server = platform.server("web-02", "10.0.0.2", state="offline", id=8802)
    return platform.action_job([platform.account(server)], id=1007)


def _off(platform: Platform) -> int:
    server = platform.server("db-07", "10.0.0.7", state="off", id=8803)
    return platform.workflow_job({"2": [platform.account(server)]}, id=1008)


def _no_account(platform: Platform) -> int:
    server = platform.server("web-12", "10.0.0.12", id=8804)
    return platform.action_job([(server, "deploy")], id=1009)


def _no_credential(platform: Platform) -> int:
    server = platform.server("web-13", "10.0.0.13", id=8805)
    account = platform.account(server, "root", credential_id=8806)
    return platform.action_job([account], id=1010)


def _no_owner(platform: Platform) -> int:
    return platform.action_job(owner_id=8807, id=1011)


def _owner_off(platform: Platform) -> int:
    user = platform.user("zhou.jie", enabled=False, id=8808)
    action = platform.action("Rotate logs", id=8809)
    platform.grant("action", action, user=user)
    return platform.action_job(owner_id=user, target_id=action, id=1012)


def _denied(platform: Platform) -> int:
    user = platform.user("wu.lei", id=8810)
    action = platform.action("Rotate logs", id=8811)
    return platform.action_job(owner_id=user, target_id=action, id=1013)


def _fine(platform: Platform) -> int:
    return platform.action_job(id=1014)


CASES: dict[str, Case] = {
    "job_not_found": (_missing, {}, "Job 999001 does not exist.", "job_not_found:job=999001"),
    "job_disabled": (_disabled, {}, "switched off", "job_disabled:job=1001"),
    "expired": (_punctual, {"scheduled_at": at(-3600)}, "late", "expired:job=1002"),
    "automation_not_found": (_no_automation, {}, "880", "automation_not_found:action=880"),
    "parameter_invalid": (_bad_parameter, {}, "servers", "parameter_invalid:job=1004"),
    "no_targets": (_no_targets, {}, "no", "no_targets:job=1005"),
    "server_not_found": (
        _no_server,
        {},
        "Server 8801 (10.0.0.7) does not exist.",
        "server_not_found:server=8801",
    ),
    "server_offline": (
        _offline,
        {},
        "Server 8802 (10.0.0.2, web-02)",
        "server_offline:server=8802",
    ),
    "server_powered_off": (
        _off,
        {},
        "Node 2: Server 8803 (10.0.0.7, db-07) is powered off.",
        "server_powered_off:server=8803",
    ),
    "account_not_found": (
        _no_account,
        {},
        "web-12",
        "account_not_found:server=8804,account=deploy",
    ),
    "credential_not_found": (_no_credential, {}, "root", "credential_not_found:credential=8806"),
    "owner_not_found": (_no_owner, {}, "8807", "owner_not_found:user=8807"),
    "owner_disabled": (_owner_off, {}, "zhou.jie", "owner_disabled:user=8808"),
    "permission_denied": (_denied, {}, "wu.lei", "permission_denied:user=8810,action=8811"),
    "event_invalid": (
        _fine,
        {"scheduled_at": "2026-11-23T10:00:00"},
        "no zone",
        "event_invalid:job=1014",
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_every_failure_code_travels_from_trigger_to_record_job_and_topic(
    rig: Rig, code: str
) -> None:
    build, fields, words, cause = CASES[code]
    with rig.platform() as platform:
        job_id = build(platform)

    rig.fire(trigger(job_id, **fields))

    record = rig.record(job_id)
    assert (record["trigger_status"], record["trigger_code"]) == (2, code)
    assert words in record["trigger_message"]
    assert record["findings"][0]["code"] == code
    assert record["causes"][0] == cause
    event = rig.event(rig.topics.failures, record["execution_id"])
    failure = TriggerFailure.model_validate_json(event.value or b"")
    assert (failure.code, failure.cause) == (code, cause)
    assert failure.message == record["findings"][0]["message"]
    assert failure.job_id == job_id
    assert event.key == str(job_id).encode()
    assert event.header("ce_type") == b"awp.job.trigger-failure.v1"
    for job in rig.rows("select * from awp_automcation_job where id = %s", job_id):
        assert job["trigger_status"] == 2
        assert job["trigger_message"] == record["trigger_message"]
        assert (job["last_execution_id"], job["consecutive_failures"]) == (record["id"], 1)
        assert job["failing_since"] == record["scheduled_at"]


def test_a_check_that_raises_is_an_internal_error_of_its_trigger_alone(rig: Rig) -> None:
    with rig.platform() as platform:
        broken = platform.action_job(id=1100, name="raise in a check")
        fine = platform.action_job(id=1101)

    rig.fire(trigger(broken), trigger(fine))

    assert rig.record(fine)["trigger_status"] == 1
    record = rig.record(broken)
    assert record["trigger_code"] == "internal_error"
    correlation_id = record["findings"][0]["correlation_id"]
    assert correlation_id in record["trigger_message"]
    assert correlation_id in rig.worker.words()
    rig.event(rig.topics.failures, record["execution_id"])


def test_a_job_on_an_action_is_dispatched_to_the_action_service(rig: Rig) -> None:
    with rig.platform() as platform:
        server = platform.server("db-08", "10.0.9.8", id=7001)
        credential = platform.credential(id=7002)
        account = platform.account(server, "财务", credential_id=credential)
        parameter = {
            "servers": [{"server_id": 7001, "ip": "10.0.0.1", "account": "财务"}],
            "script": "/opt/close-books.sh",
        }
        job_id = platform.action_job([account], id=1200, name="每日对账", parameter=parameter)

    rig.fire(
        trigger(
            str(job_id),
            scheduled_at="2026-11-23T18:00:00+08:00",
            kind="manual",
            fired_at=at(),
            trigger_id=str(uuid4()),
        )
    )

    record = rig.record(job_id)
    assert (record["trigger_status"], record["trigger_code"]) == (1, None)
    assert record["trigger_message"] is None
    assert record["findings"] is None
    event = rig.event(rig.topics.dispatch_action, record["execution_id"])
    dispatch = JobDispatch.model_validate_json(event.value or b"")
    assert dispatch.job_id == job_id
    assert dispatch.parameter == parameter
    (target,) = dispatch.targets
    assert (target.server_id, target.ip, target.account) == (7001, "10.0.9.8", "财务")
    assert target.credential_id == 7002
    assert record["targets"] == [
        {"server_id": "7001", "ip": "10.0.9.8", "account": "财务", "credential_id": "7002"}
    ]
    assert event.header("ce_type") == b"awp.job.dispatch.v1"
    assert event.header("ce_id") == str(dispatch.event_id).encode()


def test_a_job_on_a_workflow_is_dispatched_to_orch(rig: Rig) -> None:
    with rig.platform() as platform:
        job_id = platform.workflow_job(id=1201)

    rig.fire(trigger(job_id))

    record = rig.record(job_id)
    event = rig.event(rig.topics.dispatch_orch, record["execution_id"])
    dispatch = JobDispatch.model_validate_json(event.value or b"")
    assert (dispatch.job_type, dispatch.kind) == ("workflow", "schedule")
    assert [target.node_id for target in dispatch.targets] == ["1", "2"]


def test_a_trace_goes_on_from_the_trigger_to_the_record_and_the_event(rig: Rig) -> None:
    with rig.platform() as platform:
        job_id = platform.action_job(id=1202)
    trace_id = "0af7651916cd43dd8448eb211c80319c"

    rig.fire(
        trigger(job_id), headers=[("traceparent", f"00-{trace_id}-b7ad6b7169203331-01".encode())]
    )

    record = rig.record(job_id)
    assert record["trace_id"] == trace_id
    event = rig.event(rig.topics.dispatch_action, record["execution_id"])
    assert trace_id.encode() in (event.header("traceparent") or b"")


def test_a_schedule_that_is_sent_again_with_a_new_id_runs_once(rig: Rig) -> None:
    with rig.platform() as platform:
        job_id = platform.action_job(id=1203)
    slot = at()

    for _ in range(3):
        rig.fire(trigger(job_id, scheduled_at=slot, trigger_id=str(uuid4())))
    rig.fire(trigger(job_id, scheduled_at=at(60)))

    first, second = rig.records(job_id, 2)
    assert (first["duplicate_count"], second["duplicate_count"]) == (2, 0)


def test_a_manual_trigger_is_known_by_its_id(rig: Rig) -> None:
    with rig.platform() as platform:
        job_id = platform.action_job(id=1204)
    mine = trigger(
        job_id,
        kind="manual",
        trigger_id=str(uuid4()),
        scheduled_at=None,
        triggered_by="王芳",
    )

    rig.fire(mine, mine, {**mine, "trigger_id": str(uuid4())})

    records = rig.records(job_id, 2)
    assert sorted(record["duplicate_count"] for record in records) == [0, 1]
    assert {record["trigger_kind"] for record in records} == {"manual"}
    assert {record["triggered_by"] for record in records} == {"王芳"}
    assert mine["trigger_id"] in {str(record["trigger_id"]) for record in records}


def test_the_job_shows_its_newest_slot_whatever_arrives_late(rig: Rig) -> None:
    with rig.platform() as platform:
        job_id = platform.action_job([(7100, "deploy")], id=1205, name="late")
    slots = [at(-300), at(-200), at(-100)]

    rig.fire(trigger(job_id, scheduled_at=slots[2]))
    rig.records(job_id, 1)
    with rig.platform() as platform:
        platform.account(platform.server("back", "10.0.7.1", id=7100))
    rig.fire(trigger(job_id, scheduled_at=slots[0]))
    rig.records(job_id, 2)
    late_success = _job(rig, job_id)
    rig.fire(trigger(job_id, scheduled_at=at(0), kind="canary", trigger_id=str(uuid4())))
    rig.records(job_id, 3)
    canary = _job(rig, job_id)
    rig.fire(trigger(job_id, scheduled_at=at(10)))
    rig.records(job_id, 4)
    newest = _job(rig, job_id)

    for job in (late_success, canary):
        assert (job["trigger_status"], job["consecutive_failures"]) == (2, 1)
    assert (newest["trigger_status"], newest["trigger_message"]) == (1, None)
    assert (newest["consecutive_failures"], newest["failing_since"]) == (0, None)


def test_failures_in_a_row_are_counted_within_a_batch_and_across(rig: Rig) -> None:
    with rig.platform() as platform:
        job_id = platform.action_job([(7200, "deploy")], id=1206)
    slots = [at(-60 + minute) for minute in range(5)]

    rig.fire(*(trigger(job_id, scheduled_at=slot) for slot in slots[:3]))
    rig.records(job_id, 3)
    rig.fire(*(trigger(job_id, scheduled_at=slot) for slot in slots[3:]))
    records = rig.records(job_id, 5)

    job: dict[str, Any] = _job(rig, job_id)
    assert job["consecutive_failures"] == 5
    assert job["failing_since"] == records[0]["scheduled_at"]
    assert job["last_scheduled_at"] - job["failing_since"] == pytest.approx(
        timedelta(seconds=4), abs=timedelta(seconds=1)
    )


def test_rows_that_the_platform_writes_itself_stay_as_they_are(rig: Rig) -> None:
    """R11: history from before, and runs that are started without us."""
    with rig.platform() as platform:
        job_id = platform.action_job(id=1207)
    old = UUID("00000000-0000-4000-8000-000000001207")
    with rig.platform() as platform:
        platform.connection.exec_driver_sql(
            "insert into awp_job_execution (job_id, job_type, execution_id) "
            f"values ({job_id}, 'action', '{old}')"
        )

    rig.fire(trigger(job_id))

    by_id = {str(record["execution_id"]): record for record in rig.records(job_id, 2)}
    row = by_id.pop(str(old))
    assert (row["trigger_status"], row["trigger_message"]) == (None, None)
    assert row["idempotency_key"] is None
    (ours,) = by_id.values()
    assert ours["trigger_status"] == 1


def test_events_of_a_partition_stand_in_the_order_of_their_triggers(rig: Rig) -> None:
    with rig.platform() as platform:
        job_id = platform.action_job(id=1208)
    slots = [at(number) for number in range(200)]

    rig.fire(*(trigger(job_id, scheduled_at=slot) for slot in slots))

    rig.records(job_id, 200)
    sent = wait_until(lambda: _dispatches(rig, b"1208", 200), 20, "200 dispatches")
    assert [json.loads(message.value or b"")["scheduled_at"] for message in sent] == slots


def _job(rig: Rig, job_id: int) -> dict[str, object]:
    (job,) = rig.rows("select * from awp_automcation_job where id = %s", job_id)
    return job


def _dispatches(rig: Rig, key: bytes, count: int) -> list[Received]:
    found = [m for m in rig.collector(rig.topics.dispatch_action).look() if m.key == key]
    return found if len(found) >= count else []
