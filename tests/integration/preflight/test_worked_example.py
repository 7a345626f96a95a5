"""The worked example of docs/platform.md, whole, on PostgreSQL 15: worker, console, edit, check.

Text ids, flags as numbers, text parameters, times without zone.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.schema import revisions
from tests.support.brokerless import feeding
from tests.support.command import trigger_worker
from tests.support.console import form_token, serving
from tests.support.rig import Rig, trigger
from tests.support.secured_postgres import SecuredPostgres
from tests.support.sql import execute, rows
from tests.support.topics import Broker
from tests.support.worker import running

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "platform.md").read_text()
EXAMPLE = re.findall(
    r"```sql\n(.+?)```", PAGE[PAGE.index("## A worked example") :], re.DOTALL | re.MULTILINE
)
WITH_A_TRIGGER = re.findall(
    r"```sql\n(.+?)```",
    PAGE[PAGE.index("## What a job shows") : PAGE.index("## The parameter")],
    re.DOTALL,
)
SERVER = '{"server_id": "%s", "account": "oracle"}'
ARGS = f'{{"servers": [{SERVER}], "script": "/opt/rotate"}}'
NODES = f'{{"nodes": [{{"node_id": "a", "action_id": "9", "servers": [{SERVER}]}}]}}'
FILLED = f"""
    insert into host values ('7', 'db-07', '10.0.0.7', 1, 0), ('8', 'db-08', '10.0.0.8', 0, 0),
        ('9', 'db-09', '10.0.0.9', 1, 1), ('10', 'db-10', '10.0.0.10', null, 0);
    insert into vault values ('3', 'password', null), ('4', 'key', '2020-01-01 00:00');
    insert into login select host_no, 'oracle', 0, '3' from host;
    insert into login values ('7', 'old', 0, '4'), ('7', 'locked', 1, '3');
    insert into team values ('20', 'DBA');
    insert into person values ('5', 'li.wei', 'Li Wei', null, '20', 1),
        ('6', 'wang.fang', 'Wang Fang', '2026-01-31', '20', 0);
    insert into script values ('9', 'A', 'Rotate', 1), ('4', 'W', 'Nightly', 1);
    insert into script values ('8', 'A', 'Drop', 1);
    insert into permit values ('9', 'A', '20'), ('4', 'W', '20');
    insert into timer (timer_no, title, kind, script_no, args, person_no, cron, grace_min, changed)
    values
        ('101', 'good action', 'A', '9', '{ARGS % "7"}', '5', '0 2 * * *', null,
            '2026-11-01 08:30'),
        ('102', 'good workflow', 'W', '4', '{NODES % "7"}', '5', null, 120, default),
        ('103', 'powered off', 'A', '9', '{ARGS % "8"}', '5', null, null, default),
        ('104', 'retired', 'A', '9', '{ARGS % "9"}', '5', null, null, default),
        ('105', 'not permitted', 'A', '8', '{ARGS % "7"}', '5', null, null, default),
        ('106', 'owner has left', 'A', '9', '{ARGS % "7"}', '6', null, null, default),
        ('107', 'no JSON', 'A', '9', 'H7 oracle', '5', null, null, default),
        ('108', 'state not known', 'A', '9', '{ARGS % "10"}', '5', null, null, default);
"""
EXPECTED = {
    101: None,
    102: None,
    103: "server_powered_off",
    104: "server_offline",
    105: "permission_denied",
    106: "owner_disabled",
    107: "parameter_invalid",
    108: None,
    109: "job_not_found",
}


@dataclass(frozen=True)
class Scheduler:
    """The example's database, for its owner and for the logins of worker and console."""

    owner: str
    worker: str
    console: str


