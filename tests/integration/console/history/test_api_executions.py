"""Execution records and failures over the API (R7, R8)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, writing
from tests.support.sql import execute

EXECUTION = "11111111-2222-4333-8444-555555555555"
TRIGGER = "11111111-2222-4333-8444-666666666666"


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


@pytest.fixture
def browser(console: Served) -> Iterator[httpx.Client]:
    with console.signed_in(Role.ADMIN) as browser:
        yield browser


def asked(browser: httpx.Client, path: str) -> Any:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_records_are_listed_and_filtered(browser: httpx.Client, database: str) -> None:
    with writing(database) as (p, h):
        owner = p.user("zhao.min", groups=[p.group("ours", id=70)])
        job, flow = p.action_job(name="rotate-logs", owner_id=owner), p.workflow_job(name="nightly")
        old = h.dispatched(job, "succeeded", slot=NOW - timedelta(hours=3), job_name="rotate-logs")
        bad = h.failed(job, slot=NOW - timedelta(hours=2), trigger_id=TRIGGER)
        odd = h.dispatched(flow, "running", job_type="workflow", trigger_kind="manual")
        gone = h.failed(404, slot=NOW - timedelta(hours=1), causes=["no_targets"])
    for query, ids in {
        "": [gone, odd, bad, old],
        "job=404": [gone],
        f"job={job}": [bad, old],
        "status=running": [odd],
        "status=trigger_failed": [gone, bad],
        "code=server_not_found": [gone, bad],
        "cause=no_targets": [gone],
        "kind=manual": [odd],
        f"trigger={TRIGGER}": [bad],
        "type=workflow": [odd],
        "name=rotate": [bad, old],
        f"owner={owner}": [bad, old],
        "group=70": [bad, old],
        "since=2026-11-23T07:00:00Z": [gone, odd],
        "since=2026-11-23T15:00:00%2B08:00": [gone, odd],
        "until=2026-11-23T05:30:00Z": [old],
        "q=does not exist": [gone, bad],
    }.items():
        found = asked(browser, f"/api/v1/executions?{query}")
        assert [each["id"] for each in found["items"]] == [str(each) for each in ids], query
    found = asked(browser, "/api/v1/executions?limit=3")
    rest = asked(browser, f"/api/v1/executions?limit=3&after={found['next']}")
    assert [each["id"] for each in rest["items"]] == [str(old)]
    assert rest["next"] is None
    failed = asked(browser, "/api/v1/failures")
    assert [each["id"] for each in failed["items"]] == [str(gone), str(bad)]
    assert browser.get("/api/v1/failures?status=running").status_code == 422


def test_a_record_is_told_whole(browser: httpx.Client, database: str) -> None:
    finding = {
        "code": "server_not_found",
        "message": "Server 7 (10.0.0.7) does not exist.",
        "server_id": 7,
        "ip": "10.0.0.7",
        "api_token": "geheim",
    }
    with writing(database) as (p, h):
        job = p.action_job(name="rotate-logs")
        first = h.dispatched(job, slot=NOW - timedelta(hours=3))
        bad = h.failed(
            job,
            finding,
            {"code": "later_code", "message": "Told by a later version."},
            slot=NOW - timedelta(hours=2),
            execution_id=EXECUTION,
            targets='[{"server_id": 7, "ip": "10.0.0.7", "account": "deploy", "node_id": null}]',
            trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        )
        last = h.foreign(job)
    found = asked(browser, f"/api/v1/executions/{bad}")
    assert found == asked(browser, f"/api/v1/executions/{EXECUTION}")
    assert (found["status"], found["has_job"], found["owner_id"]) == ("trigger_failed", True, "1")
    assert (found["previous_id"], found["next_id"]) == (str(first), str(last))
    assert found["findings"] == [
        {
            "code": "server_not_found",
            "message": "Server 7 (10.0.0.7) does not exist.",
            "remedy": found["findings"][0]["remedy"],
            "server_id": "7",
            "ip": "10.0.0.7",
            "api_token": "••••••",
        },
        {"code": "later_code", "message": "Told by a later version.", "remedy": ""},
    ]
    assert found["targets"] == [
        {
            "node_id": None,
            "action_id": None,
            "server_id": "7",
            "ip": "10.0.0.7",
            "account": "deploy",
            "credential_id": None,
        }
    ]
    event = found["event"]
    assert (event["topic"], event["key"]) == ("awp.job.trigger-failures.v1", str(job))
    assert event["body"]["findings"][0]["server_id"] == "7"
    assert "geheim" not in str(found)
    assert event["missing"] == ["owner.name"]
    assert found["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    chinese = browser.get(f"/api/v1/executions/{bad}", headers={"Accept-Language": "zh"}).json()
    assert "不存在" in chinese["findings"][0]["message"]
    assert chinese["message"].startswith("Server 7 (10.0.0.7) does not exist.")


def test_a_record_of_another_version_still_has_its_event(
    browser: httpx.Client, database: str
) -> None:
    with writing(database) as (p, h):
        bad = h.failed(p.action_job())
    execute(
        database,
        "update awp_job_execution set trigger_id = null,"
        ' findings = \'[{"code": "later_code", "server_id": 7}]\','
        f" trigger_code = 'later_code', trigger_message = 'Told by it.' where id = {bad}",
    )
    found = asked(browser, f"/api/v1/executions/{bad}")["event"]
    body = found["body"]
    assert (body["code"], body["message"]) == ("later_code", "Told by it.")
    assert body["findings"] == [{"code": "later_code", "message": "Told by it.", "server_id": "7"}]
    assert body["trigger_id"] is None
    assert browser.get(f"/history/{bad}").status_code == 200


def test_a_row_of_the_platforms_own_is_told_too(browser: httpx.Client, database: str) -> None:
    with writing(database) as (_, h):
        blank = h.foreign(404, execution_id=None, job_type=None)
    found = asked(browser, f"/api/v1/executions/{blank}")
    assert (found["status"], found["event"], found["has_job"]) == ("blank", None, False)
    assert (found["scheduled_at"], found["kind"], found["findings"]) == (None, None, [])
    for unknown in (blank + 1, "0", "x", EXECUTION, "11111111-2222-4333-8444-zzzzzzzzzzzz"):
        assert browser.get(f"/api/v1/executions/{unknown}").status_code == 404


def test_failures_are_summed_up(browser: httpx.Client, database: str) -> None:
    with writing(database) as (p, h):
        one, two = p.action_job(name="one"), p.action_job(name="two")
        h.failed(one, slot=NOW - timedelta(hours=2))
        h.failed(one, slot=NOW - timedelta(minutes=50))
        newest = h.failed(two, slot=NOW - timedelta(minutes=10))
        h.dispatched(one, "succeeded", slot=NOW - timedelta(minutes=5))
        h.failed(
            two,
            {"code": "no_targets", "message": "Nothing to run on."},
            causes=["no_targets"],
            slot=NOW - timedelta(days=2),
        )
    found = asked(browser, "/api/v1/failures/causes?since=2026-11-23T00:00:00Z")
    (cause,) = found["items"]
    assert (cause["cause"], cause["code"]) == ("server_not_found:server=7", "server_not_found")
    assert (cause["jobs"], cause["triggers"], cause["newest_id"]) == (2, 3, str(newest))
    assert cause["first_at"] == "2026-11-23T06:00:01Z"
    assert (found["total"], found["window"]["read"]) == (1, 3)
    assert asked(browser, "/api/v1/failures/causes")["total"] == 2
    assert len(asked(browser, "/api/v1/failures/causes?limit=1")["items"]) == 1

    standing = asked(browser, "/api/v1/failures/causes/standing")
    assert [(each["cause"], each["jobs"]) for each in standing["items"]] == [
        ("server_not_found:server=7", 1)
    ]
    path = "/api/v1/failures/causes/jobs?cause=server_not_found:server=7"
    broken = asked(browser, path)
    assert [(each["job_id"], each["triggers"], each["is_broken"]) for each in broken["items"]] == [
        (str(two), 1, True),
        (str(one), 2, False),
    ]
    first = asked(browser, f"{path}&limit=1")
    rest = asked(browser, f"{path}&limit=1&after={first['next']}")
    assert [each["job_id"] for each in first["items"] + rest["items"]] == [str(two), str(one)]
    assert asked(browser, "/api/v1/failures/causes/jobs?cause=unheard-of")["items"] == []
    assert browser.get("/api/v1/failures/causes/jobs").status_code == 422

    codes = asked(browser, "/api/v1/failures/codes")
    assert codes["items"] == [
        {"code": "server_not_found", "jobs": 2, "triggers": 3},
        {"code": "no_targets", "jobs": 1, "triggers": 1},
    ]
    span = "since=2026-11-23T06:00:00Z&until=2026-11-23T08:00:00Z"
    steps = asked(browser, f"/api/v1/failures/buckets?{span}&step_s=3600")
    assert steps["items"] == [
        {"start": "2026-11-23T06:00:00Z", "by_code": {"server_not_found": 1}},
        {"start": "2026-11-23T07:00:00Z", "by_code": {"server_not_found": 2}},
    ]
    steps = asked(browser, f"/api/v1/failures/buckets?{span}&step_s=3600&job={one}")
    assert [each["by_code"] for each in steps["items"]] == [{"server_not_found": 1}] * 2
    assert len(asked(browser, "/api/v1/failures/buckets")["items"]) == 48


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        ("executions?since=2026-11-23", "since", "A time has a zone, as in 2026-11-23T08:00:00Z"),
        ("executions?until=1999-11-23T08:00:00Z", "until", "A time must lie in"),
        ("executions?since=2026-11-23T08:00:00+08:00", "since", "A time has a zone"),
        ("executions?status=never_run", "status", "Choose one of: 'trigger_failed', 'failed'"),
        ("executions?trigger=17", "trigger", "This id has 32 hexadecimal digits."),
        ("failures/buckets?step_s=1", "step_s", "This makes more than 2000 steps"),
        ("failures/buckets?until=2026-11-22T00:00:00Z&since=2026-11-23T00:00:00Z", "until", "This"),
        ("failures/codes?until=2026-11-23T00:00:00Z&since=2026-11-23T00:00:00Z", "until", "This"),
        ("failures/causes/jobs?cause=a&after=eHh4", "after", "This is not a `next` of this list"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(
    browser: httpx.Client, path: str, name: str, message: str
) -> None:
    answer = browser.get(f"/api/v1/{path}")
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["name"] == name
    assert fault["message"].startswith(message)
