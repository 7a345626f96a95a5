"""Edit a job over its page (R6): drafts, what is dead, two people at once, what is kept."""

import html
import json
import re
from collections.abc import Iterator

import httpx
import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.history import FrozenClock, change_job, writing
from tests.support.pages import HOSTILE, content, page, rows, shows_as_text
from tests.support.sql import execute, session, value
from tests.support.sql import rows as stored

_INPUT = re.compile(r"<input ([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w-]+)(?:="([^"]*)")?')


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


def form(answer: httpx.Response) -> dict[str, str]:
    """What a browser would send of the form in the page's content."""
    markup = answer.text.partition("<main")[2]
    found = {}
    for tag in _INPUT.findall(markup):
        its = {name: html.unescape(text) for name, text in _ATTRIBUTE.findall(tag)}
        if its.get("type") != "checkbox" or "checked" in its:
            found[its["name"]] = its.get("value", "on")
    return found


def send(
    browser: httpx.Client, job: int, fields: dict[str, str], do: str = "save"
) -> httpx.Response:
    return browser.post(f"/jobs/{job}/edit", data={**fields, "do": do})


def parameter(database: str, job: int) -> str:
    return str(value(database, f"select paramter::text from awp_automcation_job where id = {job}"))


ODD = (
    '{"zeta": 1.50, "huge": 123456789012345678901234567890, "api_token": "hunter2", "servers": ['
    '{"server_id": "1", "ip": "10.0.0.7", "account": "deploy", "zone": {"b": 1e2}, "pwd": "x"},'
    ' {"server_id": 9007199254740995, "account": "gone", "note": null}], "alpha": [true, null]}'
)


def test_only_what_the_form_knows_is_changed(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        p.target()
        other = p.account(p.server("web-12", "10.0.1.12"), "root")[0]
        job = p.job(parameter=ODD, name="log-backup", enabled=False)
    admin = console.signed_in(Role.ADMIN, "li.wei")
    shown = page(admin, f"/jobs/{job}/edit")
    assert "hunter2" not in shown.text
    fields = form(shown)
    fields |= {"name": "日志备份", "schedule": "*/10 * * * *", "timezone": "Asia/Shanghai"}
    fields |= {"r1.server": str(other), "r1.account": "root"}
    fields |= {"r2.server": "1", "r2.account": "second"}
    answer = send(admin, job, fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{job}")
    # jsonb has its own order of keys; ours keeps it.
    assert parameter(database, job) == json_of(
        '{"zeta": 1.50, "huge": 123456789012345678901234567890, "api_token": "hunter2",'
        ' "servers": [{"server_id": "1", "ip": "10.0.0.7", "account": "deploy", "zone": {"b": 1e2},'
        ' "pwd": "x"},'
        f' {{"server_id": {other}, "ip": "10.0.1.12", "account": "root", "note": null}},'
        ' {"server_id": "1", "account": "second", "ip": "10.0.0.7"}], "alpha": [true, null]}',
        database,
    )
    row = stored(
        database,
        f"select name, schedule, timezone, version from awp_automcation_job where id = {job}",
    )
    assert row == [("日志备份", "*/10 * * * *", "Asia/Shanghai", 2)]
    noted = stored(database, 'select login, action, "before", "after" from awp_console_change')
    assert noted == [
        (
            "li.wei",
            "edit",
            {
                "name": "log-backup",
                "schedule": None,
                "timezone": "UTC",
                "targets": ["9007199254740995 gone"],
                "target_count": 2,
            },
            {
                "name": "日志备份",
                "schedule": "*/10 * * * *",
                "timezone": "Asia/Shanghai",
                "targets": [f"{other} root", "1 second"],
                "target_count": 3,
            },
        )
    ]
    told = content(page(admin, f"/jobs/{job}"))
    assert "li.wei · edited it" in told
    assert "log-backup → 日志备份" in told
    assert f"Targets added {other} root, 1 second" in told


def json_of(text: str, database: str) -> str:
    """JSON as the database writes it."""
    return str(value(database, f"select cast('{text}' as jsonb)::text"))


def test_saving_without_a_change_changes_nothing(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.job(parameter=ODD)
    admin = console.signed_in(Role.ADMIN)
    assert send(admin, job, form(page(admin, f"/jobs/{job}/edit"))).status_code == 303
    assert value(database, f"select version from awp_automcation_job where id = {job}") == 1
    assert value(database, "select count(*) from awp_console_change") == 0


def test_one_click_removes_what_is_dead_and_shows_what_would_come_of_it(
    console: Served, database: str
) -> None:
    with writing(database) as (p, _):
        good, off = p.target(), p.account(p.server("db-08", state="off"))
        offline = p.account(p.server("db-09", state="offline"))
        nodes = {
            "copy": [good, (777, "deploy"), (good[0], "nobody"), offline],
            "check": [off, good],
        }
        job = p.workflow_job(nodes)
    before = parameter(database, job)
    admin = console.signed_in(Role.ADMIN)
    shown = page(admin, f"/jobs/{job}/edit")
    assert "It could not start now" in shown.text
    assert [row.split(" ")[0:2] for row in rows(shown)][1] == ["No", "longer"]
    answer = send(admin, job, form(shown), "drop-gone")
    assert "3 are removed when you save." in answer.text
    assert "With these changes it could not start" in answer.text
    answer = send(admin, job, form(answer), "drop-off")
    assert "4 are removed when you save." in answer.text
    assert "With these changes it could start" in answer.text
    assert parameter(database, job) == before  # nothing is saved by looking
    assert send(admin, job, form(answer)).status_code == 303
    kept = json.loads(parameter(database, job))["nodes"]
    assert [[each["server_id"] for each in node["servers"]] for node in kept] == [
        [good[0]],
        [good[0]],
    ]


def test_an_enabled_job_that_would_fail_is_asked_about_once(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
        draft = p.action_job(enabled=False)
    admin = console.signed_in(Role.ADMIN)
    fields = form(page(admin, f"/jobs/{job}/edit")) | {"r0.server": "777"}
    asked = send(admin, job, fields)
    assert asked.status_code == 200
    assert "Save it anyway?" in asked.text
    assert "would fail: 1 finding." in asked.text
    assert "Server 777 does not exist." in content(asked)
    again = admin.post(f"/jobs/{job}/edit", data=form(asked) | {"do": "check"})
    assert form(again)["r0.server"] == "777"
    assert value(database, f"select version from awp_automcation_job where id = {job}") == 1
    assert admin.post(f"/jobs/{job}/edit", data=form(asked)).status_code == 303
    assert json.loads(parameter(database, job))["servers"] == [
        {"server_id": 777, "account": "deploy"}
    ]
    fields = form(page(admin, f"/jobs/{draft}/edit")) | {"r0.server": "777"}
    assert send(admin, draft, fields).status_code == 303  # a draft


def test_bad_input_comes_back_with_the_error_beside_the_field(
    console: Served, database: str
) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    admin = console.signed_in(Role.ADMIN)
    fields = form(page(admin, f"/jobs/{job}/edit"))
    wrong = {"name": " ", "schedule": "61 * * * *", "timezone": "Mars/Base"}
    wrong |= {"r0.server": "db-07", "r1.server": "5", "r1.account": ""}
    answer = send(admin, job, fields | wrong)
    assert answer.status_code == 422
    assert form(answer)["schedule"] == "61 * * * *"
    assert form(answer)["r0.server"] == "db-07"
    for sentence in (
        "A name has 1 to 200 characters",
        "A schedule has five or six fields and at least one future slot",
        "A time zone looks like Asia/Shanghai",
        "A server&#39;s id is a whole number",
        "An account has 1 to 1,024 characters.",
    ):
        assert sentence in answer.text
    # A click that removes rows is heeded nevertheless.
    dropped = send(admin, job, fields | wrong | {"r0.server": "777"}, "drop-gone")
    assert dropped.status_code == 422
    assert "1 is removed when you save." in dropped.text
    same = send(admin, job, fields | {"r1.server": "1", "r1.account": "deploy"})
    assert "so the job would run there twice" in same.text
    never = send(admin, job, fields | {"schedule": "0 0 30 2 *"})
    assert "and at least one future slot" in never.text
    assert value(database, "select count(*) from awp_console_change") == 0


def test_what_was_wrong_before_is_in_nobodys_way(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.job(parameter={"servers": [5, {"server_id": "x"}]}, enabled=False)
        odd = p.job(parameter="[1, 2]", enabled=False)
        robot = p.job("robot", parameter={"servers": []}, owner_id=None, enabled=False)
    change_job(database, job, schedule="whenever", timezone="Nowhere")
    admin = console.signed_in(Role.ADMIN)
    shown = page(admin, f"/jobs/{job}/edit")
    assert "The schedule cannot be read" in shown.text
    assert send(admin, job, form(shown) | {"name": "better"}).status_code == 303
    assert value(database, f"select name from awp_automcation_job where id = {job}") == "better"
    for each in (odd, robot):
        shown = page(admin, f"/jobs/{each}/edit")
        assert "can only be changed on the platform" in shown.text
        assert send(admin, each, form(shown) | {"name": "better"}).status_code == 303
    assert parameter(database, odd) == "[1, 2]"


def test_the_second_of_two_people_sees_both_versions(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        servers = [p.target(f"db-0{number}") for number in range(1, 5)]
        job = p.action_job(servers[:3])
    first, second = console.signed_in(Role.ADMIN, "li.wei"), console.signed_in(Role.ADMIN, "zhao")
    mine, theirs = form(page(first, f"/jobs/{job}/edit")), form(page(second, f"/jobs/{job}/edit"))
    saved = mine | {"name": "first", "r0.remove": "yes"}
    assert send(first, job, saved).status_code == 303
    late = theirs | {"name": "second", "r2.remove": "yes", "r3.server": str(servers[3][0])}
    late |= {"r3.account": "deploy"}
    answer = send(second, job, late)
    assert answer.status_code == 409
    both = content(answer)
    assert "Somebody else has changed this job in the meantime li.wei" in both
    assert "Name second first" in both
    assert f"Targets {servers[3][0]} deploy {servers[2][0]} deploy" in both
    assert f'href="/jobs/{job}/edit">Take theirs, drop mine' in answer.text
    # Going on lays the second edit over the first one.
    assert send(second, job, form(answer)).status_code == 303
    kept = json.loads(parameter(database, job))["servers"]
    assert [each["server_id"] for each in kept] == [servers[1][0], servers[3][0]]
    assert value(database, f"select name from awp_automcation_job where id = {job}") == "second"
    assert value(database, f"select version from awp_automcation_job where id = {job}") == 3


def test_a_job_on_thousands_of_servers_is_edited_on_a_light_page(
    console: Served, database: str
) -> None:
    with writing(database) as (p, _):
        good = p.target()[0]
        targets = [(number, "账号" * 40) for number in range(1000, 4000)]
        job = p.workflow_job({"节点" * 60: [*targets, (good, "deploy")]}, enabled=False)
    admin = console.signed_in(Role.ADMIN)
    shown = page(admin, f"/jobs/{job}/edit", "zh")
    answer = send(admin, job, form(shown), "drop-gone")
    assert answer.status_code == 200
    assert len(answer.content) <= 100_000
    assert "With these changes it could start" in answer.text
    assert send(admin, job, form(answer)).status_code == 303
    (node,) = json.loads(parameter(database, job))["nodes"]
    assert node["servers"] == [{"server_id": good, "ip": "10.0.0.7", "account": "deploy"}]


def test_a_workflow_of_many_nodes_is_edited_on_a_light_page(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        good = p.target()[0]
        nodes = {f"n{number}": [(good, "deploy")] for number in range(400)}
        job = p.workflow_job({**nodes, "last": [(777, "deploy")]}, enabled=False)
    admin = console.signed_in(Role.ADMIN)
    shown = page(admin, f"/jobs/{job}/edit")
    assert "386 more nodes are not shown, and stay as they are." in shown.text
    answer = send(admin, job, form(shown), "drop-gone")
    assert len(answer.content) <= 100_000
    assert send(admin, job, form(answer) | {"r0.account": "root"}).status_code == 303
    kept = json.loads(parameter(database, job))["nodes"]
    assert kept[0]["servers"][0]["account"] == "root"
    assert kept[-1] == {"node_id": "last", "action_id": 1, "servers": []}
    assert [len(node["servers"]) for node in kept[1:-1]] == [1] * 399


def test_names_are_text_and_come_back_as_they_were(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        server = p.server(HOSTILE)
        parameter_ = {"servers": [{"server_id": server, "account": HOSTILE}]}
        job = p.job(parameter=parameter_, name=HOSTILE, enabled=False)
    before = parameter(database, job)
    admin = console.signed_in(Role.ADMIN)
    shown = page(admin, f"/jobs/{job}/edit")
    shows_as_text(shown)
    assert form(shown)["name"] == HOSTILE
    assert send(admin, job, form(shown)).status_code == 303
    assert parameter(database, job) == before
    answer = send(admin, job, form(shown) | {"name": HOSTILE + "!"})
    assert answer.status_code == 303
    shows_as_text(page(admin, f"/jobs/{job}"))


def test_without_the_inventory_it_is_saved_and_said(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    admin = console.signed_in(Role.ADMIN)
    page(admin, f"/jobs/{job}/edit")
    with session(database) as holder, holder.cursor() as cursor:
        cursor.execute("lock table awp_server in access exclusive mode")
        shown = page(admin, f"/jobs/{job}/edit")
        assert "You can save it all the same." in shown.text
        assert send(admin, job, form(shown) | {"r0.account": "root"}).status_code == 303
    assert json.loads(parameter(database, job))["servers"][0]["account"] == "root"


def test_a_job_that_somebody_has_locked_is_not_told_as_a_database_that_is_away(
    console: Served, database: str
) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    admin = console.signed_in(Role.ADMIN)
    shown = page(admin, f"/jobs/{job}/edit")
    with session(database) as holder, holder.cursor() as cursor:
        cursor.execute("select from awp_automcation_job for update")
        answer = send(admin, job, form(shown) | {"name": "another"})
        assert answer.status_code == 503
        assert "Another transaction has it locked in the database." in answer.text
        holder.rollback()
    assert send(admin, job, form(shown) | {"name": "another"}).status_code == 303


def test_without_the_view_for_edits_it_is_read_only(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    execute(database, "drop view console_job_write")
    admin = console.signed_in(Role.ADMIN)
    shown = page(admin, f"/jobs/{job}/edit")
    assert "can only be changed on the platform" in shown.text
    assert f'href="/jobs/{job}/edit"' not in page(admin, f"/jobs/{job}").text
    token = form(page(admin, f"/jobs/{job}"))["form_token"]
    fields = {"form_token": token, "name": "x"}
    assert send(admin, job, fields).status_code == 409
    assert admin.post(f"/jobs/{job}/disable", data=fields).status_code == 409


def test_only_an_admin_edits(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        group = p.group("ours")
        p.user("li.wei", groups=[group])
        job = p.action_job(owner_id=p.user("owner", groups=[group]))
    for role in (Role.VIEWER, Role.OPERATOR):
        browser = console.signed_in(role)
        shown = page(browser, f"/jobs/{job}")
        assert "/edit" not in shown.text
        assert ("Run now" in shown.text) is (role is Role.OPERATOR)
        assert browser.get(f"/jobs/{job}/edit").status_code == 403
    assert console.signed_in(Role.ADMIN).get("/jobs/999/edit").status_code == 404
