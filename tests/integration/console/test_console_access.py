"""Who gets in, and what a browser that has not is told (R10)."""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from sqlalchemy import create_engine

from job_trigger_worker.console.shared import permissions
from job_trigger_worker.console.shared.auth import passwords, sessions, users
from job_trigger_worker.console.shared.auth.users import User
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.errors import UsageError
from job_trigger_worker.storage.write import changes
from tests.support.console import Served, form_token, refusals, serving
from tests.support.sql import execute, rows, value

PASSWORD = "four words in a row"  # noqa: S105 - of nobody


class Hands:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
        self.began = self.at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - self.began).total_seconds()


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    users.write(
        path,
        {
            "li.wei": User(Role.OPERATOR, "Li Wei", passwords.hashed(PASSWORD)),
            "common-job": User(Role.SERVICE, "common-job", passwords.token_hash("a-token")),
        },
    )
    return path


@pytest.fixture
def console(database: str, users_file: Path) -> Iterator[Served]:
    with serving(database, console_users_file=users_file) as served:
        yield served


def sign_in(
    browser: httpx.Client, login: str = "li.wei", password: str = PASSWORD, **more: str
) -> httpx.Response:
    token = form_token(browser.get("/sign-in"))
    data = {"form_token": token, "login": login, "password": password, **more}
    return browser.post("/sign-in", data=data)


def test_nobody_is_led_to_the_sign_in_and_back(console: Served) -> None:
    browser = console.browser()
    answer = browser.get("/jobs?q=db-07")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/sign-in?next=%2Fjobs%3Fq%3Ddb-07",
    )
    assert sign_in(browser, next="/jobs?q=db-07").headers["location"] == "/jobs?q=db-07"
    page = browser.get("/jobs?q=db-07")
    assert page.status_code == 200
    assert "Li Wei" in page.text
    assert 'value="db-07"' in page.text


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "x", "/a\tb"]
)
def test_the_way_back_leads_nowhere_else(console: Served, elsewhere: str) -> None:
    assert sign_in(console.browser(), next=elsewhere).headers["location"] == "/"
    answer = console.browser().get("/preferences", params={"back": elsewhere, "theme": "dark"})
    assert answer.headers["location"] == "/"


def test_a_wrong_password_comes_back_with_the_name_and_the_error(console: Served) -> None:
    for login in ("li.wei", "nobody", "common-job"):
        browser = console.browser()
        answer = sign_in(browser, login, "wrong words here")
        assert answer.status_code == 422
        assert f'value="{login}"' in answer.text
        assert "The name or the password is wrong." in answer.text
        assert browser.get("/jobs").status_code == 303


def test_the_cookie_is_for_us_alone_and_new_at_each_sign_in(console: Served, database: str) -> None:
    browser = console.browser()
    first = sign_in(browser).headers["set-cookie"]
    assert "HttpOnly" in first
    assert "SameSite=lax" in first
    assert "Path=/" in first
    before = browser.cookies["awp-session"]
    assert browser.get(console.link()).status_code == 303
    after = browser.cookies["awp-session"]
    assert before != after
    kept = rows(database, "select login, token_hash from awp_console_session")
    assert [(login, bytes(kept_hash)) for login, kept_hash in kept] == [
        ("demo-admin", hashlib.sha256(after.encode()).digest())
    ]


def test_behind_tls_the_cookie_belongs_to_this_host(database: str) -> None:
    with serving(database, trusted_proxies="127.0.0.1") as console:
        browser = console.browser(**{"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.8.7"})
        answer = browser.get(console.link())
        sent = [each for each in answer.headers.get_list("set-cookie") if "session" in each]
        assert sent[0].startswith("__Host-awp-session=")
        assert "Secure" in sent[0]
        assert "Domain" not in sent[0]
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        # Without TLS in front nobody is signed in from there.
        plain = console.browser(**{"X-Forwarded-Proto": "http", "X-Forwarded-For": "10.9.8.7"})
        assert plain.get(console.link()).status_code == 403
        assert "not private" in plain.get("/sign-in").text


def test_a_link_signs_in_once(console: Served) -> None:
    link = console.link()
    assert sessions.link_is_open(console.pool, console.clock, link)
    browser = console.browser()
    assert browser.head(link).status_code == 405  # a preview does not use it up
    assert browser.get(link).headers["location"] == "/"
    assert "demo-admin" in browser.get("/jobs").text
    assert not sessions.link_is_open(console.pool, console.clock, link)
    second = console.browser().get(link)
    assert second.status_code == 410
    assert "This link has been used" in second.text
    assert "terminal" in second.text


def test_a_link_is_good_for_ten_minutes(database: str) -> None:
    clock = Hands()
    with serving(database, clock=clock) as console:
        link, other = console.link(), console.link()
        clock.at += timedelta(seconds=599)
        assert console.browser().get(link).status_code == 303
        clock.at += timedelta(seconds=1)
        assert console.browser().get(other).status_code == 410


