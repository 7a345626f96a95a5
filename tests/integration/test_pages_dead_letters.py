"""The list of dead letters, as a browser gets it."""

from collections.abc import Iterator

import pytest

from tests.support.console import Served, serving
from tests.support.history import Still
from tests.support.pages import HOSTILE, content, page, rows, shows_as_text
from tests.support.sql import execute
from worker.domain.access import Role

LETTER = """
with origin as (
    insert into awp_trigger_ledger (topic, topic_id, "partition")
    values ('awp.job.triggers.v1', 'i', 2) returning id)
insert into awp_dead_letter (ledger_id, origin_offset, reason, job_id, headers, value, created_at)
select id, 41, '{}', 17, '\\x90', '\\x7b7d', '2026-11-23T07:00:00Z' from origin
"""


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=Still()) as served:
        yield served


def test_an_admin_sees_why_each_message_could_not_be_used(console: Served, database: str) -> None:
    execute(database, LETTER.format("the body is no JSON object"))
    browser = console.signed_in(Role.ADMIN)
    (row,) = rows(page(browser, "/dead-letters"))
    assert row == "1 the body is no JSON object 17 awp.job.triggers.v1 2:41 2 07:00:00 –"
    assert "其中 1 条尚未重发" in page(browser, "/dead-letters", "zh").text


def test_a_reason_is_text_and_nothing_else(console: Served, database: str) -> None:
    execute(database, LETTER.format(HOSTILE))
    shows_as_text(page(console.signed_in(Role.ADMIN), "/dead-letters"))


def test_without_letters_it_says_so(console: Served) -> None:
    assert "No dead letters" in content(page(console.signed_in(Role.ADMIN), "/dead-letters"))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_nobody_but_an_admin_sees_them(console: Served, role: Role) -> None:
    assert console.signed_in(role).get("/dead-letters").status_code == 403
