"""Secrets that stand in a parameter, a dead letter or a setting come out nowhere.

Each has a text of its own that stands nowhere else. A dispatch is the one exception: it carries the
job's own parameter, as design 3 says, to the service that runs it.
"""

import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.principals import Role
from tests.conftest import kafka_settings
from tests.support.command import trigger_worker
from tests.support.console import Served, form_token, serving
from tests.support.rig import Rig, trigger
from tests.support.waiting import wait_until
from tests.support.worker import environment

SECRET = "zq9geheim"  # noqa: S105 - of nobody
RIGHT, WRONG, QUOTED, PLACED = 9101, 9102, 9103, 9104
SETTLED_S = 30.0

pytestmark = pytest.mark.parametrize("rig", ["kafka"], indirect=True)


@pytest.fixture(scope="module")
def told(rig: Rig) -> Rig:
    """A platform whose parameters and messages hold secrets, in every shape that we could think of.

    RIGHT passes; the others fail: a parameter that is a text holding JSON, a text where targets
    have to be, and such a text where an account has to be.
    """
    inner = json.dumps({"password": SECRET})
    with rig.platform() as platform:
        target = platform.target()
        server = {"server_id": target[0], "account": target[1]}
        right = {"servers": [server], "env": {"DB_PASSWORD": SECRET}, "args": f"token={SECRET}"}
        platform.job(id=RIGHT, parameter=right, name="right")
        platform.job(id=WRONG, parameter=json.dumps(inner), name="wrong")
        platform.job(id=QUOTED, parameter={"servers": f"password: {SECRET}"}, name="quoted")
        placed = {
            "servers": [server | {"account": {"secret": SECRET}}, server | {"ip": {"pwd": SECRET}}]
        }
        wrong_text = {"servers": [server | {"server_id": f"token={SECRET}"}]}
        platform.job(id=PLACED, parameter=placed, name="placed")
        platform.job(id=PLACED + 1, parameter=wrong_text, name="placed too")
    jobs = (RIGHT, WRONG, QUOTED, PLACED, PLACED + 1)
    rig.fire(*(trigger(job_id) for job_id in jobs))
    for job_id in jobs:
        rig.record(job_id)
    rig.fire(
        {"job_id": RIGHT, "scheduled_at": f"password={SECRET}", "token": SECRET},
        f'{{"job_id": 1, "password": "{SECRET}"'.encode(),
        {"job_id": f"secret={SECRET}"},
        headers=[("X-Api-Key", SECRET.encode()), ("tenant", b"north")],
    )
    wait_until(
        lambda: len(rig.rows("select from awp_dead_letter")) >= 3, SETTLED_S, "three letters"
    )
    rig.settle()
    return rig


@pytest.fixture(scope="module")
def console(told: Rig) -> Iterator[Served]:
    prefix = told.settings.topic_prefix
    kafka = kafka_settings(told.broker, prefix)
    with serving(told.admin, kafka=kafka, topic_prefix=prefix) as served:
        yield served


def ids(rig: Rig, table: str) -> list[int]:
    return [row["id"] for row in rig.rows(f"select id from {table}")]


def test_no_page_shows_one(told: Rig, console: Served) -> None:
    browser = console.signed_in(Role.ADMIN)
    paths = ["/jobs", "/history", "/failures", "/dead-letters"]
    paths += [f"/jobs/{each}" for each in ids(told, "awp_automcation_job")]
    paths += [f"/history/{each}" for each in ids(told, "awp_job_execution")]
    for letter in ids(told, "awp_dead_letter"):
        paths += [f"/dead-letters/{letter}", f"/dead-letters/{letter}/edit"]
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert SECRET not in answer.text, (path, around(answer.text))
    assert "DB_PASSWORD" in browser.get(f"/jobs/{RIGHT}").text
    for letter in ids(told, "awp_dead_letter"):
        data = {"form_token": form_token(browser.get("/jobs")), "body": "{}"}
        assert SECRET not in browser.post(f"/dead-letters/{letter}/edit", data=data).text


def test_no_failure_event_and_no_record_holds_one(told: Rig) -> None:
    failures = wait_until(
        lambda: found if len(found := told.collector(told.topics.failures).look()) >= 5 else None,
        SETTLED_S,
        "five failures",
    )
    for event in failures:
        assert SECRET not in (event.value or b"").decode(), event
    kept = told.rows("select r::text as words from awp_job_execution r")
    kept += told.rows(
        "select trigger_message as words from awp_automcation_job where trigger_message is not null"
    )
    for row in kept:
        assert SECRET not in row["words"], row


def test_a_dispatch_carries_the_jobs_own_parameter(told: Rig) -> None:
    event = told.event(told.topics.dispatch_action, told.records(RIGHT)[0]["execution_id"])
    assert SECRET in (event.value or b"").decode()


def test_no_command_prints_one(told: Rig) -> None:
    commands = [
        ["dlq", "list", "--all"],
        ["dlq", "list", "--all", "--json"],
        ["failures"],
        ["failures", "--json"],
        *(["dlq", "show", str(each)] for each in ids(told, "awp_dead_letter")),
    ]
    jobs = [str(job_id) for job_id in (RIGHT, WRONG, QUOTED, PLACED, PLACED + 1)]
    commands.append(["preflight", *jobs])
    commands += [["history", jobs[1]], ["show", jobs[0], "--json"], ["show", jobs[3]]]
    for arguments in commands:
        ended = trigger_worker(*arguments, env=environment(told.settings))
        assert ended.status in (0, 1), (arguments, ended.stderr)
        for words in (ended.stdout, ended.stderr):
            assert SECRET not in words, (arguments, around(words))


def test_the_worker_has_logged_none(told: Rig) -> None:
    log = told.worker.log.read_text()
    assert "action=" in log
    assert SECRET not in log, around(log)


def test_passwords_of_settings_stay_where_they_are(told: Rig, unused_address: str) -> None:
    address = make_url(told.admin).set(password=SECRET)
    wrong = address.render_as_string(hide_password=False)
    nowhere = address.set(port=1).render_as_string(hide_password=False)
    own = environment(told.settings)
    sasl = {
        "TRIGGER_WORKER_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "TRIGGER_WORKER_KAFKA_USERNAME": "li",
        "TRIGGER_WORKER_KAFKA_PASSWORD": SECRET,
        "TRIGGER_WORKER_KAFKA_BROKERS": unused_address,
        "TRIGGER_WORKER_LOG_LEVEL": "DEBUG",
    }
    for arguments, changed in (
        (["dlq", "list"], {"TRIGGER_WORKER_DATABASE_URL": wrong}),
        (["show", "1"], {"TRIGGER_WORKER_DATABASE_URL": nowhere}),
        (["show", "1"], {"TRIGGER_WORKER_DATABASE_URL": f"nonsense://li:{SECRET}@x/y"}),
        (["show", "1"], {"TRIGGER_WORKER_DATABASE_URL": f"no address {SECRET}"}),
        (["topics", "check"], sasl),
    ):
        ended = trigger_worker(*arguments, env=own | changed)
        assert SECRET not in ended.stdout + ended.stderr, (arguments, ended.stderr)
        if changed.get("TRIGGER_WORKER_DATABASE_URL") not in (None, wrong):
            assert ended.status in (1, 2), (arguments, ended.stderr)
    settings = Settings(database_url=SecretStr(wrong), kafka_password=SecretStr(SECRET))
    assert SECRET not in repr(settings) + repr(kafka_settings(told.broker, "x"))


def around(words: str) -> str:
    """Where a secret stands."""
    place = words.find(SECRET)
    return words[max(0, place - 300) : place + 100]
