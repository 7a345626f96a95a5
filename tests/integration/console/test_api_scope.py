"""What belongs to another group changes no answer: not a row, not a count, not a byte (R10)."""

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import httpx
import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.console import Everywhere, Served, serving
from tests.support.crawl import Question, changing, reading
from tests.support.history import NOW, FastClock, writing
from tests.support.sql import rows

JOB, GONE, OWNER, GROUP, SERVER, ACTION = 770077, 660066, 880088, 80, 990099, 550055
RECORD = 440044
_UUID = "{}f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"
EXECUTION, TRIGGER = _UUID.format(6), _UUID.format(7)
CAUSE = f"server_not_found:server={SERVER}"

GUESSES = {
    "id": [str(JOB), str(RECORD), str(RECORD + 1), EXECUTION, TRIGGER],
    "job_id": [str(JOB), str(GONE)],
    "execution_id": [str(RECORD), str(RECORD + 2), EXECUTION],
    "job": [str(JOB), str(GONE)],
    "owner": [str(OWNER)],
    "group": [str(GROUP)],
    "server": [str(SERVER), "1"],
    "trigger": [TRIGGER],
    "cause": [CAUSE, "server_not_found:server=7"],
    "code": ["server_not_found", "no_targets"],
    "name": ["secret", "m"],
    "q": ["secret", "does not exist", str(JOB), "deploy"],
    "kind": ["schedule", "manual"],
    "type": ["action", "workflow"],
    "enabled": ["true", "false"],
    "since": ["2026-11-23T00:00:00Z"],
    "until": ["2026-11-23T08:00:00Z"],
    "limit": ["1", "200"],
    "step_s": ["600"],
    "format": ["csv", "ndjson"],
    "after": [],
}
"""What somebody of another group would try who knows all the ids."""


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with writing(database) as (p, h):
        mine = p.group("mine", id=70)
        p.user("li.wei", groups=[mine])
        own = p.action_job([(7, "deploy")], name="mine", owner_id=p.user("a", groups=[mine]), id=17)
        for minutes in (50, 20):
            h.failed(own, slot=NOW - timedelta(minutes=minutes), job_name="mine")
        h.dispatched(own, "succeeded", slot=NOW - timedelta(minutes=90), job_name="mine")
    with serving(database, clock=FastClock(), brokers=Everywhere()) as served:
        yield served


def add_theirs(database: str) -> None:
    """A job of another group that fails for its own cause and for ours, and one that is gone."""
    with writing(database) as (p, h):
        owner = p.user("secret.owner", groups=[p.group("secret", id=GROUP)], id=OWNER)
        target = p.account(p.server("secret-db", id=SERVER))
        action = p.action("secret action", id=ACTION)
        job = p.action_job([target], name="secret", owner_id=owner, target_id=action, id=JOB)
        record = h.failed(
            job,
            {"code": "server_not_found", "message": "secret-db does not exist."},
            causes=[CAUSE, "server_not_found:server=7"],
            slot=NOW - timedelta(minutes=30),
            job_name="secret",
            id=RECORD,
            execution_id=EXECUTION,
            trigger_id=TRIGGER,
            trigger_kind="manual",
            triggered_by="secret.owner",
        )
        h.failed(
            GONE,
            {"code": "no_targets", "message": "secret"},
            causes=["no_targets"],
            job_name="secret",
            id=record + 1,
            slot=NOW - timedelta(minutes=10),
        )
        h.dispatched(
            job,
            "running",
            id=record + 2,
            slot=NOW - timedelta(minutes=60),
            job_name="secret",
            run_message="secret",
        )


_WINDOW = re.compile(r'"window":(null|{[^}]*})|"is_exact":(true|false)|"overdue":(null|0)\b')
"""How far was looked: where jobs are many it counts all rows that were read, whosever they are."""


def answers(
    served: Served, role: Role, login: str, *, is_windowed: bool
) -> dict[Question, tuple[int, str]]:
    with served.signed_in(role, login) as browser:
        found, token = {}, form_token(browser)
        for question in reading(GUESSES):
            answer = question.ask(browser)
            text = answer.text.replace(token, "token")
            found[question] = answer.status_code, _WINDOW.sub("", text) if is_windowed else text
        return found


def form_token(browser: httpx.Client) -> str:
    """A session's own token, which `/me` tells: the one thing that two sessions differ in."""
    token: str = browser.get("/api/v1/me").json()["form_token"]
    return token


@pytest.mark.parametrize("few", [300, 0], ids=["by their ids", "asked one by one"])
def test_what_is_foreign_changes_no_answer(
    console: Served, database: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whose jobs are few and whose are many are read in two ways.
    monkeypatch.setattr("job_trigger_worker.storage.read.scope.FEW", few)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", few)
    role = Role.OPERATOR  # the highest that sees its groups only
    is_windowed = few == 0
    mine = partial(answers, console, role, "li.wei", is_windowed=is_windowed)
    everything = partial(answers, console, Role.ADMIN, "root", is_windowed=is_windowed)
    before, all_before = mine(), everything()
    add_theirs(database)
    after, all_after = mine(), everything()
    for question, answer in before.items():
        assert after[question] == answer, question
    # Whoever sees all sees a difference, or these questions would prove nothing.
    seen = {
        question.operation for question in before if all_before[question] != all_after[question]
    }
    assert {
        f"GET /api/v1/{each}"
        for each in (
            "jobs",
            "jobs/counts",
            "jobs/export",
            "jobs/{job_id}",
            "executions",
            "executions/export",
            "executions/{execution_id}",
            "failures",
            "failures/export",
            "failures/causes",
            "failures/causes/standing",
            "failures/causes/jobs",
            "failures/codes",
            "failures/buckets",
        )
    } <= seen


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_what_is_foreign_cannot_be_changed(console: Served, database: str, role: Role) -> None:
    add_theirs(database)
    jobs = "select xmin, * from awp_automcation_job order by id"
    before = rows(database, jobs)
    with console.signed_in(role, "li.wei") as browser:
        headers = {
            "X-Form-Token": form_token(browser),
            "If-Match": '"0"',
            "Idempotency-Key": EXECUTION,
        }
        statuses = {
            question: question.ask(browser, **headers).status_code for question in changing(GUESSES)
        }
    assert statuses
    for question, status in statuses.items():
        assert status in (403, 404), question
    assert {status for each, status in statuses.items() if each.operation.endswith("/check")} == {
        404
    }
    assert rows(database, jobs) == before
