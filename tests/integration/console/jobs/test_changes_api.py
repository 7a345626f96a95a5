"""The API of changes: run, enable, disable, edit, and triggers from services (R6, R9, R10)."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest

from job_trigger_worker.console.jobs.edit import view as edit
from job_trigger_worker.console.shared.auth import passwords, users
from job_trigger_worker.console.shared.auth.users import User
from job_trigger_worker.domain.principals import Principal, Role
from job_trigger_worker.domain.read_models import AsOf
from job_trigger_worker.domain.trigger import NAMESPACE
from tests.support.console import Served, form_token, serving
from tests.support.history import NOW, FrozenClock, writing
from tests.support.pages import content, page
from tests.support.sql import execute, value
from tests.support.sql import rows as stored


@pytest.fixture
def console(database: str, tmp_path: Path) -> Iterator[Served]:
    path = tmp_path / "users.json"
    token = passwords.token_hash("a-token")
    users.write(path, {"common-job": User(Role.SERVICE, "common-job", token)})
    with serving(database, clock=FrozenClock(), console_users_file=path) as served:
        yield served


def asking(console: Served, role: Role = Role.ADMIN, login: str = "li.wei") -> httpx.Client:
    """A program in a person's session."""
    browser = console.signed_in(role, login)
    browser.headers["X-Form-Token"] = form_token(browser.get("/jobs"))
    return browser


def problem(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).rpartition(":")[2]


