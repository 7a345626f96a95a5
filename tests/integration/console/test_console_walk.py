"""Every route as everybody: what one may not see is not there; no form of others is taken (R10).

Routes that come later are walked by themselves. What a foreign group has carries a mark that stands
nowhere else; no answer, whatever is asked, may hold one.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from job_trigger_worker.console.shared import permissions
from job_trigger_worker.console.shared.auth import passwords, users
from job_trigger_worker.console.shared.auth.users import User
from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, form_token, serving
from tests.support.history import FrozenClock, writing
from tests.support.letters import keep
from tests.support.sql import value

OURS, THEIRS = 40, 50
MARK = "zq7foreign"
CODE = "server_powered_off"
"""The failure code that only foreign records have."""
NAMED = {
    "job": 880_001,
    "gone": 880_002,
    "owner": 880_003,
    "server": 880_004,
    "target": 880_005,
    "record": 890_006,
}
EXECUTION = "0f0f0f0f-8800-4000-8000-000000880007"
TRIGGER = "0f0f0f0f-8800-4000-8000-000000880008"
CAUSE = f"{CODE}:server={NAMED['server']}"
MARKS = [
    MARK,
    *map(str, NAMED.values()),
    EXECUTION,
    TRIGGER,
    CODE,
]
"""Whatever names something foreign holds two of these: one may be what was asked for."""
FILTERS: dict[str, list[str]] = {
    "q": [MARK, str(NAMED["job"]), str(NAMED["server"])],
    "name": [MARK],
    "owner": [str(NAMED["owner"])],
    "group": [str(THEIRS)],
    "server": [str(NAMED["server"])],
    "job": [str(NAMED["job"]), str(NAMED["gone"])],
    "cause": [CAUSE],
    "code": [CODE],
    "trigger": [TRIGGER],
    "execution": [EXECUTION],
    "status": ["trigger_failed"],
    "kind": ["schedule"],
    "since": ["2026-11-20T00:00:00Z"],
}
READ_S = 0.5
"""How long a stream is read."""
PATIENCE_S = 5.0
"""How long any answer may keep silent."""
MOST_BYTES = 300_000
SAFE = {"GET", "HEAD", "OPTIONS"}
_POSITION = re.compile(r'data-after="\d+"|^id: \d+$', re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What came of a request, as far as it was read."""

    status: int
    text: str
    goes_on: bool


@pytest.fixture(scope="module")
def walk_database(postgres: Any) -> Iterator[str]:
    """Two groups; the foreign one has a job that fails, one that is gone, and dead letters."""
    name = "t_console_walk"
    database = postgres.create(name)
    with writing(database) as (platform, history):
        platform.group("ours", id=OURS)
        platform.group(f"{MARK}-group", id=THEIRS)
        platform.user("viewer", groups=[OURS], id=61)
        platform.user("operator", groups=[OURS], id=62)
        platform.user("nobody", id=63)
        platform.user("admin", id=64)
        platform.user(f"{MARK}-owner", groups=[THEIRS], id=NAMED["owner"])
        server = platform.server(f"{MARK}-db", "10.88.0.1", state="off", id=NAMED["server"])
        action = platform.action(f"{MARK}-action", id=NAMED["target"])
        columns: dict[str, Any] = {"owner_id": NAMED["owner"], "target_id": action}
        target = platform.account(server, f"{MARK}-account")
        platform.action_job([target], name=f"{MARK}-job", id=NAMED["job"], **columns)
        ours = platform.action_job(name="our-job", owner_id=61, id=17)
        history.dispatched(ours, "succeeded")
        finding = {
            "code": CODE,
            "message": f"Server {MARK} is powered off.",
            "server_id": str(NAMED["server"]),
        }
        told: dict[str, Any] = {
            "causes": [CAUSE],
            "job_name": f"{MARK}-job",
            "owner_id": NAMED["owner"],
            "triggered_by": MARK,
        }
        history.failed(
            NAMED["job"],
            finding,
            id=NAMED["record"],
            execution_id=EXECUTION,
            trigger_id=TRIGGER,
            **told,
        )
        history.failed(NAMED["gone"], finding, **told)
        history.failed(NAMED["job"], finding, **told)
    keep(database, MARK.encode(), reason=MARK, job_id=NAMED["job"])
    yield database
    postgres.drop(name)


