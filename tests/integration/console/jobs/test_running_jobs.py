"""From 'Run now' and from a service's POST to the record and the dispatch (R9), on real Kafka."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.console.shared.auth import passwords, users
from job_trigger_worker.console.shared.auth.users import User
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.domain.trigger import schedule_key
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support.console import Served, form_token, serving
from tests.support.history import writing
from tests.support.pages import content, page
from tests.support.sql import execute, value
from tests.support.sql import rows as stored
from tests.support.topics import Broker, Received, read_topic
from tests.support.waiting import wait_until
from tests.support.worker import running

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_RUN_KEY = re.compile(r'name="run_key" value="([^"]+)"')


@dataclass
class Whole:
    """A console and a worker on the same brokers and database."""

    console: Served
    database: str
    broker: Broker
    topics: Topics

    def record(self, trigger_id: str) -> dict[str, Any]:
        """The record of a trigger, once it is there."""
        query = (
            "select trigger_status, trigger_kind, triggered_by, duplicate_count, trace_id,"
            " trigger_code, execution_id::text, triggered_by_verified from awp_job_execution"
            f" where trigger_id = '{trigger_id}'"
        )
        (row,) = wait_until(lambda: stored(self.database, query), 30, f"a record of {trigger_id}")
        names = (
            "status",
            "kind",
            "by",
            "repeats",
            "trace_id",
            "code",
            "execution_id",
            "is_verified",
        )
        return dict(zip(names, row, strict=True))

    def event(self, topic: str, execution_id: str) -> Received:
        """The dispatch of an execution."""
        (found,) = [
            each
            for each in read_topic(self.broker, topic, until=1)
            if execution_id.encode() in (each.value or b"")
        ]
        return found


@pytest.fixture
def whole(
    broker: Broker, topics: Topics, settings: Settings, database: str, tmp_path: Path
) -> Iterator[Whole]:
    path = tmp_path / "users.json"
    token = passwords.token_hash("a-token")
    users.write(path, {"common-job": User(Role.SERVICE, "common-job", token)})
    kafka = KafkaSettings.of(settings)
    prefix = settings.topic_prefix
    with (
        running(settings, tmp_path / "worker.log"),
        serving(database, kafka=kafka, console_users_file=path, topic_prefix=prefix) as console,
    ):
        yield Whole(console, database, broker, topics)


def press(browser: httpx.Client, job: int) -> tuple[str, dict[str, str]]:
    """Press 'Run now'; where it leads, and what was sent."""
    shown = page(browser, f"/jobs/{job}")
    found = _RUN_KEY.search(shown.text)
    assert found
    fields = {"form_token": form_token(shown), "run_key": found[1]}
    answer = browser.post(f"/jobs/{job}/run", data=fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"], fields


@pytest.mark.parametrize("job_type", ["action", "workflow"])
def test_run_now_leads_to_the_record_and_its_dispatch(whole: Whole, job_type: str) -> None:
    with writing(whole.database) as (p, _):
        group = p.group("ours")
        p.user("li.wei", groups=[group])
        owner = p.user("owner", groups=[group])
        target = p.workflow() if job_type == "workflow" else p.action()
        p.grant(job_type, target, user=owner)
        make = p.workflow_job if job_type == "workflow" else p.action_job
        job = make(owner_id=owner, target_id=target)
    browser = whole.console.signed_in(Role.OPERATOR)
    where, fields = press(browser, job)
    # A double click, or a reload: the same run.
    assert browser.post(f"/jobs/{job}/run", data=fields).headers["location"] == where
    trigger_id = where.rpartition("/")[2]
    record = whole.record(trigger_id)
    assert (record["status"], record["kind"], record["by"]) == (1, "manual", "li.wei")
    assert record["is_verified"]
    wait_until(lambda: whole.record(trigger_id)["repeats"] == 1, 30, "a counted repeat")
    assert value(whole.database, "select count(*) from awp_job_execution") == 1
    assert value(whole.database, "select count(*) from awp_console_change") == 1
    topic = whole.topics.dispatch_orch if job_type == "workflow" else whole.topics.dispatch_action
    event = whole.event(topic, record["execution_id"])
    assert json.loads(event.value or b"")["trigger_id"] == trigger_id
    shown = page(browser, where)
    assert "Dispatched" in content(shown)
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in shown.text
    assert f'data-refresh="{where}/part"' in shown.text
    execute(
        whole.database,
        f"insert into awp_{job_type}_execution (execution_id, status, accepted_at, started_at,"
        f" ended_at) values ('{record['execution_id']}', 'succeeded', now(), now(), now())",
    )
    part = browser.get(f"{where}/part")
    assert "Succeeded" in part.text
    assert "<html" not in part.text
    assert "http-equiv" not in page(browser, where).text  # nothing more will come
    assert "li.wei · asked to run it" in content(page(browser, f"/jobs/{job}"))
    state = browser.get(f"/api/v1/triggers/{trigger_id}").json()
    assert (state["state"], state["asked_by"]) == ("recorded", "li.wei")
    assert state["record"]["status"] == "succeeded"
    # Another group's operator sees nothing of it.
    other = whole.console.signed_in(Role.OPERATOR, "zhao.min")
    assert other.get(where).status_code == 404
    assert other.get(f"{where}/part").status_code == 404
    assert other.get(f"/api/v1/triggers/{trigger_id}").status_code == 404


def test_a_run_that_cannot_start_says_why_on_its_page(whole: Whole) -> None:
    with writing(whole.database) as (p, _):
        job = p.action_job([(777, "deploy")])
    admin = whole.console.signed_in(Role.ADMIN)
    api = {"X-Form-Token": form_token(page(admin, "/jobs")), "Idempotency-Key": "nightly-1"}
    first = admin.post(f"/api/v1/jobs/{job}/run", headers=api)
    again = admin.post(f"/api/v1/jobs/{job}/run", headers=api)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    trigger_id = first.json()["trigger_id"]
    assert first.json()["follow"] == f"/api/v1/triggers/{trigger_id}"
    assert whole.record(trigger_id)["code"] == "server_not_found"
    shown = content(page(admin, f"/jobs/{job}/runs/{trigger_id}"))
    assert "Trigger failed" in shown
    assert "Server 777 (10.0.0.7) does not exist." in shown
    another = admin.post(f"/api/v1/jobs/{job}/run", headers=api | {"Idempotency-Key": "2"})
    assert another.json()["trigger_id"] != trigger_id


def test_a_service_sends_triggers_over_http(whole: Whole) -> None:
    with writing(whole.database) as (p, _):
        action, workflow = p.action_job(), p.workflow_job()
    slot = whole.console.clock.now().replace(microsecond=0)
    manual = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    body = [
        {"job_id": str(action), "scheduled_at": slot.isoformat()},
        {"job_id": workflow, "scheduled_at": slot.isoformat(), "triggered_by": "cron"},
        {"job_id": action, "kind": "manual", "trigger_id": manual, "fired_at": slot.isoformat()},
    ]
    service = whole.console.browser(
        Authorization="Bearer a-token", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01"
    )
    answer = service.post("/api/v1/triggers", json=body)
    assert answer.status_code == 202
    ids = answer.json()["trigger_ids"]
    assert ids == [schedule_key(action, slot), schedule_key(workflow, slot), manual]
    first, second, third = map(whole.record, ids)
    assert (first["kind"], first["by"], first["trace_id"]) == ("schedule", "common-job", TRACE)
    assert (second["by"], second["status"]) == ("cron", 1)
    assert (third["kind"], third["by"]) == ("manual", "common-job")
    # The console knows the service, and not whom the service names.
    assert [each["is_verified"] for each in (first, second, third)] == [True, False, True]
    assert value(whole.database, "select sum(triggers) from awp_trigger_note") == 3
    # Sent again, one by itself, it is the same trigger.
    assert service.post("/api/v1/triggers", json=body[0]).json() == {"trigger_ids": ids[:1]}
    wait_until(lambda: whole.record(ids[0])["repeats"] == 1, 30, "a counted repeat")
    assert service.get(f"/api/v1/triggers/{ids[0]}").status_code == 403
    admin = whole.console.signed_in(Role.ADMIN)
    state = admin.get(f"/api/v1/triggers/{ids[0]}").json()
    assert (state["state"], state["asked_by"], state["record"]["job_id"]) == (
        "recorded",
        None,
        str(action),
    )