def test_enabling_is_idempotent_and_noted_once(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job([(777, "gone")], enabled=False)  # preflight fails, and is not asked
    api = asking(console)
    answer = api.post(f"/api/v1/jobs/{job}/enable")
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert answer.json() == {
        "job_id": str(job),
        "enabled": True,
        "version": 2,
        "has_changed": True,
    }
    assert api.post(f"/api/v1/jobs/{job}/enable").json()["has_changed"] is False
    late = api.post(f"/api/v1/jobs/{job}/disable", headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["version"]) == (412, 2)
    assert late.json()["theirs"] == {"enabled": True}
    right = api.post(f"/api/v1/jobs/{job}/disable", headers={"If-Match": '"1", "2"'})
    assert right.json()["version"] == 3
    noted = stored(
        database, 'select login, action, "before", "after" from awp_console_change order by id'
    )
    assert noted == [
        ("li.wei", "enable", {"enabled": False}, {"enabled": True}),
        ("li.wei", "disable", {"enabled": True}, {"enabled": False}),
    ]
    assert "li.wei · switched it off" in content(page(api, f"/jobs/{job}"))


def test_all_changes_of_a_job_are_listed(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job(name="password=hunter2")
    api = asking(console)
    api.patch(f"/api/v1/jobs/{job}", json={"name": "better"}, headers={"If-Match": "*"})
    for action in ("disable", "enable") * 3:
        api.post(f"/api/v1/jobs/{job}/{action}")
    address = f"/api/v1/jobs/{job}/changes"
    first = api.get(address, params={"limit": 5}).json()
    assert [each["action"] for each in first["items"]] == ["enable", "disable"] * 2 + ["enable"]
    (_, last) = api.get(address, params={"after": first["next"]}).json()["items"]
    # Masked as it is noted, and as it is shown.
    assert (last["before"], last["after"]) == ({"name": "password=••••••"}, {"name": "better"})
    assert "hunter2" not in str(value(database, 'select "before" from awp_console_change limit 1'))
    assert f'href="/jobs/{job}/changes"' in page(api, f"/jobs/{job}").text
    shown = content(page(api, f"/jobs/{job}/changes"))
    assert "li.wei · edited it Name password=•••••• → better" in shown
    stranger = console.signed_in(Role.VIEWER, "zhao.min")
    assert stranger.get(address).status_code == 404
    assert stranger.get(f"/jobs/{job}/changes").status_code == 404


def test_an_edit_needs_the_version_it_is_of(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    api, other = asking(console), asking(console, login="zhao.min")
    address = f"/api/v1/jobs/{job}"
    missing = api.patch(address, json={"name": "x"})
    assert (missing.status_code, problem(missing)) == (428, "version-needed")
    first = api.patch(address, json={"name": "first"}, headers={"If-Match": '"1"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    late = other.patch(
        address, json={"name": "second", "schedule": "0 2 * * *"}, headers={"If-Match": '"1"'}
    )
    assert (late.status_code, problem(late)) == (412, "overtaken")
    assert late.json()["yours"] == {"name": "second", "schedule": "0 2 * * *"}
    assert late.json()["theirs"] == {
        "name": "first",
        "schedule": None,
        "timezone": "UTC",
        "targets": [{"node_id": None, "server_id": "1", "account": "deploy"}],
    }
    weak = other.patch(address, json={"name": "second"}, headers={"If-Match": 'W/"2"'})
    assert weak.status_code == 412
    again = other.patch(address, json={"name": "second"}, headers={"If-Match": '"2"'})
    assert again.json()["name"] == "second"
    assert value(database, "select count(*) from awp_console_change") == 2


def test_of_two_edits_at_the_same_moment_one_is_saved(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    made = console.app.state.console
    admin = Principal("li.wei", "Li Wei", Role.ADMIN)
    (_, first), (_, second) = (edit.open_job(made, admin, AsOf(NOW), job) for _ in range(2))
    assert first is not None
    assert second is not None
    assert edit.save(made, admin, first, {"name": "first"}) == 2
    assert edit.save(made, admin, second, {"name": "second"}) is None
    assert value(database, "select name from awp_automcation_job") == "first"
    assert value(database, "select count(*) from awp_console_change") == 1


def test_an_edit_keeps_what_it_does_not_name(console: Served, database: str) -> None:
    entry: dict[str, Any] = {"server_id": "1", "account": "deploy", "secret": "hunter2", "n": 2**60}
    with writing(database) as (p, _):
        p.target()
        other = p.target("web-12")[0]
        nodes = [{"node_id": 1, "x": 1, "servers": [entry, {"server_id": 9, "account": "gone"}]}]
        job = p.job("workflow", parameter={"nodes": nodes, "api_token": "hunter2"})
    api = asking(console)
    targets = [
        {"node_id": "1", "server_id": "1", "account": "deploy"},
        {"node_id": "1", "server_id": str(other), "account": "deploy"},
    ]
    match = {"If-Match": '"1"'}
    address = f"/api/v1/jobs/{job}"
    dry = api.patch(address, json={"targets": targets, "dry_run": True}, headers=match).json()
    assert (dry["is_saved"], dry["version"]) == (False, 1)
    assert (dry["targets_added"], dry["targets_removed"]) == (
        [f"1 / {other} deploy"],
        ["1 / 9 gone"],
    )
    assert (dry["preflight"]["result"], dry["preflight"]["findings"]) == ("passed", [])
    answer = api.patch(address, json={"targets": targets}, headers=match)
    assert answer.json()["is_saved"] is True
    kept = json.loads(str(value(database, "select paramter::text from awp_automcation_job")))
    assert kept == {
        "nodes": [
            {
                "node_id": 1,
                "x": 1,
                # An id has the form that the ids beside it have.
                "servers": [
                    entry,
                    {"server_id": str(other), "account": "deploy", "ip": "10.0.0.7"},
                ],
            }
        ],
        "api_token": "hunter2",
    }
    assert "hunter2" not in str(value(database, 'select "before"::text from awp_console_change'))


def test_an_enabled_job_that_would_fail_needs_a_word_more(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    api = asking(console)
    change: dict[str, Any] = {"targets": [{"server_id": 777, "account": "deploy"}]}
    refused = api.patch(f"/api/v1/jobs/{job}", json=change, headers={"If-Match": "*"})
    assert (refused.status_code, problem(refused)) == (409, "preflight-failed")
    assert [each["code"] for each in refused.json()["findings"]] == ["server_not_found"]
    confirmed = change | {"confirm": True}
    saved = api.patch(f"/api/v1/jobs/{job}", json=confirmed, headers={"If-Match": "*"})
    assert saved.json()["preflight"]["result"] == "failed"
    assert value(database, "select version from awp_automcation_job") == 2


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"name": " "}, ["name"]),
        ({"schedule": "every day", "timezone": "Mars"}, ["timezone", "schedule"]),
        ({"targets": [{"server_id": "x", "account": "a"}]}, ["targets.0.server_id"]),
        ({"targets": [{"server_id": 1, "account": ""}]}, ["targets.0.account"]),
        (
            {"targets": [{"node_id": "9", "server_id": 1, "account": "a"}]},
            ["targets.0.node_id"],
        ),
        ({"targets": [{"server_id": 1, "account": "a"}] * 2}, ["targets.1"]),
        ({"paramter": {}}, ["paramter"]),
    ],
)
def test_bad_input_names_its_field(
    console: Served, database: str, change: dict[str, Any], names: list[str]
) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    answer = asking(console).patch(f"/api/v1/jobs/{job}", json=change, headers={"If-Match": "*"})
    assert answer.status_code == 422
    assert [each["name"] for each in answer.json()["errors"]] == names


def test_without_the_view_for_edits_it_says_where_to_go(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    execute(database, "drop view console_job_write")
    api = asking(console)
    edited = api.patch(f"/api/v1/jobs/{job}", json={"name": "x"}, headers={"If-Match": "*"})
    for answer in (edited, api.post(f"/api/v1/jobs/{job}/disable")):
        assert (answer.status_code, problem(answer)) == (409, "read-only")


def test_what_one_may_not_see_one_may_not_change(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        group = p.group("ours")
        p.user("li.wei", groups=[group])
        ours = p.action_job(owner_id=p.user("owner", groups=[group]))
        theirs = p.action_job(owner_id=p.user("another"))
    operator, viewer = asking(console, Role.OPERATOR), asking(console, Role.VIEWER)
    for action in ("run", "enable", "disable"):
        assert operator.post(f"/api/v1/jobs/{theirs}/{action}").status_code == 404
        assert operator.post(f"/jobs/{theirs}/{action}").status_code == 404
        assert viewer.post(f"/api/v1/jobs/{ours}/{action}").status_code == 403
        assert viewer.post(f"/jobs/{ours}/{action}").status_code == 403
    assert operator.post(f"/api/v1/jobs/{ours}/disable").status_code == 200
    edit = operator.patch(f"/api/v1/jobs/{ours}", json={"name": "x"}, headers={"If-Match": "*"})
    assert edit.status_code == 403
    assert value(database, "select count(*) from awp_console_change") == 1


def test_a_change_takes_the_form_token(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    browser = console.signed_in(Role.ADMIN)
    for method, path in (
        ("POST", f"/jobs/{job}/edit"),
        ("POST", f"/jobs/{job}/run"),
        ("POST", f"/api/v1/jobs/{job}/run"),
        ("PATCH", f"/api/v1/jobs/{job}"),
        ("POST", f"/api/v1/jobs/{job}/disable"),
    ):
        assert browser.request(method, path, json={}).status_code == 403


def test_an_address_says_every_method_that_it_takes(console: Served) -> None:
    answer = console.browser().request("OPTIONS", "/jobs/17/edit")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_without_brokers_nothing_is_half_done(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    api = asking(console, Role.ADMIN)
    key = {"Idempotency-Key": "one"}
    for _ in range(2):
        answer = api.post(f"/api/v1/jobs/{job}/run", headers=key)
        assert (answer.status_code, problem(answer)) == (503, "brokers-away")
        assert "runs once" in answer.json()["remedy"]
    # It was asked for, once, and so it says.
    ((action, after),) = stored(database, 'select action, "after" from awp_console_change')
    assert action == "run"
    state = api.get(f"/api/v1/triggers/{after['trigger_id']}").json()
    assert (state["state"], state["asked_by"], state["record"]) == ("pending", "li.wei", None)
    # Who knows person, job and key cannot tell the id, and so cannot take it beforehand.
    for name in (f"run:{job}:6:li.wei:one", f"run::{job}:6:li.wei:one"):
        assert after["trigger_id"] != str(uuid5(UUID(NAMESPACE), name))
    shown = api.post(f"/jobs/{job}/run", data={"run_key": "a-key"})
    assert shown.status_code == 503
    assert "what did arrive is recognised and runs once" in shown.text
    assert "Send the same again</button>" in shown.text
    assert 'name="run_key" value="a-key"' in shown.text
    service = console.browser(Authorization="Bearer a-token")
    sent = service.post("/api/v1/triggers", json={"job_id": 1, "scheduled_at": SLOT})
    assert (sent.status_code, problem(sent)) == (503, "brokers-away")


SLOT = "2026-11-23T08:00:00Z"


def test_a_run_that_nobody_takes_says_what_to_do(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    api = asking(console)
    api.post(f"/api/v1/jobs/{job}/run", headers={"Idempotency-Key": "one"})
    trigger = value(database, """select "after" ->> 'trigger_id' from awp_console_change""")
    where = f"/jobs/{job}/runs/{trigger}"
    execute(database, f"update awp_console_change set at = '{NOW - timedelta(seconds=2)}'")
    assert "Asked for, waiting for the worker" in page(api, where).text
    execute(database, f"update awp_console_change set at = '{NOW - timedelta(seconds=20)}'")
    assert "The worker has not picked it up yet" in page(api, where).text
    assert "触发处理服务尚未接收" in page(api, where, "zh").text
    for path in (f"/jobs/{job + 1}/runs/{trigger}", f"/jobs/{job}/runs/{uuid4()}", f"{where}x"):
        assert api.get(path).status_code == 404
    assert api.get(f"/api/v1/triggers/{uuid4()}").status_code == 404
    stranger = console.signed_in(Role.VIEWER, "zhao.min")
    assert stranger.get(where).status_code == 404
    assert stranger.get(f"/api/v1/triggers/{trigger}").status_code == 404


def test_a_job_that_is_off_runs_only_when_it_is_meant(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job(enabled=False)
    api = asking(console, Role.OPERATOR, "demo")
    admin = asking(console)
    answer = admin.post(f"/api/v1/jobs/{job}/run")
    assert (answer.status_code, problem(answer)) == (409, "job-disabled")
    asked = admin.post(f"/jobs/{job}/run", data={"run_key": "a-key"})
    assert asked.status_code == 200
    assert "This job is switched off" in asked.text
    assert 'name="run_key" value="a-key"' in asked.text
    assert value(database, "select count(*) from awp_console_change") == 0
    assert api.post(f"/api/v1/jobs/{job}/run").status_code == 404
    # Confirmed, it goes on to the brokers, which are away here.
    assert admin.post(f"/api/v1/jobs/{job}/run?confirm=true").status_code == 503


def test_a_double_click_is_noted_once(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    clicks = [asking(console) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(
            lambda api: api.post(f"/jobs/{job}/run", data={"run_key": "one"}).status_code, clicks
        )
    assert list(answers) == [503] * 4
    assert value(database, "select count(*) from awp_console_change") == 1


def test_running_is_limited(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    api = asking(console)
    answers = [api.post(f"/api/v1/jobs/{job}/run").status_code for _ in range(11)]
    assert answers == [503] * 10 + [429]
    assert asking(console, login="other").post(f"/api/v1/jobs/{job}/run").status_code == 503


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        ({"job_id": "x", "scheduled_at": SLOT}, ["job_id"]),
        ([{"job_id": 1, "scheduled_at": SLOT}, {"job_id": 1}], ["1"]),
        (
            [{"job_id": 0, "scheduled_at": "8 o'clock"}, "x", {"job_id": 2, "scheduled_at": SLOT}],
            ["0.job_id", "0.scheduled_at", "1"],
        ),
        ([], [""]),
        ([{"job_id": 1, "scheduled_at": SLOT}] * 1001, [""]),
        (
            {
                "job_id": 1,
                "scheduled_at": SLOT,
                "kind": "replay",
                "trigger_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
            },
            ["kind"],
        ),
    ],
)
def test_triggers_that_cannot_be_read_are_named_and_none_is_sent(
    console: Served, sent: Any, names: list[str]
) -> None:
    # A console without brokers: what is sent would answer 503.
    service = console.browser(Authorization="Bearer a-token")
    answer = service.post("/api/v1/triggers", json=sent)
    assert answer.status_code == 422
    assert [each["name"] for each in answer.json()["errors"]] == names


def test_only_a_service_sends_triggers(console: Served) -> None:
    body = {"job_id": 1, "scheduled_at": SLOT}
    assert asking(console).post("/api/v1/triggers", json=body).status_code == 403
    assert console.browser().post("/api/v1/triggers", json=body).status_code == 401
    service = console.browser(Authorization="Bearer a-token")
    assert service.post("/api/v1/jobs/1/run").status_code == 403
    assert service.post("/api/v1/triggers", content=b"{").status_code in (400, 422)