def test_a_session_ends_by_itself(database: str) -> None:
    clock = Hands()
    with serving(database, clock=clock, console_idle_s=600, console_session_s=1500) as console:
        idle, busy = console.signed_in(), console.signed_in()
        for _ in range(3):
            clock.at += timedelta(seconds=499)
            assert busy.get("/jobs").status_code == 200
        assert idle.get("/jobs").status_code == 303  # unused for 1497 s
        clock.at += timedelta(seconds=3)
        assert busy.get("/jobs").status_code == 303  # 1500 s old, however busy


def test_signing_out_ends_it_for_good(console: Served) -> None:
    browser = console.signed_in()
    stolen = dict(browser.cookies)
    token = form_token(browser.get("/jobs"))
    assert browser.post("/sign-out", data={"form_token": token}).status_code == 303
    assert browser.get("/jobs").status_code == 303
    assert httpx.get(f"{console.address}/jobs", cookies=stolen).status_code == 303


def test_a_session_that_somebody_else_has_chosen_is_not_taken_over(console: Served) -> None:
    browser = console.browser()
    browser.cookies.set("awp-session", "chosen-by-a-stranger", domain="127.0.0.1")
    sign_in(browser)
    assert "chosen-by-a-stranger" not in browser.cookies.values()
    stranger = httpx.get(f"{console.address}/jobs", cookies={"awp-session": "chosen-by-a-stranger"})
    assert stranger.status_code == 303


def test_a_session_of_before_ends_with_the_next_sign_in(console: Served) -> None:
    browser = console.signed_in()
    before = dict(browser.cookies)
    assert browser.get(console.link()).status_code == 303
    assert browser.get("/jobs").status_code == 200
    assert httpx.get(f"{console.address}/jobs", cookies=before).status_code == 303


def test_another_instance_knows_the_session(console: Served, database: str) -> None:
    browser = console.signed_in()
    with serving(database) as other:
        again = httpx.get(f"{other.address}/jobs", cookies=dict(browser.cookies))
        assert again.status_code == 200


def test_a_user_who_is_removed_or_gets_a_new_password_is_out(
    console: Served, users_file: Path
) -> None:
    browser = console.browser()
    sign_in(browser)
    assert browser.get("/jobs").status_code == 200
    users.write(
        users_file, {"li.wei": User(Role.ADMIN, "Li Wei", passwords.hashed("other words now"))}
    )
    assert browser.get("/jobs").status_code == 303
    sign_in(browser, "li.wei", "other words now")
    assert "Dead letters" in browser.get("/jobs").text  # the role is the file's
    users.write(users_file, {})
    assert browser.get("/jobs").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_from_elsewhere_is_refused(console: Served, headers: dict[str, str]) -> None:
    browser = console.signed_in()
    token = form_token(browser.get("/jobs"))
    answer = browser.post("/sign-out", data={"form_token": token}, headers=headers)
    assert answer.status_code == 403
    assert "This form is no longer valid" in answer.text
    assert browser.get("/jobs").status_code == 200
    stranger = console.browser()
    token = form_token(stranger.get("/sign-in"))
    data = {"form_token": token, "login": "li.wei", "password": PASSWORD}
    assert stranger.post("/sign-in", data=data, headers=headers).status_code == 403


def test_a_form_without_its_token_is_refused(console: Served) -> None:
    browser, other = console.signed_in(), console.signed_in()
    for token in ("", "wrong", form_token(other.get("/jobs"))):
        assert browser.post("/sign-out", data={"form_token": token}).status_code == 403
    assert browser.post("/sign-out").status_code == 403
    assert browser.get("/jobs").status_code == 200
    data = {"login": "li.wei", "password": PASSWORD, "form_token": ""}
    assert console.browser().post("/sign-in", data=data).status_code == 403


def test_the_own_origin_is_taken(console: Served) -> None:
    browser = console.signed_in()
    headers = {"Origin": console.address, "X-Form-Token": form_token(browser.get("/jobs"))}
    assert browser.post("/sign-out", headers=headers).status_code == 303