@pytest.fixture
def scheduler(other_major: SecuredPostgres) -> Iterator[Scheduler]:
    owner = other_major.new_database()
    name = owner.split("?")[0].rpartition("/")[2]
    execute(owner, f"alter database {name} set timezone = 'Asia/Shanghai'")
    for statements in EXAMPLE:
        execute(owner, statements)
    execute(owner, FILLED)
    state = revisions.upgrade(owner, stamp="0001")
    assert (state.missing_views, state.warnings) == ((), ())
    execute(owner, (ROOT / "deploy" / "sql" / "roles.sql").read_text())
    logins = {}
    for role in ("worker", "console"):
        login = f"{name}_{role}"
        execute(owner, f"create user {login} password 'example' in role trigger_{role}")
        logins[role] = other_major.url_of(login, "example", name)
    yield Scheduler(owner, logins["worker"], logins["console"])
    for login in logins:
        execute(owner, f"drop user {name}_{login}")


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
@pytest.mark.parametrize("other_major", [15], indirect=True, ids=["PostgreSQL 15"])
def test_the_example_works_from_end_to_end(
    broker: Broker, topics: Topics, settings: Settings, scheduler: Scheduler, tmp_path: Path
) -> None:
    checked = trigger_worker(
        "platform", "check", "--json", env={"TRIGGER_WORKER_DATABASE_URL": scheduler.owner}
    )
    assert checked.status == 0, checked.stdout + checked.stderr

    own = settings.model_copy(update={"database_url": SecretStr(scheduler.worker)})
    with running(own, tmp_path / "worker.log") as worker:
        rig = Rig(broker, topics, scheduler.owner, own, worker)
        rig.fire(*(trigger(job_id) for job_id in EXPECTED))
        found = {job_id: rig.record(job_id)["trigger_code"] for job_id in EXPECTED}
        rig.settle()
        sent = json.loads(
            rig.event(topics.dispatch_action, rig.record(101)["execution_id"]).value or b""
        )
        rig.close()
    assert found == EXPECTED
    assert sent["targets"] == [
        {"server_id": "7", "ip": "10.0.0.7", "account": "oracle", "credential_id": "3"}
    ]
    assert sent["parameter"]["script"] == "/opt/rotate"
    outcomes = "select timer_no, outcome, failures from timer order by timer_no limit 3"
    assert rows(scheduler.owner, outcomes) == [("101", 1, 0), ("102", 1, 0), ("103", 2, 1)]

    with serving(scheduler.console) as console, console.signed_in(Role.ADMIN) as browser:
        _look_around(browser)
        _edit(browser, scheduler.owner)


SLOT = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("other_major", [15], indirect=True, ids=["PostgreSQL 15"])
def test_a_view_of_jobs_with_a_trigger_shows_what_the_page_says(scheduler: Scheduler) -> None:
    """The six columns, by the page's table, written by a login with the worker's rights alone."""
    execute(
        scheduler.owner,
        """
        drop view awp_automcation_job;
        alter table timer alter slot type timestamp, alter outcome type text;
        update timer set active = 0 where timer_no = '102';
        update timer set grace_min = 1000000;
        """,
    )
    (with_a_trigger,) = WITH_A_TRIGGER
    execute(scheduler.owner, with_a_trigger)
    execute(scheduler.owner, (ROOT / "deploy" / "sql" / "roles.sql").read_text())
    env = {"TRIGGER_WORKER_DATABASE_URL": scheduler.owner}
    checked = trigger_worker("platform", "check", "--json", env=env)
    assert checked.json["problems"] == []

    with feeding(scheduler.worker) as feed:
        taker = feed.taker()
        claims = {0: taker.take(0)}
        for minute, first in enumerate((0, 3)):
            slot = (SLOT + timedelta(minutes=minute)).isoformat()
            bodies = (json.dumps({"job_id": job, "scheduled_at": slot}) for job in (101, 102, 103))
            batch = [
                Delivery(0, first + place, None, body.encode(), (), 0)
                for place, body in enumerate(bodies)
            ]
            taker.write(batch, claims)

    shown = rows(
        scheduler.owner,
        """
        select j.id, j.trigger_status, j.trigger_message, r.origin_offset, j.last_scheduled_at,
            j.consecutive_failures, j.failing_since
        from awp_automcation_job j left join awp_job_execution r on r.id = j.last_execution_id
        where j.id < 104 order by j.id
        """,
    )
    later = SLOT + timedelta(minutes=1)
    assert shown == [
        (101, 1, None, 3, later, 0, None),
        (102, 2, "Job 102 (good workflow) is switched off.", 4, later, 2, SLOT),
        (103, 2, "Server 8 (10.0.0.8, db-08) is powered off.", 5, later, 2, SLOT),
    ]
    lock = "select from awp_automcation_job where id = 101 for no key update skip locked"
    assert execute(scheduler.worker, lock) == 1
    stored = rows(scheduler.owner, "select outcome, slot from timer where timer_no = '103'")
    assert stored == [("failed", datetime(2026, 11, 30, 16, 1))]  # noqa: DTZ001  # in Shanghai


