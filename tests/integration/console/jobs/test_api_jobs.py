"""Jobs over the API: lists, one whole with what is there now, and a check (R4, R5)."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from job_trigger_worker.console.shared.live_preflight import LIMIT_S
from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, change_job, writing
from tests.support.sql import execute, session, value
from tests.support.waiting import wait_until


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


def asked(browser: httpx.Client, path: str) -> Any:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_list_says_what_the_page_says(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        fine, broken = p.action_job(name="fine"), p.action_job(name="每日对账")
        h.dispatched(fine, "succeeded", slot=NOW - timedelta(minutes=10))
        record = h.failed(broken, slot=NOW - timedelta(minutes=20))
    change_job(database, fine, schedule="*/10 * * * *", updated_at=NOW - timedelta(days=1))
    found = asked(console.signed_in(Role.ADMIN), "/api/v1/jobs")
    assert (found["next"], found["window"]) == (None, None)
    first, second = found["items"]
    assert (first["id"], first["name"], first["status"]) == (
        str(broken),
        "每日对账",
        "trigger_failed",
    )
    assert first["newest"]["id"] == str(record)
    assert first["newest"]["message"] == "Server 7 (10.0.0.7) does not exist."
    assert first["newest"]["scheduled_at"] == "2026-11-23T07:40:00Z"
    assert first["newest"]["lateness_s"] == 1.0
    assert (first["consecutive_failures"], first["failing_since"]) == (1, "2026-11-23T07:40:00Z")
    assert [each["status"] for each in first["last_outcomes"]] == ["trigger_failed"]
    assert (second["status"], second["newest"]["run"]["status"]) == ("succeeded", "succeeded")
    assert second["next_slot_at"] == "2026-11-23T08:10:00Z"
    assert second["is_overdue"] is False
    assert "automation_name" not in second  # the list does not ask who may see it


def test_pages_follow_each_other(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        ids = [p.action_job(name=f"job-{number:02}") for number in range(7)]
    browser = console.signed_in(Role.ADMIN)
    seen, after, pages = [], "", 0
    while pages < 9:
        found = asked(browser, f"/api/v1/jobs?sort=name&limit=3{after}")
        seen += [each["id"] for each in found["items"]]
        pages += 1
        if found["next"] is None:
            break
        after = f"&after={found['next']}"
    assert seen == [str(each) for each in ids]
    assert pages == 3


def test_filters_are_those_of_the_page(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        group = p.group("ours")
        owner = p.user("zhao.min", groups=[group])
        backup = p.action_job(name="log-backup", owner_id=owner)
        rotate = p.workflow_job(name="rotate-logs", enabled=False)
        h.failed(backup)
        h.dispatched(rotate, "running", job_type="workflow")
    browser = console.signed_in(Role.ADMIN)
    for query, names in {
        "q=backup": ["log-backup"],
        "name=LOG": ["log-backup"],
        "type=workflow": ["rotate-logs"],
        f"owner={owner}": ["log-backup"],
        f"group={group}": ["log-backup"],
        "server=1": ["log-backup", "rotate-logs"],
        "server=99": [],
        "status=trigger_failed": ["log-backup"],
        "status=running": ["rotate-logs"],
        "code=server_not_found": ["log-backup"],
        "cause=server_not_found:server=7": ["log-backup"],
        "enabled=true": ["log-backup"],
        "enabled=false": ["rotate-logs"],
    }.items():
        found = asked(browser, f"/api/v1/jobs?{query}")
        assert [each["name"] for each in found["items"]] == names, query
        counted = asked(browser, f"/api/v1/jobs/counts?{query}")
        if "status" not in query:
            assert counted["total"] == {"value": len(names), "is_exact": True}, query
    assert asked(browser, "/api/v1/jobs?q=backup")["window"]["is_complete"] is True


@pytest.mark.parametrize(
    ("query", "name", "message"),
    [
        ("owner=x", "owner", "An id is a whole number, such as 17."),
        ("server=0", "server", "An id is a whole number, such as 17."),
        ("group=99999999999999999999", "group", "An id is a whole number, such as 17."),
        ("q=", "q", "This is empty, or too short."),
        ("q=%00", "q", "Use fewer characters, all of them visible."),
        ("sort=size", "sort", "Choose one of: 'trouble', 'newest_slot', 'name' or 'id'."),
        ("limit=201", "limit", "This must be at most 200."),
        ("limit=0", "limit", "This must be at least 1."),
        ("enabled=perhaps", "enabled", "This must be true or false."),
        ("after=nonsense", "after", "This is not a `next` of this list"),
        ("statsu=failed", "statsu", "There is no field of this name. Is it misspelled?"),
        ("type=action&type=workflow", "type", "Give this only once."),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(
    console: Served, query: str, name: str, message: str
) -> None:
    browser = console.signed_in(Role.ADMIN)
    answer = browser.get(f"/api/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (fault,) = answer.json()["errors"]
    assert fault["name"] == name
    assert fault["message"].startswith(message)
    chinese = browser.get(f"/api/v1/jobs?{query}", headers={"Accept-Language": "zh"}).json()
    assert not chinese["errors"][0]["message"].isascii()


def test_a_job_is_told_whole(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        off, on = p.server("db-07", state="off"), p.server("web-12", "10.0.1.12")
        job = p.action_job([p.account(off), p.account(on), (777, "root")], name="rotate")
        execute_later = f"update awp_automcation_job set version = 3 where id = {job}"
        h.failed(job)
    execute(database, execute_later)
    execute(
        database,
        "update awp_automcation_job set paramter = paramter ||"
        """ '{"db_password": "geheim", "rate": 1.50, "big": 12345678901234567890}'""",
    )
    browser = console.signed_in(Role.ADMIN)
    answer = browser.get(f"/api/v1/jobs/{job}")
    assert answer.headers["etag"] == '"3"'
    found = answer.json()
    assert (found["id"], found["version"], found["status"]) == (str(job), 3, "trigger_failed")
    assert '"db_password":"••••••"' in answer.text
    assert '"big":12345678901234567890' in answer.text
    assert "geheim" not in answer.text
    assert (found["saved"]["is_whole"], found["saved"]["target_count"]) == (True, 3)
    assert [
        (each["server_id"], each["account"], each["now"], each["server_name"], each["server_ip"])
        for each in found["saved"]["targets"]
    ] == [
        (str(off), "deploy", "off", "db-07", "10.0.0.7"),
        (str(on), "deploy", "on", "web-12", "10.0.1.12"),
        ("777", "root", "gone", None, None),
    ]
    assert found["preflight"]["result"] == "failed"
    assert [(each["code"], each["server_id"]) for each in found["preflight"]["findings"]] == [
        ("server_not_found", "777"),
        ("server_powered_off", str(off)),
    ]
    assert "Power the server on" in found["preflight"]["findings"][1]["remedy"]
    assert (found["automation"]["now"], found["automation"]["name"]) == ("ok", "Rotate logs")
    assert (found["owner"]["now"], found["owner"]["name"]) == ("ok", "wang.fang")
    chinese = browser.get(f"/api/v1/jobs/{job}", headers={"Accept-Language": "zh"}).json()
    assert "不存在" in chinese["preflight"]["findings"][0]["message"]
    assert chinese["newest"]["message"] == "Server 7 (10.0.0.7) does not exist."  # as stored


def test_owner_automation_and_parameter_may_be_gone(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        gone = p.action_job([], owner_id=99, target_id=98)
        bare = p.job(parameter=None, owner_id=None, target_id=None)
        odd = p.job("robot", parameter="[1, 2]")
        deep = p.job(parameter="[" * 900 + "]" * 900)
    browser = console.signed_in(Role.ADMIN)
    found = asked(browser, f"/api/v1/jobs/{gone}")
    assert found["automation"] == {"now": "gone", "id": "98", "name": None}
    assert found["owner"] == {"now": "gone", "id": "99", "name": None}
    found = asked(browser, f"/api/v1/jobs/{bare}")
    assert (found["automation"], found["owner"]) == (None, None)
    assert (found["saved"]["parameter"], found["saved"]["is_whole"]) == (None, True)
    assert asked(browser, f"/api/v1/jobs/{odd}")["saved"]["parameter"] == [1, 2]
    found = asked(browser, f"/api/v1/jobs/{deep}")["saved"]
    assert (found["parameter"], found["is_whole"]) == (None, False)


@pytest.mark.parametrize(
    "view", ["preflight_job", "preflight_server", "preflight_owner", "preflight_grant"]
)
def test_without_the_inventory_it_could_not_check(
    console: Served, database: str, view: str
) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
        h.failed(job)
    execute(database, f"drop view {view}")
    found = asked(console.signed_in(Role.ADMIN), f"/api/v1/jobs/{job}")
    assert (found["preflight"]["result"], found["preflight"]["findings"]) == ("unknown", [])
    assert found["automation"]["now"] == found["owner"]["now"] == "not_checked"
    assert [each["now"] for each in found["saved"]["targets"]] == ["not_checked"]
    assert found["saved"]["is_whole"] is (view != "preflight_job")


def test_a_row_that_cannot_be_read_is_what_is_wrong_with_its_job(
    console: Served, database: str
) -> None:
    with writing(database) as (p, _):
        owner = p.user("zhao.min")
        p.action_job()
        job = p.action_job(owner_id=owner)
    raising = f"case when owner_id = {owner} then concat('no number')::bigint::text else name end"
    execute(
        database,
        f"create or replace view preflight_owner as select owner_id, {raising} as name, enabled, "
        f"group_ids from ({value(database, DEFINED).rstrip(';')}) as whole",
    )

    found = asked(console.signed_in(Role.ADMIN), f"/api/v1/jobs/{job}")

    (finding,) = found["preflight"]["findings"]
    assert (found["preflight"]["result"], finding["code"]) == ("failed", "internal_error")
    assert f"22P02 for owner_id={owner} in the view preflight_owner" in finding["message"]
    assert (finding["view"], finding["sqlstate"]) == ("preflight_owner", "22P02")
    assert found["owner"]["now"] == "not_checked"
    assert [each["now"] for each in found["saved"]["targets"]] == ["not_checked"]
    page = console.signed_in(Role.ADMIN).get(f"/jobs/{job}")
    assert page.status_code == 200
    assert f"owner_id={owner}" in page.text


DEFINED = "select pg_get_viewdef('preflight_owner')"


def test_an_inventory_that_does_not_answer_costs_a_second(database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    with serving(database, clock=FrozenClock(), inventory_limit_s=LIMIT_S) as console:
        browser = console.signed_in(Role.ADMIN)
        asked(browser, f"/api/v1/jobs/{job}")
        with session(database) as holder, holder.cursor() as cursor:
            cursor.execute("lock table awp_server in access exclusive mode")
            began = time.monotonic()
            found = asked(browser, f"/api/v1/jobs/{job}")
            took_s = time.monotonic() - began
        assert found["preflight"]["result"] == "unknown"
        assert 0.5 < took_s < 1.5  # waited for it, and not for long; the machine may be busy
        wait_until(lambda: _passes(browser, job), 10, "an inventory that answers again")


def _passes(browser: httpx.Client, job: int) -> bool:
    return bool(asked(browser, f"/api/v1/jobs/{job}")["preflight"]["result"] == "passed")


def test_an_automation_that_one_may_not_use_has_no_name(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        group = p.group("ours")
        p.user("li.wei", groups=[group])
        owner = p.user("owner", groups=[group])
        job = p.action_job(target_id=p.action("Restricted action"), owner_id=owner)
    viewer, admin = console.signed_in(Role.VIEWER), console.signed_in(Role.ADMIN)
    path = f"/api/v1/jobs/{job}"
    answer = viewer.get(path)
    assert answer.json()["automation"]["now"] == "no_permission"
    # Not in the sentence about the owner's missing permission either.
    assert [each["code"] for each in answer.json()["preflight"]["findings"]] == [
        "permission_denied"
    ]
    assert "Restricted action" not in answer.text
    assert "Restricted action" not in viewer.get("/api/v1/jobs").text
    assert admin.get(path).json()["automation"]["name"] == "Restricted action"


def test_a_job_that_is_gone_leaves_its_records(console: Served, database: str) -> None:
    with writing(database) as (_, h):
        h.failed(404)
    browser = console.signed_in(Role.ADMIN)
    assert browser.get("/api/v1/jobs/404").status_code == 404


@pytest.mark.parametrize("written", ["0", "x", "-1", "1.0", "99999999999999999999", "%00", "%20"])
def test_what_can_be_no_id_is_not_there(console: Served, written: str) -> None:
    answer = console.signed_in(Role.ADMIN).get(f"/api/v1/jobs/{written}")
    assert answer.status_code == 404
    assert answer.json()["remedy"].startswith("Check the address")


def test_a_check_changes_nothing(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job([(777, "deploy")])
    browser = console.signed_in(Role.VIEWER, "li.wei")
    path = f"/api/v1/jobs/{job}/check"
    assert browser.post(path).status_code == 403  # without the token of its session
    token = {"X-Form-Token": asked(browser, "/api/v1/me")["form_token"]}
    assert browser.post(path, headers=token).status_code == 404  # of another group
    admin = console.signed_in(Role.ADMIN)
    token = {"X-Form-Token": asked(admin, "/api/v1/me")["form_token"]}
    before = value(database, "select xmin from awp_automcation_job")
    found = admin.post(path, headers=token).json()
    assert (found["job_id"], found["preflight"]["result"]) == (str(job), "failed")
    assert [each["code"] for each in found["preflight"]["findings"]] == ["server_not_found"]
    assert value(database, "select xmin from awp_automcation_job") == before
    assert value(database, "select count(*) from awp_job_execution") == 0


def test_the_database_is_away(unused_address: str) -> None:
    with serving(f"postgresql+psycopg2://nobody@{unused_address}/gone") as console:
        browser = console.browser()
        browser.cookies.set("awp-session", "x", domain="127.0.0.1")
        answer = browser.get("/api/v1/jobs")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["type"].endswith(":away")
    assert "gone" not in answer.text


def test_nobody_gets_nothing(console: Served) -> None:
    answer = console.browser().get("/api/v1/jobs")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    wrong = console.signed_in().delete("/api/v1/jobs")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert wrong.json()["type"].endswith(":wrong-method")
