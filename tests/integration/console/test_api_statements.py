"""A page of the API takes the same number of statements, whatever there is (a counter)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.crawl import Question, reading
from tests.support.history import NOW, FastClock, writing
from tests.support.statements import saying

GUESSES = {
    "id": ["1"],
    "q": ["no"],
    "name": ["j"],
    "cause": ["server_not_found:server=7"],
    "owner": ["101"],
    "group": ["70"],
    "server": ["7"],
    "job": ["1"],
    "trigger": [],
    "since": ["2026-11-23T00:00:00Z"],
    "until": ["2026-11-23T08:00:00Z"],
    "after": [],
    "limit": ["200"],
}
MOST = 16
"""Statements of one answer, those for finding out who asks included."""


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with writing(database) as (p, _):
        p.user("li.wei", groups=[p.group("ours", id=70)], id=101)
    with serving(database, clock=FastClock()) as served:
        yield served


def fill(database: str, count: int) -> None:
    with writing(database) as (p, h):
        for number in range(count):
            job = p.action_job([(7, "deploy")], name=f"job-{number}", owner_id=101)
            h.dispatched(job, "succeeded", slot=NOW - timedelta(hours=2))
            h.failed(job, slot=NOW - timedelta(hours=1))


def counted(console: Served) -> dict[Question, int]:
    found = {}
    with console.signed_in(Role.VIEWER, "li.wei") as browser:
        for question in reading(GUESSES):
            said: list[str] = []
            with saying(console.pool._engine, said.append):
                answer = question.ask(browser)
            # A later operation may be about something else than these ids.
            assert answer.status_code in (200, 404, 422), question
            if answer.status_code == 200:
                found[question] = len(said)
    return found


def test_more_rows_take_no_more_statements(console: Served, database: str) -> None:
    fill(database, 3)
    few = counted(console)
    fill(database, 60)
    many = counted(console)
    assert len(few) > 100
    for question, count in few.items():
        assert many[question] <= count, question
        assert 0 < count <= MOST, question
