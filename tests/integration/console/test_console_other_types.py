"""Pages and API over views with other types than ours say the same: every answer is compared."""

import itertools
import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from job_trigger_worker.domain.principals import Role
from tests.support import sql
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, writing
from tests.support.platform_types import IDS, redefine
from tests.support.postgres import PostgresServer

TEMPLATE = "t_console_types"
EXECUTION = "11111111-2222-4333-8444-555555555555"
TIMES = {
    "console_execution": ("accepted_at", "started_at", "ended_at"),
    "console_job": ("updated_at",),
}
PAGES = ("/jobs", "/jobs/1", "/jobs/1/edit", "/history", "/history/1", "/failures")
QUESTIONS = (
    "jobs?sort=name",
    "jobs?status=succeeded",
    "jobs?owner=1&type=action",
    "jobs?q=log",
    "jobs?q=7",
    "jobs?server=1",
    "jobs?overdue=true",
    "jobs?group=2",
    "jobs/counts",
    "jobs/1",
    "jobs/2",
    "executions",
    "executions?status=succeeded",
    "executions?job=1",
    f"executions/{EXECUTION}",
    "failures?since=2026-11-23T00:00:00Z",
    "failures/causes?since=2026-11-23T00:00:00Z",
    "failures/causes/standing",
)
EXPORTS = ("jobs/export?format=ndjson", "executions/export?format=ndjson")


@pytest.fixture(scope="module")
def template(postgres: PostgresServer) -> Iterator[str]:
    """Two jobs of a group's owner, one that ran and one that failed, and a viewer of the group."""
    database = postgres.create(TEMPLATE)
    with writing(database) as (platform, history):
        group = platform.group("operators")
        owner = platform.user("wang.fang", groups=[group])
        platform.user("li.wei", groups=[group])
        platform.grant("action", platform.action(), group=group)
        platform.grant("workflow", platform.workflow(), group=group)
        ran = platform.action_job(owner_id=owner)
        failed = platform.workflow_job(name="nightly", owner_id=owner)
        history.dispatched(
            ran,
            "succeeded",
            execution_id=EXECUTION,
            idempotency_key=EXECUTION,
            slot=NOW - timedelta(minutes=30),
        )
        history.failed(failed, slot=NOW - timedelta(minutes=20), job_type="workflow")
    sql.execute(
        database,
        """
        update awp_automcation_job set schedule = '0 3 * * *', timezone = 'Asia/Shanghai',
            updated_at = '2026-11-20T08:00:00Z';
        update awp_action_execution set accepted_at = '2026-11-23T07:30:02Z',
            started_at = '2026-11-23T07:30:03Z', ended_at = '2026-11-23T07:31:00Z';
        """,
    )
    yield database
    postgres.drop(TEMPLATE)


@pytest.fixture(scope="module")
def expected(template: str) -> dict[str, Any]:
    """What everybody is told over views with our types."""
    with serving(template, clock=FrozenClock()) as console:
        return _answers(console)


