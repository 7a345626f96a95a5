"""Times are in UTC, whatever the zone of database and machine; a job's own zone is named."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.command import trigger_worker
from tests.support.console import Served, form_token, serving
from tests.support.history import NOW, FrozenClock, change_job, writing
from tests.support.pages import content, page
from tests.support.sql import alone, execute

RUN = "0197f2b0-0000-7000-8000-000000000001"
EAST = "Asia/Shanghai"
AT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[^\"\s]*")
"""A moment, with whatever zone follows it."""


@pytest.fixture
def eastern(database: str) -> str:
    """A database whose sessions are eight hours ahead, with a job, a change and a dead letter."""
    name = database.rpartition("/")[2].partition("?")[0]
    alone(database, f"alter database {name} set timezone = '{EAST}'")
    with writing(database) as (p, h):
        job = p.action_job(name="nightly", id=17)
        h.failed(job, slot=NOW - timedelta(hours=1))
    execute(
        database,
        """
        insert into awp_trigger_ledger (topic, topic_id, "partition", epoch, owner)
        values ('t', 'i', 0, 1, 'g/1');
        insert into awp_dead_letter
            (ledger_id, origin_offset, reason, headers, message_at, created_at)
        values (1, 3, 'not_json', '\\x90', '2026-11-23T07:00:00Z', '2026-11-23T07:00:01Z');
        insert into awp_console_change (at, login, object_kind, object_id, action, "after")
        values ('2026-11-23T07:30:00Z', 'li.wei', 'job', '17', 'run', '{"trigger_id": "RUN"}')
        """.replace("RUN", RUN),
    )
    return database


@pytest.fixture
def console(eastern: str) -> Iterator[Served]:
    with serving(eastern, clock=FrozenClock()) as served:
        yield served


def test_the_api_says_utc(console: Served) -> None:
    api = console.signed_in(Role.ADMIN)
    api.headers["X-Form-Token"] = form_token(api.get("/jobs"))
    (change,) = api.get("/api/v1/jobs/17/changes").json()["items"]
    assert change["at"] == "2026-11-23T07:30:00Z"
    assert api.get(f"/api/v1/triggers/{RUN}").json()["asked_at"] == "2026-11-23T07:30:00Z"
    edited = api.patch(
        "/api/v1/jobs/17",
        json={"schedule": "0 17 * * *", "timezone": EAST, "dry_run": True},
        headers={"If-Match": "*"},
    ).json()
    assert edited["next_slots"][0] == "2026-11-23T09:00:00Z"


def test_what_is_streamed_says_utc(console: Served) -> None:
    api = console.signed_in(Role.ADMIN)
    with api.stream("GET", "/api/v1/failures/stream", headers={"Last-Event-ID": "0"}) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                event = json.loads(line.removeprefix("data:"))
                break
    assert event["scheduled_at"] == "2026-11-23T07:00:00+00:00"
    assert event["decided_at"].endswith("+00:00")


COMMANDS = (
    ("dlq", "list"),
    ("dlq", "list", "--json"),
    ("dlq", "show", "1"),
    ("dlq", "show", "1", "--json"),
    ("history", "17"),
    ("history", "17", "--json"),
    ("show", "17"),
    ("show", "17", "--json"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_say_utc(eastern: str, command: tuple[str, ...]) -> None:
    env = {"TRIGGER_WORKER_DATABASE_URL": eastern, "TZ": EAST}
    ended = trigger_worker(*command, env=env)
    assert ended.status == 0, ended.stderr
    found = AT.findall(ended.stdout)
    assert found
    assert [each for each in found if not each.endswith(("+00:00", "Z"))] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_slot_names_the_zone_of_its_job(console: Served, eastern: str, language: str) -> None:
    change_job(eastern, 17, schedule="0 17 * * *", timezone=EAST)
    browser = console.signed_in(Role.ADMIN)
    last, upcoming = {
        "en": ("Last slot", "Next slots"),
        "zh": ("最近计划时间", "后续计划时间"),
    }[language]
    shown = content(page(browser, "/jobs/17", language))
    assert f"{last} 15:00:00 {EAST}" in shown, shown
    assert re.search(rf"{upcoming} 17:00:00 ,[^A-Z]*{EAST}", shown), shown
    listed = content(page(browser, "/jobs", language))
    assert f"15:00:00 {EAST}" in listed, listed


def test_a_job_without_a_zone_is_in_utc(console: Served, eastern: str) -> None:
    execute(eastern, "alter table awp_automcation_job alter timezone drop not null")
    change_job(eastern, 17, schedule="0 17 * * *", timezone=None)
    browser = console.signed_in(Role.ADMIN)
    browser.cookies.set("awp-zone", EAST, domain="127.0.0.1")
    shown = content(page(browser, "/jobs/17"))
    assert "0 17 * * * UTC" in shown
    assert "Last slot 07:00:00 UTC" in shown, shown
    assert "None" not in content(page(browser, "/jobs"))
    env = {"TRIGGER_WORKER_DATABASE_URL": eastern, "TZ": "UTC"}
    assert "schedule     0 17 * * * UTC\n" in trigger_worker("show", "17", env=env).stdout
