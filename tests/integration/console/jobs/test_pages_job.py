"""The job detail (R5): what is saved, and what is there now, whatever is gone."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from job_trigger_worker.console.shared.live_preflight import LIMIT_S
from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, change_job, writing
from tests.support.pages import HOSTILE, content, page, rows, shows_as_text
from tests.support.platform_types import redefine
from tests.support.sql import execute, session
from tests.support.waiting import wait_until

UNKNOWN_TARGETS = (
    "What this job was saved with cannot be read, so nobody knows which servers it names."
)


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


@pytest.fixture
def hasty(database: str) -> Iterator[Served]:
    """A console that waits for the inventory no longer than it does for people."""
    with serving(database, clock=FrozenClock(), inventory_limit_s=LIMIT_S) as served:
        yield served


def test_a_healthy_job_is_shown_beside_what_is_there(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        server = p.server("web-12", "10.0.1.12")
        job = p.action_job([p.account(server)], name="rotate-logs")
        h.dispatched(job, "succeeded")
    change_job(database, job, schedule="*/10 * * * *", updated_at=NOW - timedelta(days=1))
    answer = page(console.signed_in(Role.ADMIN), f"/jobs/{job}")
    shown = content(answer)
    assert f"rotate-logs {job} Succeeded" in shown
    assert "It could start now" in shown
    assert "*/10 * * * * UTC" in shown
    assert "08:10:00 , 08:20:00 , 08:30:00 , 08:40:00 , 08:50:00" in shown
    # As saved, then as it is.
    assert rows(answer, "Targets") == [f"{server} 10.0.0.7 deploy On web-12 10.0.1.12"]
    assert "Succeeded" in rows(answer, "History")[0]


def test_each_target_says_what_became_of_it(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        off, offline = p.server("db-07", state="off"), p.server("db-08", state="offline")
        on, unclear = p.server("db-09"), p.server("db-10", state="unknown")
        job = p.workflow_job(
            {
                "copy": [p.account(off), p.account(offline), (on, "gone")],
                "check": [(777, "deploy"), p.account(unclear), p.account(on)],
            },
            name="nightly",
        )
        h.failed(job, slot=NOW - timedelta(hours=1), job_type="workflow")
    answer = page(console.signed_in(Role.ADMIN), f"/jobs/{job}")
    found = rows(answer, "Targets")
    assert "It could not start now" in answer.text
    assert found[0].startswith(
        f"copy {off} 10.0.0.7 deploy Powered off db-07 Server {off} (10.0.0.7"
    )
    assert "Power the server on" in found[0]
    assert found[1].startswith(f"copy {offline} 10.0.0.7 deploy Out of service db-08")
    assert f"copy {on} 10.0.0.7 gone On db-09 Account &#39;gone&#39;" in found[2]
    assert found[3].startswith("check 777 10.0.0.7 deploy No longer exists Server 777")
    assert "does not know its state" in found[4]
    assert found[5] == f"check {on} 10.0.0.7 deploy On db-09 10.0.0.7".removesuffix(" 10.0.0.7")
    assert "Failures in the last 7 days" in answer.text
    assert '<rect class="series-1"' in answer.text
    chinese = content(page(console.signed_in(Role.ADMIN), f"/jobs/{job}", "zh"))
    for word in ("现在无法启动", "已关机", "已下线", "已不存在", "保存的内容"):
        assert word in chinese


def test_owner_automation_and_parameter_may_be_gone(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job([], owner_id=99, target_id=98)
        bare = p.job(parameter=None, owner_id=None, target_id=None)
        odd = p.job("robot", parameter="[1, 2]")
        twice = p.action_job([(1, "a"), (1, "a")])
    browser = console.signed_in(Role.ADMIN)
    shown = content(page(browser, f"/jobs/{job}"))
    assert "Action 98 does not exist." in shown
    assert "User 99, the job&#39;s owner, does not exist." in shown
    assert "names no server" in shown
    shown = content(page(browser, f"/jobs/{bare}"))
    assert f"Job {bare} (log-backup) has no owner." in shown
    assert "has no parameter" in shown
    assert "action or workflow is allowed." in content(page(browser, f"/jobs/{odd}"))
    assert "a second time at servers[1]" in content(page(browser, f"/jobs/{twice}"))


def test_what_cannot_be_read_is_told_as_that_and_not_as_gone(
    console: Served, database: str
) -> None:
    with writing(database) as (p, _):
        odd = p.job("robot", parameter={"servers": []})
        none = p.job(parameter={"servers": []}, owner_id=None, target_id=None)
    browser = console.signed_in(Role.ADMIN)

    shown = content(page(browser, f"/jobs/{odd}"))
    assert "Now Action or workflow Cannot be read Owner" in shown
    assert f"Targets {UNKNOWN_TARGETS}" in shown
    assert "No longer exists" not in shown
    answer = browser.get(f"/api/v1/jobs/{odd}").json()
    assert answer["automation"]["now"] == "not_checked"

    shown = content(page(browser, f"/jobs/{none}"))
    assert "Now Action or workflow Not set Owner Not set" in shown
    assert "Targets 0 This job names no server." in shown


def test_a_parameter_that_is_no_json_does_not_name_no_server(
    console: Served, database: str
) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    said = "cast('x' as text)"
    redefine(database, "preflight_job", {"paramter": said, "owner_id": said, "target_id": said})
    browser = console.signed_in(Role.ADMIN)
    shown = content(page(browser, f"/jobs/{job}"))
    assert "Now Action or workflow Cannot be read Owner Cannot be read" in shown
    assert f"Targets {UNKNOWN_TARGETS}" in shown
    assert "names no server" not in shown
    chinese = content(page(browser, f"/jobs/{job}", "zh"))
    assert "此任务保存的内容无法读取，因此无从知道它指定了哪些服务器。" in chinese


def test_a_viewer_without_the_automation_still_sees_the_job(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        group = p.group("ours")
        p.user("li.wei", groups=[group])
        owner = p.user("owner", groups=[group])
        action = p.action("Restricted action")
        p.grant("action", action, user=owner)
        job = p.action_job(target_id=action, owner_id=owner)
        denied = p.action_job(target_id=p.action("Restricted action"), owner_id=owner)
    viewer, admin = console.signed_in(Role.VIEWER), console.signed_in(Role.ADMIN)
    shown = content(page(viewer, f"/jobs/{denied}"))
    assert "may not use action" in shown
    assert "Restricted action" not in shown
    shown = content(page(viewer, f"/jobs/{job}"))
    assert "No permission" in shown
    assert "It could start now" in shown
    assert "Restricted action" not in shown
    assert "Restricted action" in content(page(admin, f"/jobs/{job}"))
    execute(
        database,
        f"insert into awp_automation_grant (principal_kind, principal_id, job_type, target_id)"
        f" values ('group', {group}, 'action', {action})",
    )
    assert "Restricted action" in content(page(viewer, f"/jobs/{job}"))


@pytest.mark.parametrize("view", ["preflight_server", "preflight_owner", "preflight_grant"])
def test_without_the_inventory_it_could_not_check(
    console: Served, database: str, view: str
) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
        h.failed(job)
    execute(database, f"drop view {view}")
    answer = page(console.signed_in(Role.ADMIN), f"/jobs/{job}")
    assert "Could not check" in content(answer)
    assert rows(answer, "Targets") == ["1 10.0.0.7 deploy Could not check"]
    assert "Server 7 (10.0.0.7) does not exist." in content(answer)


def test_an_inventory_that_does_not_answer_costs_a_second(hasty: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    browser = hasty.signed_in(Role.ADMIN)
    page(browser, f"/jobs/{job}")
    with session(database) as holder, holder.cursor() as cursor:
        cursor.execute("lock table awp_server in access exclusive mode")
        began = time.monotonic()
        answer = page(browser, f"/jobs/{job}")
        took_s = time.monotonic() - began
    assert "Could not check" in content(answer)
    assert 0.5 < took_s < 1.5  # waited for it, and not for long; the machine may be busy
    again = "It could start now"
    wait_until(lambda: again in content(page(browser, f"/jobs/{job}")), 10, again)


def test_saved_values_that_do_not_come_cost_no_second_more(hasty: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    browser = hasty.signed_in(Role.ADMIN)
    page(browser, f"/jobs/{job}")
    for view in ("preflight_job", "console_job_target"):
        execute(database, f"alter view {view} rename to quick_{view}")
        execute(
            database,
            f"create view {view} as select * from quick_{view} where pg_sleep(5) is not null",
        )
    began = time.monotonic()
    answer = page(browser, f"/jobs/{job}")
    took_s = time.monotonic() - began
    assert "Could not check" in content(answer)
    assert "Not available" in content(answer)
    assert 0.5 < took_s < 1.5  # waited for it, and not for long; the machine may be busy


def test_what_is_saved_is_told_even_without_the_job_view(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    execute(database, "drop view preflight_job")
    browser = console.signed_in(Role.ADMIN)
    assert rows(page(browser, f"/jobs/{job}"), "Targets") == ["1 deploy Could not check"]
    execute(database, "drop view console_job_target")
    assert "Not available" in content(page(browser, f"/jobs/{job}"))


def test_a_job_that_is_gone_leaves_its_history(console: Served, database: str) -> None:
    with writing(database) as (_, h):
        h.failed(404, job_name="nightly")
    browser = console.signed_in(Role.ADMIN)
    shown = content(page(browser, "/jobs/404"))
    assert "nightly 404 This job is gone" in shown
    assert "Server 7 (10.0.0.7) does not exist." in shown
    for path in ("/jobs/405", "/jobs/x", "/jobs/0"):
        assert browser.get(path).status_code == 404


def test_what_a_job_holds_is_shown_as_text_and_without_its_secrets(
    console: Served, database: str
) -> None:
    with writing(database) as (p, h):
        server = p.server(HOSTILE, HOSTILE)
        entry = {"server_id": server, "ip": HOSTILE, "account": HOSTILE}
        parameter = {"servers": [entry], "note": HOSTILE, "api_token": "hunter2"}
        job = p.job(parameter=parameter, name=HOSTILE, owner_id=p.user(HOSTILE))
        h.failed(job, {"code": HOSTILE, "message": HOSTILE}, job_name=HOSTILE, causes=[HOSTILE])
    change_job(database, job, schedule=HOSTILE, timezone="../" + HOSTILE)
    execute(
        database,
        "insert into awp_console_change (login, object_kind, object_id, action)"
        f" values ('<script>alert(1)</script>', 'job', '{job}', 'edit')",
    )
    answer = page(console.signed_in(Role.ADMIN), f"/jobs/{job}")
    shows_as_text(answer)
    assert "hunter2" not in answer.text
    assert "••••••" in answer.text
    assert "cannot be read" in answer.text


def test_a_job_on_thousands_of_servers_makes_no_heavy_page(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        targets = [(number, "账号" * 40) for number in range(1, 3001)]
        job = p.workflow_job({"节点" * 60: targets}, name="名" * 5000)
        for minutes in range(12):
            h.failed(
                job,
                {"code": "server_not_found", "message": "不存在" * 300},
                slot=NOW - timedelta(minutes=minutes),
                job_type="workflow",
            )
    answer = page(console.signed_in(Role.ADMIN), f"/jobs/{job}", "zh")
    assert len(rows(answer, "目标")) == 60
    assert "还有 2940 项未显示。" in answer.text


def test_a_job_that_never_ran_says_so(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job(enabled=False)
    shown = content(page(console.signed_in(Role.ADMIN), f"/jobs/{job}"))
    assert "It has never run." in shown
    assert "is switched off" in shown