@pytest.fixture
def filled(postgres: PostgresServer, template: str) -> Iterator[str]:
    """A copy, for views with other types."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield postgres.create(name, template=template.rpartition("/")[2])
    postgres.drop(name)


def _answers(console: Served) -> dict[str, Any]:
    """Every answer of the API, by who asks and what, once every page is there."""
    found: dict[str, Any] = {}
    for role, login in ((Role.ADMIN, "demo-admin"), (Role.VIEWER, "li.wei")):
        with console.signed_in(role, login) as browser:
            for path in PAGES:
                if role is Role.ADMIN or "edit" not in path:
                    _text(browser, path)
            for question in (*QUESTIONS, *EXPORTS):
                lines = _text(browser, f"/api/v1/{question}").splitlines()
                found[f"{login} {question}"] = [json.loads(line) for line in lines]
    return found


def _text(browser: httpx.Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, (path, answer.text)
    return answer.text


def test_times_without_a_zone_are_the_databases(expected: dict[str, Any], filled: str) -> None:
    name = filled.rpartition("/")[2].partition("?")[0]
    sql.execute(filled, f"alter database {name} set timezone = 'Asia/Shanghai'")
    for view, columns in TIMES.items():
        redefine(filled, view, {each: f"{each} at time zone 'Asia/Shanghai'" for each in columns})
    with serving(filled, clock=FrozenClock()) as console:
        assert _answers(console) == expected
    assert expected["demo-admin jobs/1"][0]["updated_at"] == "2026-11-20T08:00:00Z"
    run = expected[f"demo-admin executions/{EXECUTION}"][0]["run"]
    assert run["ended_at"] == "2026-11-23T07:31:00Z"


KINDS = {"text": ("text",), "mixed": ("varchar(20)", "numeric", "int")}


@pytest.mark.parametrize("case", KINDS)
def test_ids_and_flags_of_other_types_are_read(
    expected: dict[str, Any], filled: str, case: str
) -> None:
    kinds = itertools.cycle(KINDS[case])
    for view, ids in IDS.items():
        columns = {each: f"cast({each} as {next(kinds)})" for each in ids}
        if view in {"console_job", "preflight_job"}:
            columns["enabled"] = "cast(cast(enabled as int) as smallint)"
            columns["job_type"] = "upper(job_type)"
        if view == "console_execution":
            columns["execution_id"] = "upper(execution_id::text)"
            columns["job_type"] = "initcap(job_type)"
            columns["status"] = "upper(status)"
        redefine(filled, view, columns)
    with serving(filled, clock=FrozenClock()) as console:
        assert _answers(console) == expected


def test_a_job_of_a_platform_with_other_types_is_edited(filled: str) -> None:
    sql.execute(
        filled,
        """
        create table job (no varchar(20) primary key, title text, cron text, zone text,
            live smallint, args text, edits text);
        insert into job values ('1', 'log-backup', '0 3 * * *', 'UTC', 1, '{"servers": []}', '1');
        drop view console_job_write;
        create view console_job_write as select no as job_id, title as name, cron as schedule,
            zone as timezone, live as enabled, args as paramter, edits as version from job;
        create function count_up() returns trigger language plpgsql as $f$ begin
            update job set title = new.name, live = new.enabled,
                edits = (edits::int + 1)::text where no = old.job_id and edits = old.version
                returning edits into new.version;
            return case when found then new end; end $f$;
        create trigger count_up instead of update on console_job_write
            for each row execute function count_up();
        """,
    )
    with (
        serving(filled, clock=FrozenClock()) as console,
        console.signed_in(Role.ADMIN, "demo-admin") as browser,
    ):
        token = browser.get("/api/v1/me").json()["form_token"]
        answer = browser.post("/api/v1/jobs/1/disable", headers={"X-Form-Token": token})
        assert answer.status_code == 200, answer.text
    assert sql.rows(filled, "select live, edits from job") == [(0, "2")]


@pytest.mark.parametrize("value", ["'NaN'::numeric", "0.6", "'-Infinity'::float8"])
def test_a_number_that_is_none_costs_no_page_and_stands_for_no_other(
    expected: dict[str, Any], filled: str, value: str
) -> None:
    odd = {each: f"case when job_id = 1 then {value} else {each} end" for each in
           ("owner_id", "target_id", "version")}  # fmt: skip
    redefine(filled, "console_job", odd)
    with (
        serving(filled, clock=FrozenClock()) as console,
        console.signed_in(Role.ADMIN, "demo-admin") as browser,
    ):
        _text(browser, "/jobs")
        listed = json.loads(_text(browser, "/api/v1/jobs?sort=name"))["items"]
    before = expected["demo-admin jobs?sort=name"][0]["items"]
    assert [job["id"] for job in listed] == [job["id"] for job in before]
    (job,) = [each for each in listed if each["id"] == "1"]
    assert (job["owner_id"], job["target_id"], job["version"]) == (None, None, 0)


def test_a_job_whose_flag_says_neither_is_off_and_can_be_switched_on(filled: str) -> None:
    sql.execute(
        filled,
        """
        create table job (no bigint primary key, title text, live text, edits bigint);
        insert into job values (1, 'log-backup', '?', 1);
        drop view console_job_write;
        create view console_job_write as select no as job_id, title as name,
            null::text as schedule, null::text as timezone, live as enabled,
            null::jsonb as paramter, edits as version from job;
        create function count_up() returns trigger language plpgsql as $f$ begin
            update job set live = new.enabled, edits = edits + 1
                where no = old.job_id and edits = old.version returning edits into new.version;
            return case when found then new end; end $f$;
        create trigger count_up instead of update on console_job_write
            for each row execute function count_up();
        """,
    )
    redefine(filled, "console_job", {"enabled": "case when job_id = 1 then '?' else 'Y' end"})
    with (
        serving(filled, clock=FrozenClock()) as console,
        console.signed_in(Role.ADMIN, "demo-admin") as browser,
    ):
        assert json.loads(_text(browser, "/api/v1/jobs/1"))["enabled"] is False
        assert json.loads(_text(browser, "/api/v1/jobs/2"))["enabled"] is True
        token = browser.get("/api/v1/me").json()["form_token"]
        answer = browser.post("/api/v1/jobs/1/enable", headers={"X-Form-Token": token})
        assert answer.json()["has_changed"] is True, answer.text
    assert sql.rows(filled, "select live, edits from job") == [("1", 2)]


def test_a_console_that_runs_sees_that_a_views_types_have_changed(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job_trigger_worker.storage.db.pool._RENEWED_S", 0)  # five minutes
    with (
        serving(filled, clock=FrozenClock()) as console,
        console.signed_in(Role.ADMIN, "demo-admin") as browser,
    ):
        before = _text(browser, "/api/v1/jobs?q=log")
        redefine(filled, "console_job", {each: f"{each}::text" for each in IDS["console_job"]})
        assert _text(browser, "/api/v1/jobs?q=log") == before
