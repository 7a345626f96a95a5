"""What fails and why: by cause, by code, over time, newest."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, writing
from tests.support.pages import HOSTILE, content, page, rows, shows_as_text

IN_A_NODE = {
    "code": "server_not_found",
    "message": "Node 2: Server 7 (10.0.0.7) does not exist.",
    "server_id": "7",
    "ip": "10.0.0.7",
    "node_id": "2",
}
DISABLED = {"code": "job_disabled", "message": "Job 3 is switched off.", "job_id": "3"}


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


def test_failures_are_told_by_cause_by_code_and_over_time(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        one, two, three = p.action_job(), p.action_job(), p.action_job()
        for minutes in (90, 60, 30):
            h.failed(one, slot=NOW - timedelta(minutes=minutes))
        h.failed(two, IN_A_NODE, slot=NOW - timedelta(minutes=10))
        h.failed(three, DISABLED, causes=["job_disabled:job=3"], slot=NOW - timedelta(minutes=9))
        h.failed(one, slot=NOW - timedelta(days=3))
        h.dispatched(three, "succeeded")
    browser = console.signed_in(Role.ADMIN)
    answer = page(browser, "/failures")
    causes = rows(answer, "By cause")
    # A cause is the same in whichever node.
    assert causes[0].startswith(
        "Server 7 (10.0.0.7) does not exist. server_not_found:server=7 2 4 06:30:01 07:50:01"
    )
    assert causes[1].startswith("Job 3 is switched off. job_disabled:job=3 1 1")
    codes = rows(answer, "By code")
    assert codes[0].startswith("server_not_found 2 4 Edit the job")
    assert codes[1].startswith("job_disabled 1 1 Switch the job on")
    assert len(rows(answer, "Newest")) == 6
    # 06:30, 07:00, 07:30 (three in it): the last bar is the highest.
    heights = re.findall(r'<rect class="series-(\d)"[^>]* height="([\d.]+)"/>', answer.text)
    assert heights == [("1", "33.3"), ("1", "33.3"), ("1", "66.7"), ("2", "33.3")]
    assert "07:30:00: 3 · server_not_found 2 · job_disabled 1" in answer.text
    assert "style=" not in answer.text
    week = content(page(browser, "/failures?span=7d"))
    assert "server_not_found:server=7 2 5 11-20 08:00 07:50:01" in week


def test_it_can_be_refreshed_without_a_script(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    browser = console.signed_in(Role.ADMIN)
    answer = page(browser, "/failures?span=1h")
    assert "Nothing failed" in answer.text
    assert 'id="live" hidden data-stream="/failures/stream?span=1h"' in answer.text
    with writing(database) as (_, h):
        h.failed(job)
    link = re.search(r'href="([^"]+)">Refresh<', answer.text)
    assert link
    assert "does not exist" in page(browser, link.group(1)).text


def test_it_speaks_chinese(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        h.failed(p.action_job(), slot=NOW - timedelta(minutes=1))
    shown = content(page(console.signed_in(Role.ADMIN), "/failures", "zh"))
    for word in ("按原因", "按代码", "按时间", "最新", "请编辑", "触发失败"):
        assert word in shown


def test_a_cause_names_the_jobs_that_it_broke(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        broken, back = p.action_job(name="broken"), p.action_job(name="back")
        for job in (broken, back):
            h.failed(job, slot=NOW - timedelta(minutes=30), job_name=None)
        h.dispatched(back, "succeeded")
    browser = console.signed_in(Role.ADMIN)
    answer = page(browser, "/failures/jobs?cause=server_not_found:server=7")
    found = sorted(rows(answer))
    assert found[0].startswith(f"back {back} has fired since 1")
    assert found[1].startswith(f"broken {broken} still broken 1")
    assert "Server 7 (10.0.0.7) does not exist. Edit the job" in content(answer)
    for query in ("", "?cause=other", "?cause=%00", "?cause=" + "x" * 600):
        assert browser.get(f"/failures/jobs{query}").status_code == 404, query


def test_a_cause_that_an_action_and_a_workflow_share_is_told_without_the_node(
    console: Served, database: str
) -> None:
    with writing(database) as (p, h):
        action, workflow = p.action_job(), p.workflow_job()
        h.failed(action, slot=NOW - timedelta(minutes=30))
        record = h.failed(workflow, IN_A_NODE, slot=NOW - timedelta(minutes=10))
    browser = console.signed_in(Role.ADMIN)
    cause = "server_not_found:server=7"
    for language, said in (
        ("en", "Server 7 (10.0.0.7) does not exist."),
        ("zh", "服务器 7（10.0.0.7）不存在。"),
    ):
        home = page(browser, "/jobs", language).text
        assert re.findall(r'class="why">(.*?)</bdi>', home)[0] == said
        heading = {"en": "By cause", "zh": "按原因"}[language]
        assert rows(page(browser, "/failures", language), heading)[0].startswith(said)
        assert rows(page(browser, "/failures/causes", language))[0].startswith(said)
        jobs = content(page(browser, f"/failures/jobs?cause={cause}", language))
        assert said in jobs
        assert "Node" not in jobs
        assert "节点" not in jobs
    for path in ("causes", "causes/standing"):
        (told,) = browser.get(f"/api/v1/failures/{path}").json()["items"]
        assert (told["jobs"], told["message"]) == (2, "Server 7 (10.0.0.7) does not exist.")
    assert "Node 2: Server 7 (10.0.0.7)" in content(page(browser, f"/history/{record}"))


def test_a_cause_that_is_never_the_first_of_its_record_is_told_by_its_own_finding(
    console: Served, database: str
) -> None:
    other = IN_A_NODE | {"server_id": "9", "ip": None, "node_id": "7", "message": "Node 7: of 9"}
    causes = ["server_not_found:server=9", "server_not_found:server=7"]
    with writing(database) as (p, h):
        h.failed(p.workflow_job(), other, IN_A_NODE, causes=causes)
    browser = console.signed_in(Role.ADMIN)
    for path in ("causes", "causes/standing"):
        found = browser.get(f"/api/v1/failures/{path}").json()["items"]
        assert {each["cause"]: each["message"] for each in found} == {
            "server_not_found:server=7": "Server 7 (10.0.0.7) does not exist.",
            "server_not_found:server=9": "of 9",
        }
    shown = content(page(browser, "/failures/jobs?cause=server_not_found:server=7"))
    assert "Server 7 (10.0.0.7) does not exist. Edit" in shown
    assert "Server 9" not in shown


def test_hostile_values_are_text(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job(name=HOSTILE)
        h.failed(
            job,
            {"code": HOSTILE, "message": HOSTILE},
            causes=[HOSTILE],
            job_name=HOSTILE,
            slot=NOW - timedelta(minutes=1),
        )
    browser = console.signed_in(Role.ADMIN)
    shows_as_text(page(browser, "/failures"))


def test_one_sees_the_failures_of_ones_groups(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        ours, theirs = p.group("ours"), p.group("theirs")
        p.user("li.wei", groups=[ours])
        h.failed(p.action_job(owner_id=p.user("a", groups=[ours])), job_name="seen")
        h.failed(
            p.action_job(owner_id=p.user("b", groups=[theirs])),
            {"code": "account_not_found", "message": "not for you"},
            causes=["account_not_found:server=8,account=x"],
            job_name="not-for-you",
        )
    viewer = console.signed_in(Role.VIEWER)
    answer = page(viewer, "/failures")
    assert "seen" in answer.text
    for word in ("not for you", "not-for-you", "account_not_found"):
        assert word not in answer.text
    cause = "account_not_found:server=8,account=x"
    assert viewer.get(f"/failures/jobs?cause={cause}").status_code == 404
    assert console.signed_in(Role.ADMIN).get(f"/failures/jobs?cause={cause}").status_code == 200


def test_a_busy_month_makes_no_heavy_page(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job(name="名" * 300)
        for number in range(400):
            h.failed(
                job,
                {"code": f"code_{number % 12}", "message": "服务器不存在" * 100},
                causes=[f"code_{number % 12}:server={number}"],
                job_name="名" * 300,
                slot=NOW - timedelta(hours=number * 1.7),
            )
    answer = page(console.signed_in(Role.ADMIN), "/failures?span=30d", "zh")
    assert len(rows(answer, "按原因")) == 8
    assert "另有 392 个原因" in answer.text
    assert "其他" in answer.text
    further = page(console.signed_in(Role.ADMIN), "/failures/causes?span=30d", "zh")
    assert further.text.count("<tr>") == 1 + 60
    assert "还有 340 项未显示" in further.text


def test_a_page_of_causes_has_those_of_its_time_that_the_viewer_may_see(
    console: Served, database: str
) -> None:
    with writing(database) as (p, h):
        for number in range(12):
            hours = 2 if number else 0.5
            h.failed(
                p.action_job(),
                {"code": "server_not_found", "message": f"Server {number} is gone."},
                causes=[f"server_not_found:server={number}"],
                slot=NOW - timedelta(hours=hours),
            )
    admin = console.signed_in(Role.ADMIN)
    assert '<a class="button" href="/failures/causes?span=24h">4 other causes</a>' in (
        page(admin, "/failures").text
    )
    everything = page(admin, "/failures/causes").text
    assert all(f"server_not_found:server={number}" in everything for number in range(12))
    hour = page(admin, "/failures/causes?span=1h").text
    assert "server_not_found:server=0" in hour
    assert "server_not_found:server=1" not in hour
    nobody = page(console.signed_in(Role.VIEWER, "nobody"), "/failures/causes").text
    assert "server_not_found" not in nobody
    assert "Nothing failed in this period" in nobody


def test_a_row_to_be_filled_has_the_columns_of_the_list(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        h.failed(p.action_job(), slot=NOW - timedelta(minutes=1))
    answer = page(console.signed_in(Role.ADMIN), "/failures")
    listed = answer.text.partition("<h2>Newest")[2].partition("<tbody>")[2]
    row, _, template = listed.partition("</tr>")
    blank = template.partition('<template id="row">')[2].partition("</template>")[0]
    labels = re.findall(r'data-label="([^"]+)"', row)
    assert re.findall(r'data-label="([^"]+)"', blank) == labels
    assert blank.count("<td") == row.count("<td") == 8