@pytest.fixture(scope="module")
def console(walk_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path: Path = tmp_path_factory.mktemp("walk") / "users.json"
    service = User(Role.SERVICE, "common-job", passwords.token_hash("a-token"))
    users.write(path, {"common-job": service})
    with serving(walk_database, clock=FrozenClock(), console_users_file=path) as served:
        yield served


def ids() -> dict[str, str]:
    """What fills a path's parameter, by words in its name; a foreign job's id for all others."""
    return {
        "record": str(NAMED["record"]),
        "execution": EXECUTION,
        "trigger": TRIGGER,
        "letter": "1",
        "cause": CAUSE,
        "server": str(NAMED["server"]),
        "token": "none",
        "job": str(NAMED["job"]),
    }


def filled(path: str, found: re.Match[str]) -> str:
    name = found[0].strip("{}").partition(":")[0]
    known = ids()
    if name.endswith("id") and "execution" in path and name in ("id", "execution_id"):
        return known["record"]
    return next((known[word] for word in known if word in name), known["job"])


def addresses(served: Served) -> Iterator[tuple[str, str]]:
    """Every route that is read, with each foreign id in its path, and each filter by one."""
    for route in permissions.routes(served.app):
        if "GET" not in route.methods:
            continue
        path = re.sub(r"{[^}]+}", lambda found: filled(route.path, found), route.path)  # noqa: B023
        yield route.path, path
        if "{" in route.path:
            for other in sorted({*map(str, NAMED.values()), EXECUTION, TRIGGER, CAUSE}):
                yield route.path, re.sub(r"{[^}]+}", other, route.path)
            continue
        if route.role is None:
            continue
        asked = [{name: each} for name, values in FILTERS.items() for each in values]
        for query in (*asked, {"group": str(OURS), "owner": str(NAMED["owner"])}):
            yield route.path, str(httpx.URL(path, params=query))


def read(browser: httpx.Client, method: str, address: str, **more: Any) -> Answer:
    """An answer with its headers, or the beginning of one that does not end."""
    began = time.monotonic()
    content = b""
    # A stream may say nothing for long: then the wait for its next part ends the reading.
    with browser.stream(
        method, address, timeout=httpx.Timeout(20, read=PATIENCE_S), **more
    ) as answer:
        try:
            for part in answer.iter_bytes():
                content += part
                is_late = streams(answer) and time.monotonic() - began > READ_S
                if len(content) > MOST_BYTES or is_late:
                    break
        except httpx.ReadTimeout:
            if not streams(answer):
                raise
        head = "\n".join(f"{name}: {said}" for name, said in answer.headers.items())
        text = f"{head}\n{content.decode(errors='replace')}"
        return Answer(answer.status_code, text, goes_on=streams(answer))


def streams(answer: httpx.Response) -> bool:
    """True for an answer that goes on."""
    return str(answer.headers.get("content-type", "")).startswith("text/event-stream")


def without_echo(address: str, text: str) -> str:
    """An answer without what was asked: a page shows its own address and filters again.

    Nor with where a feed stands: its position counts all failures, and names none.
    """
    text = _POSITION.sub("", text)
    asked = {each for _, each in httpx.URL(address).params.multi_items()}
    asked |= {part for part in httpx.URL(address).path.split("/") if part}
    for each in sorted(asked, key=len, reverse=True):
        quoted = str(httpx.URL("/", params={"x": each})).partition("=")[2]
        for form in (each, quoted, quoted.replace("%", "%25")):
            text = text.replace(form, "")
    return text


@pytest.mark.parametrize(
    ("role", "login"),
    [
        (Role.VIEWER, "viewer"),
        (Role.OPERATOR, "operator"),
        (Role.VIEWER, "nobody"),
    ],
)
def test_what_one_may_not_see_is_nowhere(console: Served, role: Role, login: str) -> None:
    browser = console.signed_in(role, login)
    public = {r.path for r in permissions.routes(console.app) if r.role is None}
    walked = list(addresses(console))
    if role is Role.VIEWER:  # sees what an operator sees, and less: each route once
        walked = list(dict(walked).items())
    endless: set[str] = set()
    for route, address in walked:
        if route in endless:  # a stream takes no filter, and its time
            continue
        answer = read(browser, "GET", address)
        if answer.goes_on:
            endless.add(route)
        assert answer.status < 500, address
        assert "frame-ancestors 'none'" in answer.text.partition("\n<!doctype")[0], address
        rest = without_echo(address, answer.text)
        for mark in MARKS:
            assert mark not in rest, (address, rest[max(0, rest.find(mark) - 200) :][:400])
        if "{" in route and route not in public:
            assert answer.status in (400, 403, 404, 422), address


def test_one_in_no_group_sees_no_job_and_counts_none(console: Served) -> None:
    browser = console.signed_in(Role.VIEWER, "nobody")
    for address in ("/jobs", "/history", "/failures"):
        answer = read(browser, "GET", address)
        assert answer.status == 200
        assert "our-job" not in answer.text
        assert "server_powered_off" not in answer.text


def test_the_marks_are_there_for_an_admin_and_for_their_own_group(console: Served) -> None:
    admin = console.signed_in(Role.ADMIN, "admin")
    theirs = console.signed_in(Role.VIEWER, f"{MARK}-owner")
    for address in ("/jobs", "/history", "/failures", f"/jobs/{NAMED['job']}"):
        assert MARK in read(admin, "GET", address).text, address
        assert MARK in read(theirs, "GET", address).text, address
    assert MARK in read(theirs, "GET", f"/history/{NAMED['record']}").text
    assert MARK in read(admin, "GET", "/dead-letters/1").text


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer a-token"}])
def test_without_a_person_there_is_nothing_to_see(console: Served, given: dict[str, str]) -> None:
    browser = console.browser(**given)
    for address in dict(addresses(console)).values():
        answer = read(browser, "GET", address)
        rest = without_echo(address, answer.text)
        assert not [mark for mark in MARKS if mark in rest], address


def unsafe(served: Served) -> list[tuple[str, str]]:
    """Every method that changes something, with its address; sign-in has no session to check."""
    return [
        (method, re.sub(r"{[^}]+}", lambda found: filled(route.path, found), route.path))  # noqa: B023
        for route in permissions.routes(served.app)
        for method in sorted(route.methods - SAFE)
        if route.role is not Role.SERVICE
    ]


def test_no_form_of_others_is_taken_anywhere(console: Served, walk_database: str) -> None:
    browser = console.signed_in(Role.ADMIN, "admin")
    mine = form_token(browser.get("/jobs"))
    theirs = form_token(console.signed_in(Role.ADMIN, "admin").get("/jobs"))
    counted = "select count(*) from awp_console_change"
    tried: list[tuple[dict[str, str], str | None]] = [
        ({}, None),
        ({"X-Form-Token": ""}, None),
        ({"X-Form-Token": theirs}, None),
        ({}, theirs),
        ({"X-Form-Token": mine, "Sec-Fetch-Site": "cross-site"}, None),
        ({"X-Form-Token": mine, "Sec-Fetch-Site": "same-site"}, None),
        ({"X-Form-Token": mine, "Origin": "https://evil.example"}, None),
        ({"Sec-Fetch-Site": "cross-site"}, mine),
    ]
    walked = unsafe(console)
    assert ("POST", "/dead-letters/1/replay") in walked
    for method, address in walked:
        for headers, token in tried:
            data = {} if token is None else {"form_token": token}
            more = {"json": {}} if address.startswith("/api/") else {"data": data}
            answer = read(browser, method, address, headers=headers, **more)
            assert answer.status == 403, (method, address, headers, answer.status)
            assert "form" in answer.text
    assert value(walk_database, counted) == 0
    assert browser.get("/jobs").status_code == 200  # nobody has signed out


def test_what_changes_something_foreign_is_not_found(console: Served, walk_database: str) -> None:
    saved = "select md5(string_agg(j::text, ',' order by id)) from awp_automcation_job j"
    before = value(walk_database, saved)
    for role, login in ((Role.VIEWER, "viewer"), (Role.OPERATOR, "operator")):
        browser = console.signed_in(role, login)
        token = form_token(browser.get("/jobs"))
        for method, address in unsafe(console):
            if address in ("/sign-in", "/sign-out"):
                continue
            headers = {"X-Form-Token": token, "Idempotency-Key": TRIGGER, "If-Match": '"1"'}
            more: dict[str, Any] = {"json": {}} if address.startswith("/api/") else {"data": {}}
            answer = read(browser, method, address, headers=headers, **more)
            assert answer.status in (400, 403, 404, 422), (method, address, answer.status)
            rest = without_echo(address, answer.text)
            assert not [mark for mark in MARKS if mark in rest], (method, address)
    assert value(walk_database, saved) == before


def test_a_refusal_is_the_same_for_what_is_foreign_and_for_what_is_not_there(
    console: Served,
) -> None:
    browser = console.signed_in(Role.OPERATOR, "operator")
    for there, absent in (
        (f"/jobs/{NAMED['job']}", "/jobs/990001"),
        (f"/jobs/{NAMED['gone']}", "/jobs/990001"),
        (f"/history/{NAMED['record']}", "/history/990001"),
    ):
        answers = [read(browser, "GET", each) for each in (there, absent)]
        assert [each.status for each in answers] == [404, 404]
        bodies = [
            each.text.partition("<!doctype")[2].replace(address.rpartition("/")[2], "")
            for each, address in zip(answers, (there, absent), strict=True)
        ]
        assert re.sub(r"[\w-]{43}", "", bodies[0]) == re.sub(r"[\w-]{43}", "", bodies[1])
