"""The demo platform's jobs and common-job's list: what a stranger is promised to see."""

import json
from collections import Counter
from datetime import UTC, datetime

from job_trigger_worker.demo import inventory as demo_inventory
from job_trigger_worker.demo import jobs as demo_jobs
from job_trigger_worker.demo import plan as demo_plan
from job_trigger_worker.demo.platform import POWER_SERVERS

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def jobs_that_name(server_id: int) -> list[demo_jobs.Job]:
    needle = f'"server_id": {server_id},'
    return [job for job in demo_jobs.jobs().values() if needle in json.dumps(job.parameter)]


def test_there_are_200_jobs_of_both_types_with_names_of_their_own() -> None:
    jobs = demo_jobs.jobs()
    assert list(jobs) == list(range(1, 201))
    assert Counter(job.job_type for job in jobs.values()) == {"action": 145, "workflow": 55}
    assert len({job.name for job in jobs.values()}) == 200


def test_the_list_is_the_same_in_every_run() -> None:
    assert demo_jobs.jobs() == demo_jobs.jobs()


def test_one_dead_server_breaks_31_jobs_of_both_types() -> None:
    broken = jobs_that_name(7)
    assert Counter(job.job_type for job in broken) == {"action": 19, "workflow": 12}
    assert all(row["id"] != 7 for row in demo_inventory.rows()["awp_server"])


def test_one_workflow_has_two_broken_nodes() -> None:
    job = demo_jobs.jobs()[17]
    targets = [
        (node["node_id"], node["servers"][0]["server_id"], node["servers"][0]["account"])
        for node in job.parameter["nodes"]
    ]
    assert (job.name, job.job_type) == ("log-backup", "workflow")
    assert targets == [("1", 2, "postgres"), ("2", 7, "postgres"), ("3", 91, "archive")]


def test_one_job_has_a_chinese_name_and_a_chinese_account() -> None:
    job = demo_jobs.jobs()[118]
    assert job.name == "每日对账"
    assert job.parameter["servers"] == [{"server_id": 3, "ip": "10.0.0.3", "account": "财务"}]


def test_each_server_that_can_be_powered_off_breaks_many_jobs() -> None:
    assert [len(jobs_that_name(server_id)) for server_id in POWER_SERVERS] == [24, 11, 9]


def test_n_triggers_are_n_different_firings() -> None:
    firings = list(demo_plan.exactly(1000, NOON))
    slots = {(f.job_id, f.trigger.scheduled_at) for f in firings if f.trigger}
    without_zone = [f.raw for f in firings if f.raw]
    assert len(firings) == 1000
    assert len(slots) == 996
    assert without_zone == [
        b'{"job_id":"150","scheduled_at":"2026-11-20T12:00:00"}',
        b'{"job_id":"150","scheduled_at":"2026-11-20T12:00:00.001000"}',
        b'{"job_id":"150","scheduled_at":"2026-11-20T12:00:00.002000"}',
        b'{"job_id":"150","scheduled_at":"2026-11-20T12:00:00.003000"}',
    ]


def test_one_job_is_fired_two_hours_late_and_allows_a_quarter_of_an_hour() -> None:
    late = [
        f.trigger
        for f in demo_plan.exactly(202, NOON)
        if f.trigger and f.trigger.scheduled_at != f.trigger.fired_at
    ]
    assert [trigger.scheduled_at for trigger in late] == [datetime(2026, 11, 20, 10, tzinfo=UTC)]
    assert demo_jobs.jobs()[late[0].job_id].max_lateness_s == 900