def _look_around(browser: httpx.Client) -> None:
    pages = ("/jobs", "/jobs/101", "/jobs/101/edit", "/jobs/107", "/history", "/failures")
    assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    job = browser.get("/api/v1/jobs/101").json()
    assert job["updated_at"] == "2026-11-01T00:30:00Z"  # 08:30 in Shanghai
    assert job["owner_name"] == "Li Wei"
    failing: dict[str, Any] = browser.get("/api/v1/jobs?status=trigger_failed").json()
    assert {each["id"] for each in failing["items"]} == {"103", "104", "105", "106", "107"}


def _edit(browser: httpx.Client, owner: str) -> None:
    browser.headers["X-Form-Token"] = form_token(browser.get("/jobs"))
    saved = browser.patch(
        "/api/v1/jobs/101",
        json={"name": "better", "schedule": "0 3 * * *"},
        headers={"If-Match": '"1"'},
    )
    assert (saved.status_code, saved.headers["etag"]) == (200, '"2"'), saved.text
    late = browser.patch("/api/v1/jobs/101", json={"name": "late"}, headers={"If-Match": '"1"'})
    assert late.status_code == 412
    switched = browser.post("/api/v1/jobs/102/disable")
    assert switched.json()["version"] == 2, switched.text
    removed = browser.patch(
        "/api/v1/jobs/103",
        json={"targets": [{"server_id": "7", "account": "oracle"}]},
        headers={"If-Match": "*"},
    )
    assert removed.status_code == 200, removed.text
    moved = browser.patch(
        "/api/v1/jobs/101", json={"timezone": "Europe/Berlin"}, headers={"If-Match": "*"}
    )
    assert moved.status_code == 422, moved.text
    assert moved.json()["title"] == "The platform refused this change"
    zone = rows(owner, "select current_setting('timezone')")[0][0]
    assert moved.json()["detail"] == (
        f"Nothing was changed. It says: Timers run in the time zone {zone}."
    )
    stored = "select timer_no, title, cron, active, edition, args from timer where edition > 1"
    (first, second, third) = rows(owner, f"{stored} order by timer_no")
    assert first[:5] == ("101", "better", "0 3 * * *", 1, 2)
    assert second[:5] == ("102", "good workflow", None, 0, 2)
    assert third[0] == "103"
    assert json.loads(third[5])["script"] == "/opt/rotate"
    assert '"7"' in third[5]
    execute(owner, "update timer set args = null where timer_no = '103'")
    given = browser.patch(
        "/api/v1/jobs/103",
        json={"targets": [{"server_id": 7, "account": "oracle"}]},
        headers={"If-Match": "*"},
    )
    assert given.status_code == 200, given.text
    assert rows(owner, "select args from timer where timer_no = '103'") == [
        ('{"servers":[{"server_id":"7","ip":"10.0.0.7","account":"oracle"}]}',)
    ]