def test_a_program_finds_the_token_of_the_form_as_the_api_page_says(console: Served) -> None:
    page_of_docs = (Path(__file__).parents[3] / "docs/api.md").read_text()
    (expression,) = re.findall(r"^form=.*sed -n '(.*)'\)$", page_of_docs, re.MULTILINE)
    browser = console.browser()
    page = browser.get("/sign-in")
    found = subprocess.run(
        ["sed", "-n", expression],
        input=page.text,
        text=True,
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout.strip()
    assert found == form_token(page)
    data = {"form_token": found, "login": "li.wei", "password": PASSWORD}
    assert browser.post("/sign-in", data=data).status_code == 303
    assert browser.get("/api/v1/me").json()["login"] == "li.wei"


def test_guessing_is_slow(database: str, users_file: Path) -> None:
    clock = Hands()
    with serving(database, clock=clock, console_users_file=users_file) as console:
        browser = console.browser()
        statuses = [sign_in(browser, "li.wei", "wrong words").status_code for _ in range(7)]
        assert statuses == [422] * 5 + [429] * 2
        answer = sign_in(browser)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "60"
        assert "Wait 60 seconds" in answer.text
        clock.at += timedelta(seconds=61)
        assert sign_in(browser).status_code == 303


def test_many_names_from_one_address_are_slow_too(console: Served) -> None:
    browser = console.browser()
    token = form_token(browser.get("/sign-in"))
    statuses = {
        browser.get(f"/start/{turn}").status_code: turn for turn in range(40)
    }  # no password is checked: quick
    assert set(statuses) == {410, 429}
    data = {"form_token": token, "login": "li.wei", "password": PASSWORD}
    assert browser.post("/sign-in", data=data).status_code == 429


MEMBERS = """
    insert into awp_user (id, login, name, role, enabled) values
        (1, 'li.wei', 'Li Wei', 'viewer', true), (2, 'wang', 'Wang', 'admin', true),
        (3, 'gone', 'Gone', 'admin', false);
    insert into awp_user_group_member values (1, 30), (1, 4);
"""


def test_a_proxy_signs_in_by_header(database: str) -> None:
    execute(database, MEMBERS)
    settings: dict[str, Any] = {
        "trusted_proxies": "10.1.0.0/16, 127.0.0.1",
        "remote_user_header": "X-User",
    }
    with serving(database, **settings) as console:
        page = console.browser(**{"X-User": "wang"}).get("/jobs")
        assert page.status_code == 200
        assert "Dead letters" in page.text
        assert "Dead letters" not in console.browser(**{"X-User": "li.wei"}).get("/jobs").text
        for unknown in ("gone", "nobody"):
            answer = console.browser(**{"X-User": unknown}).get("/jobs")
            assert answer.status_code == 403
            assert f"signed in as {unknown}" in answer.text
        twice = [("X-User", "li.wei"), ("X-User", "wang")]
        assert httpx.get(f"{console.address}/jobs", headers=twice).status_code == 303


def test_forms_are_protected_behind_a_proxy_too(database: str) -> None:
    execute(database, MEMBERS)
    settings: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "remote_user_header": "X-User"}
    with serving(database, **settings) as console:
        browser = console.browser(**{"X-User": "wang"})
        browser.get("/jobs")
        assert browser.post("/sign-out", data={"form_token": ""}).status_code == 403
        mine = browser.cookies["awp-form"]
        assert browser.post("/sign-out", data={"form_token": mine}).status_code == 303


def test_a_program_behind_a_proxy_gets_its_token_from_the_api_alone(database: str) -> None:
    execute(database, MEMBERS)
    settings: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "remote_user_header": "X-User"}
    with serving(database, **settings) as console:
        api = console.browser(**{"X-User": "wang"})
        untold = api.post("/api/v1/jobs/7/enable")
        assert (untold.status_code, untold.json()["title"]) == (403, "The form token is wrong")
        assert untold.json()["remedy"] == (
            "Send `form_token` of GET /api/v1/me as X-Form-Token, and the cookies that you were "
            "given with it."
        )
        told = api.get("/api/v1/me")
        token = told.json()["form_token"]
        assert token
        assert f"awp-form={token};" in told.headers["set-cookie"]
        assert "HttpOnly" in told.headers["set-cookie"]
        right = api.post("/api/v1/jobs/7/enable", headers={"X-Form-Token": token})
        assert right.status_code == 404  # it was let in: there is no such job
        again = api.get("/api/v1/me")
        assert again.json()["form_token"] == token
        assert "set-cookie" not in again.headers
        without_cookie = console.browser(**{"X-User": "wang", "X-Form-Token": token})
        assert without_cookie.post("/api/v1/jobs/7/enable").status_code == 403


@pytest.mark.parametrize("proxies", ["10.1.0.0/16", "127.0.0.2", "::1"])
def test_a_header_from_another_address_is_nothing(database: str, proxies: str) -> None:
    execute(database, MEMBERS)
    with serving(database, trusted_proxies=proxies, remote_user_header="X-User") as console:
        browser = console.browser(
            **{"X-User": "wang", "X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https"}
        )
        answer = browser.get("/jobs")
        assert answer.status_code == 303
        assert "strict-transport-security" not in answer.headers


def test_a_header_is_off_by_default(console: Served) -> None:
    for name in ("X-User", "X-Forwarded-User", "Remote-User"):
        assert console.browser(**{name: "li.wei"}).get("/jobs").status_code == 303


