"""What every answer of the console has in common, whatever it is about."""

import logging
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Body

from job_trigger_worker.config import Settings
from job_trigger_worker.console.shared import permissions
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.errors import FatalError, Refusal, Refused
from tests.support.console import Served, serving
from tests.support.worker import running


class Elements(HTMLParser):
    """The elements and attributes of a page, and what stands in its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.scripts: list[str] = []
        self.is_in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}
        self.is_in_script = tag == "script"
        if self.is_in_script:
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.is_in_script:
            self.scripts[-1] += data.strip()

    def handle_endtag(self, tag: str) -> None:
        self.is_in_script = False


AWAY = "postgresql+psycopg2://li:geheim@127.0.0.1:1/gone"


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database) as served:
        yield served


@pytest.mark.parametrize("path", ["/sign-in", "/jobs", "/nothing", "/static/console.css", "/livez"])
def test_every_answer_carries_the_headers(console: Served, path: str) -> None:
    headers = console.browser().get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    sources = {each for rule in policy.split("; ") for each in rule.split()[1:]}
    assert sources == {"'none'", "'self'"}
    for rule in ("script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'"):
        assert rule in policy.split("; ")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert "strict-transport-security" not in headers  # not behind TLS
    assert "server" not in headers


def test_a_fault_of_ours_has_them_too_and_shows_nothing(
    console: Served, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("geheim")

    viewers = permissions.only(Role.VIEWER)
    console.app.add_api_route("/broken", broken, dependencies=viewers)
    console.app.add_api_route("/api/v1/broken", broken, dependencies=viewers)
    browser = console.signed_in()
    with caplog.at_level(logging.INFO):
        page, details = browser.get("/broken"), browser.get("/api/v1/broken")
    assert page.status_code == details.status_code == 500
    assert "default-src 'none'" in page.headers["content-security-policy"]
    number = re.search(r"the number (\w{8})", page.text)
    assert number
    assert f"request={number.group(1)}" in caplog.text  # there is the rest
    for answer in (page, details):
        assert "geheim" not in answer.text
        assert "Traceback" not in answer.text


def test_a_page_that_is_not_there_still_leads_on(console: Served) -> None:
    page = console.signed_in(login="li.wei").get("/nothing")
    assert page.status_code == 404
    assert "li.wei" in page.text
    assert 'href="/history"' in page.text


def test_pages_are_not_kept_by_caches_but_files_are(console: Served) -> None:
    browser = console.signed_in()
    page = browser.get("/jobs")
    assert page.headers["cache-control"] == "no-store"
    address = re.search(r'href="(/static/console\.css\?v=\w+)"', page.text)
    assert address
    assert "immutable" in browser.get(address.group(1)).headers["cache-control"]
    assert browser.get("/static/console.css").headers["cache-control"] == "no-cache"


def test_no_page_has_a_script_or_a_style_in_it(console: Served) -> None:
    browser = console.signed_in(Role.ADMIN, "<script>alert(1)</script>")
    for path in ("/jobs?q=%22%3E%3Cimg src=x onerror=alert(1)%3E", "/time-zone", "/nothing"):
        text = browser.get(path).text
        seen = Elements()
        seen.feed(text)
        assert not seen.names & {"style", "img", "iframe", "object"}
        assert not {name for name, _ in seen.attributes if name == "style" or name[:2] == "on"}
        addresses = {value for name, value in seen.attributes if name in ("href", "src", "action")}
        assert addresses
        assert all(value[0] in "/#" and value[:2] != "//" for value in addresses)
        assert seen.scripts == [""]  # one, from a file


def test_below_api_problems_are_details(console: Served) -> None:
    missing = console.browser().get("/api/v1/nothing")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json() == {
        "type": "urn:trigger-worker:problem:not-found",
        "status": 404,
        "title": "There is nothing here",
        "detail": "It does not exist, or belongs to a group that you are not in.",
        "remedy": "Check the address, or search for it. "
        "An administrator sees the jobs of all groups.",
        "instance": "/api/v1/nothing",
    }
    chinese = console.browser(**{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert chinese.get("/api/v1/nothing").json()["title"] == "这里什么也没有"


def test_a_wrong_method_is_told_the_right_ones(console: Served) -> None:
    for method in ("GET", "PATCH"):
        console.app.add_api_route(
            "/api/v1/two/{number}",
            lambda: None,
            methods=[method],
            dependencies=permissions.only(Role.VIEWER),
        )
    answer = console.browser().put("/api/v1/two/17")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH")
    assert answer.json()["type"].endswith(":wrong-method")


def test_what_cannot_be_read_is_named_field_by_field(console: Served) -> None:
    def take(size: Annotated[int, Body(embed=True)]) -> int:
        return size

    viewers = permissions.only(Role.VIEWER)
    console.app.add_api_route("/api/v1/take", take, methods=["POST"], dependencies=viewers)
    browser = console.signed_in()
    token = re.search(r'name="form-token" content="(\w+)"', browser.get("/jobs").text)
    assert token
    answer = browser.post(
        "/api/v1/take", json={"size": "many"}, headers={"X-Form-Token": token.group(1)}
    )
    assert answer.status_code == 422
    assert answer.json()["type"].endswith(":invalid")
    assert [each["name"] for each in answer.json()["errors"]] == ["size"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(FatalError("no grant on geheim"), 503), (Refused("geheim", Refusal("22000")), 422)],
)
def test_errors_of_the_domain_are_answered_in_one_place(
    console: Served, error: Exception, status: int
) -> None:
    def failing() -> None:
        raise error

    console.app.add_api_route("/failing", failing, dependencies=permissions.only(Role.VIEWER))
    answer = console.signed_in().get("/failing")
    assert answer.status_code == status
    assert "geheim" not in answer.text
    assert "What you can do" in answer.text


def test_the_database_is_away() -> None:
    with serving(AWAY) as console:
        browser = console.browser()
        browser.cookies.set("awp-session", "x", domain="127.0.0.1")
        page = browser.get("/jobs")
        assert page.status_code == 503
        assert page.headers["retry-after"] == "5"
        assert "The database is away" in page.text
        assert "Try again" in page.text
        for secret in ("geheim", "127.0.0.1:1", "gone", "psycopg2"):
            assert secret not in page.text
        details = browser.get("/api/v1/nothing")
        assert details.status_code == 404
        assert browser.get("/livez").json() == {"status": "ok"}
        ready = browser.get("/readyz")
        assert (ready.status_code, ready.json()) == (
            503,
            {"status": "the database does not answer"},
        )


def test_a_database_without_our_tables_is_not_ready(console: Served) -> None:
    assert console.browser().get("/readyz").json() == {"status": "ok"}
    with console.pool.transaction() as connection:
        connection.exec_driver_sql("drop table awp_console_session")
    assert console.browser().get("/readyz").status_code == 503


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/x"])
def test_a_body_has_a_limit(console: Served, path: str) -> None:
    announced = console.browser().post(path, content=b"x" * (4 * 1024 * 1024 + 1))
    assert announced.status_code == 413

    def pieces() -> Iterator[bytes]:
        yield b"login="
        for _ in range(80):
            yield b"x" * 65536

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        answer = console.browser().post("/sign-in", content=pieces(), headers=form)
    except httpx.TransportError:
        return  # the answer came before all was sent, and the connection ended
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    ("accepted", "cookie", "language"),
    [
        ("", None, "en"),
        ("zh", None, "zh-CN"),
        ("fr, zh-TW;q=0.5, en;q=0.4", None, "zh-CN"),
        ("en, zh;q=0.5", None, "en"),
        ("en;q=x, zh;q=0.1", None, "zh-CN"),
        ("en", "zh", "zh-CN"),
        ("zh", "en", "en"),
        ("zh", "fr", "zh-CN"),
    ],
)
def test_the_language_is_chosen_or_the_browsers(
    console: Served, accepted: str, cookie: str | None, language: str
) -> None:
    browser = console.browser(**{"Accept-Language": accepted})
    if cookie:
        browser.cookies.set("awp-language", cookie, domain="127.0.0.1")
    page = browser.get("/sign-in").text
    assert f'<html lang="{language}"' in page
    assert ("登录" in page) == (language == "zh-CN")


def test_choices_are_kept_and_lead_back(console: Served) -> None:
    browser = console.signed_in()
    page = browser.get("/jobs?q=a%26b").text
    switch = re.search(r'href="(/preferences\?language=zh[^"]+)"', page)
    assert switch
    answer = browser.get(switch.group(1).replace("&amp;", "&"))
    assert answer.headers["location"] == "/jobs?q=a%26b"
    for choice in ({"theme": "dark"}, {"zone": "Asia/Shanghai"}, {"zone": "Mars/Base"}):
        browser.get("/preferences", params=choice)
    text = browser.get("/jobs").text
    assert 'data-theme="dark"' in text
    assert "时区：Asia/Shanghai" in text
    assert "任务" in text


def test_a_token_never_reaches_the_log(console: Served, caplog: pytest.LogCaptureFixture) -> None:
    link = console.link()
    with caplog.at_level(logging.DEBUG):
        browser = console.browser()
        browser.get(link)
        browser.get("/jobs?q=geheim")
    for secret in (link.removeprefix("/start/"), browser.cookies["awp-session"], "geheim"):
        assert secret not in " ".join(
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("job_trigger_worker")
        )
    assert "path=/start/…" in caplog.text


def test_the_command_serves_and_ends_in_order(database: str, tmp_path: Path) -> None:
    settings = Settings(database_url=database, console_listen="127.0.0.1:0")
    with running(settings, tmp_path / "console.log", command="console") as process:
        assert process.get("/jobs") == 200  # the sign-in page it leads to
        assert process.stop() == 0
        assert "Traceback" not in process.words()


def test_importing_it_does_nothing() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            """
import threading
import job_trigger_worker.console.shell.app
print(threading.active_count())
""",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_tls_of_its_own(database: str, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    with serving(database, console_cert_file=certificate, console_key_file=key) as console:
        assert console.address.startswith("https://")
        trusting = ssl.create_default_context(cafile=certificate)
        with httpx.Client(base_url=console.address, verify=trusting) as browser:
            answer = browser.get(console.link())
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            (sent,) = [c for c in answer.headers.get_list("set-cookie") if "session=" in c]
            name, _, token = sent.partition(";")[0].partition("=")
            assert name == "__Host-awp-session"
            assert {each.strip() for each in sent.split(";")[1:]} == {
                "HttpOnly", "Path=/", "SameSite=lax", "Secure"
            }  # fmt: skip
            assert browser.get("/jobs").status_code == 200
            form = browser.get("/jobs").text
            assert "https://" not in form.partition("<head>")[2].partition("</head>")[0]
        # A cookie without the prefix may come from another host, or from a plain connection.
        with httpx.Client(base_url=console.address, verify=trusting) as other:
            other.cookies.set("awp-session", token, domain="127.0.0.1")
            assert other.get("/jobs").status_code == 303
