"""The job list, as a browser gets it (R4)."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, change_job, writing
from tests.support.pages import HOSTILE, content, page, rows, said, shows_as_text
from tests.support.sql import execute


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def console(database: str, clock: FrozenClock) -> Iterator[Served]:
    with serving(database, clock=clock) as served:
        yield served


def test_trouble_stands_first_with_its_sentence(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        fine, broken, silent = p.action_job(name="fine"), p.action_job(name="broken"), p.job()
        h.dispatched(fine, "succeeded")
        h.dispatched(broken, "succeeded", slot=NOW - timedelta(hours=2))
        for minutes in (30, 20):
            h.failed(broken, slot=NOW - timedelta(minutes=minutes))
        h.dispatched(silent, slot=NOW - timedelta(minutes=6))
        never = p.action_job(name="never")
    answer = page(console.signed_in(Role.ADMIN), "/jobs")
    found = rows(answer)
    assert [f"broken {broken} · Action" in found[0], f"{silent} · Action" in found[1]] == [True] * 2
    assert (
        "Trigger failed Server 7 (10.0.0.7) does not exist. 2 in a row · last success" in found[0]
    )
    assert "07:40:00 +1 s" in found[0]
    assert "No answer" in found[1]
    assert "Dispatched 5 min 59 s ago; the action service has not answered." in found[1]
    assert "Succeeded" in found[2]
    assert f"never {never} · Action Never run" in found[3]
    counts = answer.text.partition('<ul class="counts">')[2].partition("</ul>")[0]
    assert said(counts) == "Trigger failed 1 No answer 1 Succeeded 1 Never run 1"
    broken_block = answer.text.partition('class="broken"')[2].partition("</section>")[0]
    assert "1 job" in broken_block
    assert "Server 7 (10.0.0.7) does not exist." in broken_block
    assert "cause=server_not_found%3Aserver%3D7" in broken_block


def test_a_sentence_stored_in_english_is_said_in_chinese_in_every_list(
    console: Served, database: str
) -> None:
    with writing(database) as (p, h):
        job = p.action_job(name="broken")
        gone = [
            {
                "code": "server_not_found",
                "message": f"Server {number} (10.0.0.7) does not exist.",
                "server_id": str(number),
                "ip": "10.0.0.7",
            }
            for number in range(7, 12)
        ]
        h.failed(job, *gone)
    browser = console.signed_in(Role.ADMIN)
    sentence = (
        "服务器 7（10.0.0.7）不存在。服务器 8（10.0.0.7）不存在。服务器 9（10.0.0.7）不存在。"
        "……还有 2 项。"
    )
    for path in ("/jobs", "/history", f"/jobs/{job}", "/failures"):
        answer = page(browser, path, "zh")
        assert sentence in answer.text, path
        assert "does not exist" not in answer.text, path
    broken = "/failures/jobs?cause=server_not_found%3Aserver%3D7"
    of_cause = content(page(browser, broken, "zh"))
    assert "服务器 7（10.0.0.7）不存在。" in of_cause
    assert "服务器 8" not in of_cause  # which is another cause
    assert "does not exist" not in of_cause


def test_it_speaks_chinese_throughout(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job(name="每日对账")
        h.failed(
            job, {"code": "server_not_found", "message": "服务器 7 不存在。", "server_id": "7"}
        )
        h.dispatched(p.workflow_job(), job_type="workflow", slot=NOW - timedelta(minutes=7))
    answer = page(console.signed_in(Role.ADMIN), "/jobs", "zh-CN,zh;q=0.9")
    assert answer.headers["content-language"] == "zh"
    found = rows(answer)
    assert "触发失败 服务器 7 不存在。 连续 1 次 · 近期没有成功" in found[0]
    assert "orch 服务尚未应答" in found[1]
    assert "执行状态" in answer.text
    assert "1 个任务" in answer.text
    assert "More filters" not in answer.text


def test_schedules_say_next_and_overdue(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        late, fresh, off, odd = (
            p.action_job(name=name) for name in ("late", "fresh", "off", "odd")
        )
        h.dispatched(late, "succeeded", slot=NOW - timedelta(minutes=20))
        h.dispatched(fresh, "succeeded", slot=NOW - timedelta(minutes=10))
    old = NOW - timedelta(days=3)
    for job in (late, fresh):
        change_job(database, job, schedule="*/10 * * * *", updated_at=old)
    change_job(database, off, schedule="* * * * *", enabled=False, updated_at=old)
    change_job(database, odd, schedule="every day", timezone="Asia/Shanghai", updated_at=old)
    found = {
        row.split()[0]: row for row in rows(page(console.signed_in(Role.ADMIN), "/jobs?sort=id"))
    }
    # 08:00 is due right now: its trigger may be on its way. 07:50 never came for `late`.
    assert "Overdue" in found["late"]
    assert "Overdue" not in found["fresh"]
    assert "08:10:00" in found["fresh"]
    assert "switched off" in found["off"]
    assert "Overdue" not in found["off"]
    assert "Overdue" not in found["odd"]


def test_a_slot_is_shown_in_the_jobs_zone(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
        h.dispatched(job, "succeeded", slot=NOW - timedelta(minutes=10))
    change_job(database, job, schedule="0 2 * * *", timezone="Asia/Shanghai")
    (found,) = rows(page(console.signed_in(Role.ADMIN), "/jobs"))
    assert "15:50:00" in found
    assert "11-24 02:00 Asia/Shanghai" in found


def test_names_and_messages_are_shown_as_text(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job(name=HOSTILE, owner_id=p.user(HOSTILE))
        h.failed(job, {"code": "server_not_found", "message": HOSTILE}, causes=[HOSTILE])
        other = p.action_job(name="other")
        h.dispatched(other, HOSTILE)
    browser = console.signed_in(Role.ADMIN)
    for path in ("/jobs", "/jobs?" + str(httpx.QueryParams({"q": HOSTILE, "cause": HOSTILE}))):
        shows_as_text(page(browser, path))


def test_filters_narrow_and_can_be_taken_away(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        backup, rotate = p.action_job(name="log-backup"), p.workflow_job(name="rotate-logs")
        h.failed(backup)
        h.dispatched(rotate, "running", job_type="workflow")
    browser = console.signed_in(Role.ADMIN)
    queries = {
        "q=backup": ["log-backup"],
        "q=rotate": ["rotate-logs"],
        "name=LOG": ["log-backup"],
        "type=workflow": ["rotate-logs"],
        "status=trigger_failed": ["log-backup"],
        "status=running": ["rotate-logs"],
        "code=server_not_found": ["log-backup"],
        "cause=server_not_found:server=7": ["log-backup"],
        "enabled=no": [],
        f"q={rotate}": ["rotate-logs"],
    }
    for query, names in queries.items():
        answer = page(browser, f"/jobs?{query}")
        assert [row.split()[0] for row in rows(answer)] == names, query
        assert 'aria-label="Remove the filter' in answer.text
    answer = page(browser, "/jobs?type=workflow&status=running&sort=name")
    assert 'href="/jobs?status=running&amp;sort=name"' in answer.text
    assert "No job matches" in page(browser, "/jobs?enabled=no").text


def test_a_filter_that_cannot_be_read_says_so_beside_its_field(console: Served) -> None:
    browser = console.signed_in(Role.ADMIN)
    for query, fault in {
        "owner=x": "An id is a whole number",
        "server=0": "An id is a whole number",
        "group=99999999999999999999": "An id is a whole number",
        "sort=size": "Choose one from the list",
        "status=gone": "",
        "q=%00": "Use fewer characters",
    }.items():
        answer = page(browser, f"/jobs?{query}")
        assert "Not searched" in answer.text, query
        assert fault in answer.text
    assert 'value="x"' in page(browser, "/jobs?owner=x").text
    assert browser.get("/jobs?after=nonsense").status_code == 400


def test_pages_lead_there_and_back(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        for number in range(75):
            p.action_job(name=f"job-{number:02}")
    browser = console.signed_in(Role.ADMIN)
    seen, path = [], "/jobs?sort=name"
    trail = [path]
    while path:
        answer = page(browser, path)
        seen += [row.split()[0] for row in rows(answer)]
        found = re.search(r'rel="next" href="([^"]+)"', answer.text)
        path = found.group(1).replace("&amp;", "&") if found else ""
        trail.append(path)
    assert seen == [f"job-{number:02}" for number in range(75)]
    assert len(trail) == 4  # three pages and none
    back = re.search(r'rel="prev" href="([^"]+)"', page(browser, trail[2]).text)
    assert back
    assert back.group(1).replace("&amp;", "&") == trail[1]


def test_a_page_of_the_longest_names_stays_small(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        for number in range(40):
            job = p.action_job(name=f"{number}" + "每日对账" * 100)
            for minutes in range(10):
                h.failed(
                    job,
                    {"code": "server_not_found", "message": "服务器不存在" * 150},
                    slot=NOW - timedelta(minutes=10 + minutes),
                    causes=[f"server_not_found:server={number}"],
                )
    answer = page(console.signed_in(Role.ADMIN), "/jobs", "zh")
    assert len(rows(answer)) == 30


def test_one_sees_the_jobs_of_ones_groups(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        ours, theirs = p.group("ours"), p.group("theirs")
        p.user("li.wei", groups=[ours])
        seen = p.action_job(name="seen", owner_id=p.user("a", groups=[ours]))
        hidden = p.action_job(name="not-for-you", owner_id=p.user("b", groups=[theirs]))
        h.failed(seen, causes=["server_not_found:server=1"])
        h.failed(hidden, causes=["server_not_found:server=2"])
    browser = console.signed_in(Role.VIEWER)
    answer = page(browser, "/jobs")
    assert [row.split()[0] for row in rows(answer)] == ["seen"]
    assert "not-for-you" not in answer.text
    assert "server%3D2" not in answer.text
    execute(database, "delete from awp_user_group_member")
    assert "you are in none" in page(browser, "/jobs").text


def test_without_jobs_it_says_what_to_expect(console: Served) -> None:
    assert "No jobs yet" in page(console.signed_in(Role.ADMIN), "/jobs").text


def test_an_executions_id_leads_to_its_record(console: Served, database: str) -> None:
    execution_id = "11111111-2222-4333-8444-555555555555"
    with writing(database) as (p, h):
        record = h.dispatched(p.action_job(), execution_id=execution_id)
    browser = console.signed_in(Role.ADMIN)
    answer = browser.get(f"/jobs?q={execution_id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/history/{record}")
    assert browser.get("/jobs?q=11111111-2222-4333-8444-555555555556").status_code == 200
