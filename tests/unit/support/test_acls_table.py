"""The table of rights in deploy/, as tests read it."""

from job_trigger_worker.domain.topics import Topics
from tests.support import acls


def test_every_row_is_read_and_says_something_new() -> None:
    rows = [line for line in acls.TABLE.read_text().splitlines() if line.startswith("| ")]
    assert len(acls.table()) == len(rows) - 2
    assert len(set(acls.table())) == len(acls.table())


def test_every_topic_of_a_row_is_one_of_ours() -> None:
    ours = {*Topics.under("awp").all(), "awp.streams.failures.changelog.v1"}
    assert {each.name for each in acls.table() if each.resource == "topic"} == ours