def test_a_header_without_proxies_does_not_start(database: str) -> None:
    with (
        pytest.raises(UsageError, match="no proxy may send it"),
        serving(database, remote_user_header="X-User"),
    ):
        pass


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_beyond_loopback_it_takes_tls_or_a_proxy(database: str, listen: str) -> None:
    with (
        pytest.raises(UsageError, match="could be read on the network"),
        serving(database, console_listen=listen),
    ):
        pass


def test_groups_come_from_the_platform(console: Served, database: str) -> None:
    execute(database, MEMBERS)
    seen = []

    def echo(viewer: permissions.Viewing) -> None:
        seen.append(viewer)

    console.app.add_api_route("/echo", echo)
    browser = console.browser()
    sign_in(browser)
    assert browser.get("/echo").status_code == 200
    execute(database, "drop view console_member")
    assert browser.get("/echo").status_code == 200
    known, unknown = seen
    assert (known.login, known.user_id, known.group_ids) == ("li.wei", 1, (4, 30))
    assert (known.role, known.are_groups_known) == (Role.OPERATOR, True)  # the file's role
    assert (unknown.group_ids, unknown.are_groups_known) == ((), False)


def test_every_route_refuses_whoever_has_too_low_a_role(console: Served) -> None:
    for path, role in (
        ("/v", Role.VIEWER),
        ("/o", Role.OPERATOR),
        ("/a", Role.ADMIN),
        ("/api/v1/s", Role.SERVICE),
    ):
        console.app.add_api_route(
            path, lambda: None, dependencies=permissions.only(role), methods=["GET", "POST"]
        )
    protected = {
        (method, route.path): route.role
        for route in permissions.routes(console.app)
        for method in route.methods
        if route.role
    }
    assert {"/", "/jobs", "/v", "/o", "/a", "/api/v1/s"} <= {path for _, path in protected}
    asking: tuple[Role | None, ...] = (None, Role.VIEWER, Role.OPERATOR, Role.ADMIN)
    for who in asking:
        for (method, path), status in refusals(console, who).items():
            if (method, path) not in protected:
                continue
            if who is None:
                expected = 401 if method != "GET" or path.startswith("/api/") else 303
                assert status == expected, (method, path)
            else:
                is_refused = not who.includes(protected[method, path])
                assert (status == 403) == is_refused, (who, method, path, status)


def test_a_service_may_do_what_is_meant_for_it_and_nothing_else(console: Served) -> None:
    seen = []

    def echo(service: permissions.Serving) -> None:
        seen.append(service.login)

    console.app.add_api_route("/api/v1/echo", echo, methods=["POST"])
    good = console.browser(Authorization="Bearer a-token")
    assert good.post("/api/v1/echo").status_code == 200
    assert seen == ["common-job"]
    assert good.get("/jobs").status_code == 403
    wrong = console.browser(Authorization="Bearer another").post("/api/v1/echo")
    assert wrong.status_code == 401
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert wrong.json()["type"].endswith("unknown-token")
    admin = console.signed_in(Role.ADMIN)
    headers = {"X-Form-Token": form_token(admin.get("/jobs"))}
    assert admin.post("/api/v1/echo", headers=headers).status_code == 403


def test_a_route_that_says_nothing_about_roles_is_found(console: Served) -> None:
    console.app.add_api_route("/forgotten", lambda: None)
    with pytest.raises(LookupError, match="/forgotten"):
        permissions.routes(console.app)


def test_a_route_of_an_included_router_is_found_too(console: Served) -> None:
    router = APIRouter()
    router.add_api_route("/forgotten", lambda: None)
    console.app.include_router(router, prefix="/deep")
    with pytest.raises(LookupError, match="/deep/forgotten"):
        permissions.routes(console.app)


def test_changes_are_kept_in_order(database: str) -> None:
    engine = create_engine(database)
    with engine.begin() as connection:
        for action in ("edit", "disable", "run"):
            changes.write(
                connection,
                login="li.wei",
                object_kind="job",
                object_id="17",
                action=action,
                before={"name": "a"},
                after={"name": "b"} if action == "edit" else None,
            )
        changes.write(connection, login="x", object_kind="job", object_id="18", action="run")
    with engine.connect() as connection:
        found = changes.of_object(connection, "job", "17", limit=2)
        assert [(each.action, each.before, each.after) for each in found] == [
            ("run", {"name": "a"}, None),
            ("disable", {"name": "a"}, None),
        ]
        older = changes.of_object(connection, "job", "17", limit=2, older_than=found[-1].id)
        assert [(each.action, each.after) for each in older] == [("edit", {"name": "b"})]
    engine.dispose()
    assert value(database, "select count(*) from awp_console_change") == 4
