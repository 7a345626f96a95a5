"""The history list and one record (R7, R8), as a browser gets them."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, writing
from tests.support.pages import HOSTILE, content, page, rows, shows_as_text
from tests.support.sql import execute, value

EXECUTION = "11111111-2222-4333-8444-555555555555"
TRIGGER = "21111111-2222-4333-8444-555555555555"


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


def test_every_record_is_listed_with_what_became_of_it(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
        h.foreign(job)
        h.dispatched(job, "succeeded", slot=NOW - timedelta(minutes=30), duplicate_count=3)
        h.failed(job, slot=NOW - timedelta(minutes=20), trigger_kind="manual")
        h.dispatched(404, "failed", run_message="exit 1", job_name=None)
    found = rows(page(console.signed_in(Role.ADMIN), "/history"))
    assert "Job 404 404 · Action Failed exit 1 Scheduled" in found[0]
    assert (
        f"log-backup {job} · Action Trigger failed Server 7 (10.0.0.7) does not exist." in found[1]
    )
    assert "Manual by common-job claimed 07:40:00 07:40:01 +1 s" in found[1]
    assert "Succeeded – Scheduled 07:30:00 07:30:01 +1 s 3 Details" in found[2]
    assert "Blank – – – – –" in found[3]


def test_the_history_speaks_chinese(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        h.failed(p.action_job())
    answer = page(console.signed_in(Role.ADMIN), "/history", "zh")
    for word in ("触发信息", "状态", "触发失败", "定时", "计划时间"):
        assert word in answer.text


def test_records_are_narrowed(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        one, two = p.action_job(name="one"), p.workflow_job(name="two")
        h.failed(one, slot=NOW - timedelta(hours=3), job_name="one", trigger_id=TRIGGER)
        h.dispatched(two, "running", job_type="workflow", job_name="two", trigger_kind="manual")
    browser = console.signed_in(Role.ADMIN)
    for query, names in {
        f"job={one}": ["one"],
        "status=trigger_failed": ["one"],
        "status=running": ["two"],
        "code=server_not_found": ["one"],
        "cause=server_not_found:server=7": ["one"],
        "kind=manual": ["two"],
        f"trigger={TRIGGER}": ["one"],
        "type=workflow": ["two"],
        "name=o": ["one"],
        "since=2026-11-23T07:00": ["two"],
        "until=2026-11-23T07:00": ["one"],
        "since=2026-11-23T07:00&until=2026-11-23T07:01": [],
    }.items():
        found = rows(page(browser, f"/history?{query}"))
        assert [row.split()[0] for row in found] == names, query
    # The same times in the viewer's own zone.
    browser.cookies.set("awp-zone", "Asia/Shanghai")
    assert [row.split()[0] for row in rows(page(browser, "/history?since=2026-11-23T15:00"))] == [
        "two"
    ]
    for query in ("since=soon", "trigger=1", "job=x", "status=never_run"):
        assert "Not searched" in page(browser, f"/history?{query}").text, query


def test_history_is_paged_to_its_end(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
        for number in range(85):
            h.failed(
                job,
                {"code": "of_later", "message": f"number {number} " + "很长的消息" * 190},
                slot=NOW - timedelta(minutes=100 - number),
            )
    browser = console.signed_in(Role.ADMIN)
    path, seen = f"/history?job={job}", 0
    for count in (40, 40, 5):
        answer = page(browser, path, "zh")
        assert len(rows(answer)) == count
        assert f"number {84 - seen} " in rows(answer)[0]
        seen += count
        path = answer.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert path == ""


def test_an_empty_history_says_what_to_expect(console: Served) -> None:
    browser = console.signed_in(Role.ADMIN)
    assert "Every trigger leaves a record here" in page(browser, "/history").text
    assert "No record matches" in page(browser, "/history?job=1").text


def test_a_failed_record_is_shown_whole(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.workflow_job(name="nightly")
        before = h.dispatched(job, "succeeded", slot=NOW - timedelta(hours=2), job_type="workflow")
        record = h.failed(
            job,
            {
                "code": "server_not_found",
                "message": "Node 2: gone",
                "server_id": "7",
                "node_id": "2",
            },
            {"code": "owner_disabled", "message": "old words", "owner_id": "5", "owner_name": "Li"},
            causes=["server_not_found:server=7", "owner_disabled:user=5"],
            slot=NOW - timedelta(hours=1),
            job_type="workflow",
            execution_id=EXECUTION,
            trigger_id=TRIGGER,
            trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
            targets=json.dumps(
                [{"server_id": "7", "ip": "10.0.0.7", "account": "deploy", "node_id": "2"}]
            ),
        )
        after = h.dispatched(job, "running", job_type="workflow")
    browser = console.signed_in(Role.ADMIN)
    answer = page(browser, f"/history/{record}")
    shown = content(answer)
    assert "Node 2: Server 7 does not exist." in shown
    assert "Edit the job and choose another server." in shown
    assert "User 5 (Li), the job&#39;s owner, is disabled." in shown
    assert "Due (slot) 07:00:00 Fired 07:00:00 +0 ms Decided 07:00:01 +1 s" in shown
    assert "2 7 10.0.0.7 deploy –" in shown
    assert "4bf92f3577b34da6a3ce929d0e0e4736" in shown
    assert TRIGGER in shown
    assert f'rel="prev" href="/history/{before}"' in answer.text
    assert f'rel="next" href="/history/{after}"' in answer.text
    assert "rebuilt from the record" in shown
    assert "The record does not keep: owner.name." in shown
    assert "awp.job.trigger-failures.v1" in shown
    assert "&#34;cause&#34;: &#34;server_not_found:server=7&#34;" in answer.text
    chinese = content(page(browser, f"/history/{record}", "zh"))
    assert "节点 2：服务器 7" in chinese
    assert "根据记录重建" in chinese


def test_a_dispatched_record_says_how_it_went(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
        running = h.dispatched(job, "running", execution_id=EXECUTION)
        silent = h.dispatched(job, slot=NOW - timedelta(minutes=10))
    browser = console.signed_in(Role.ADMIN)
    shown = content(page(browser, f"/history/{running}"))
    assert "Accepted 08:00:00 +4 min 59 s Started 08:00:00 +0 ms Ended not yet" in shown
    assert "awp.dispatch.action.v1" in shown
    assert "The record does not keep: expires_at, parameter, owner.name." in shown
    shown = content(page(browser, f"/history/{silent}"))
    assert "No answer Record before" in shown
    assert "Check whether that service is running" in shown


def test_a_row_written_without_us_stays_blank(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
        record = h.foreign(job)
    shown = content(page(console.signed_in(Role.ADMIN), f"/history/{record}"))
    assert "Blank" in shown
    assert "Written without the worker" in shown
    assert "Outgoing event" not in shown


def test_nothing_that_is_gone_hides_a_record(console: Served, database: str) -> None:
    with writing(database) as (_, h):
        record = h.failed(404, job_name="gone")
    execute(
        database,
        "drop view preflight_server, preflight_account, preflight_owner, console_job_target",
    )
    answer = page(console.signed_in(Role.ADMIN), f"/history/{record}")
    assert "This job is gone" in answer.text
    assert "gone Record" in content(answer)
    assert 'href="/jobs/404"' not in answer.text


def test_a_record_keeps_its_secrets_and_shows_hostile_values_as_text(
    console: Served, database: str
) -> None:
    with writing(database) as (p, h):
        found = {"code": HOSTILE, "message": HOSTILE, "password": "hunter2", "node_id": HOSTILE}
        target = {"server_id": HOSTILE, "ip": HOSTILE, "account": HOSTILE, "api_token": "hunter2"}
        record = h.failed(
            p.action_job(name=HOSTILE),
            found,
            causes=[HOSTILE],
            job_name=HOSTILE,
            triggered_by=HOSTILE,
            targets=json.dumps([target]),
        )
    browser = console.signed_in(Role.ADMIN)
    for path in (f"/history/{record}", "/history"):
        answer = page(browser, path)
        shows_as_text(answer)
        assert "hunter2" not in answer.text


def test_thousands_of_findings_make_no_heavy_page(console: Served, database: str) -> None:
    many = [
        {"code": "server_not_found", "message": "m", "server_id": str(n), "node_id": "节点" * 50}
        for n in range(3000)
    ]
    targets = [{"server_id": str(n), "ip": "10.0.0.7", "account": "账号" * 60} for n in range(3000)]
    with writing(database) as (p, h):
        causes = [f"server_not_found:server={n}" for n in range(3000)]
        record = h.failed(p.action_job(), *many, causes=causes, targets=json.dumps(targets))
    shown = content(page(console.signed_in(Role.ADMIN), f"/history/{record}", "zh"))
    assert "还有 2975 项未显示。" in shown
    assert "还有 2950 项未显示。" in shown


def test_what_one_may_not_see_is_not_there(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        ours, theirs = p.group("ours"), p.group("theirs")
        p.user("li.wei", groups=[ours])
        seen = h.failed(p.action_job(owner_id=p.user("a", groups=[ours])), job_name="seen")
        not_seen = h.failed(p.action_job(owner_id=p.user("b", groups=[theirs])), job_name="other")
        of_nobody = h.failed(404, job_name="gone")
    viewer, admin = console.signed_in(Role.VIEWER), console.signed_in(Role.ADMIN)
    assert [row.split()[0] for row in rows(page(viewer, "/history"))] == ["seen"]
    assert len(rows(page(admin, "/history"))) == 3
    assert viewer.get(f"/history/{seen}").status_code == 200
    for path in (not_seen, of_nobody, "0", "-1", "x", "99999999999999999999", "１"):
        answer = viewer.get(f"/history/{path}")
        assert answer.status_code == 404, path
        assert "There is nothing here" in answer.text
    theirs_job = value(database, f"select job_id from awp_job_execution where id = {not_seen}")
    assert rows(page(viewer, f"/history?job={theirs_job}")) == []
    assert viewer.get(f"/jobs/{theirs_job}").status_code == 404
    assert viewer.get("/jobs/404").status_code == 404


def test_whoever_had_a_trigger_sent_is_told_as_verified_or_claimed(
    console: Served, database: str
) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
        noted = h.dispatched(
            job, trigger_kind="manual", triggered_by="li.wei", triggered_by_verified=True
        )
        forged = h.dispatched(
            job, trigger_kind="manual", triggered_by="root", triggered_by_verified=False
        )
    browser = console.signed_in(Role.ADMIN)
    assert "Manual by li.wei verified" in content(page(browser, f"/history/{noted}"))
    assert "Manual by root claimed" in content(page(browser, f"/history/{forged}"))
    first, second = rows(page(browser, "/history"))
    assert "by root claimed" in first
    assert "by li.wei verified" in second
    assert "由 root 自称" in content(page(browser, f"/history/{forged}", "zh"))
    told = browser.get("/api/v1/executions").json()["items"]
    assert [(e["triggered_by"], e["triggered_by_verified"]) for e in told] == [
        ("root", False),
        ("li.wei", True),
    ]
    detail = browser.get(f"/api/v1/executions/{noted}").json()
    body = detail["event"]["body"]
    assert (body["triggered_by"], body["triggered_by_verified"]) == ("li.wei", True)
    sheet = browser.get("/api/v1/executions/export?format=csv").text.splitlines()
    place = sheet[0].split(",").index("triggered_by_verified")
    assert [line.split(",")[place] for line in sheet[1:]] == ["false", "true"]


def test_a_run_of_which_two_ends_were_told_says_so(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        record = h.dispatched(p.action_job(), "succeeded", execution_id=EXECUTION)
    execute(
        database,
        "insert into awp_execution_contradiction (execution_id, ends, status, message) "
        f"values ('{EXECUTION}', 2, 'failed', 'disk full')",
    )
    browser = console.signed_in(Role.ADMIN)
    shown = content(page(browser, f"/history/{record}"))
    assert "2 other ends were reported for this run, the last: Failed" in shown
    assert "The first end counts." in shown
    assert "Succeeded contradicted" in rows(page(browser, "/history"))[0]
    run = browser.get(f"/api/v1/executions/{record}").json()["run"]
    assert (run["status"], run["other_ends"], run["other_end"]) == ("succeeded", 2, "failed")
