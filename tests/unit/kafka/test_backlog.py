"""What is said of partitions that wait, and when a position has stood still for too long."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from job_trigger_worker.domain.backlog import Backlog
from job_trigger_worker.metrics import Backlogs

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
NOON_MS = 1_796_040_000_000


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return self.passed_s


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def backlog(clock: Hand) -> Backlog:
    return Backlog("t", clock)


def test_a_position_that_stands_before_the_end_for_a_minute_is_named(
    backlog: Backlog, clock: Hand
) -> None:
    backlog.note(3, 10, 10, None, "")
    clock.passed_s = 5
    backlog.note(3, 10, 14, None, "cannot be unpacked")
    clock.passed_s = 65
    assert backlog.why_standing() is None
    clock.passed_s = 65.1
    assert backlog.why_standing() == (
        "partition 3 of t has stood at offset 10 since 2026-11-30T12:00:05+00:00 and 4 wait: "
        "cannot be unpacked"
    )


def test_a_position_that_moves_or_has_nothing_before_it_is_fine(
    backlog: Backlog, clock: Hand
) -> None:
    for second in range(0, 200, 20):
        clock.passed_s = second
        backlog.note(0, second, second + 1_000_000, None, "")
        backlog.note(1, 7, 7, None, "")
    assert backlog.why_standing() is None


def test_a_partition_that_went_to_somebody_else_is_forgotten(backlog: Backlog, clock: Hand) -> None:
    backlog.note(0, 1, 9, None, "")
    backlog.keep([1])
    clock.passed_s = 100
    assert backlog.why_standing() is None


def test_figures_are_by_partition_and_ages_grow_between_two_looks(
    backlog: Backlog, clock: Hand
) -> None:
    backlogs = Backlogs()
    backlogs.add(backlog)
    registry = CollectorRegistry()
    registry.register(backlogs)
    backlog.note(2, 10, 15, NOON_MS - 4_000, "")
    backlog.note_outbox({2: (3, NOON - timedelta(seconds=30))})
    clock.passed_s = 8

    def figure(name: str) -> float | None:
        return registry.get_sample_value(f"trigger_worker_{name}", {"topic": "t", "partition": "2"})

    assert figure("unread_messages") == 5
    assert figure("oldest_unread_age_seconds") == 12
    assert figure("outbox_rows") == 3
    assert figure("oldest_outbox_row_age_seconds") == 38
    backlog.note_end(2, 40)
    assert (figure("unread_messages"), figure("oldest_unread_age_seconds")) == (30, 12)
    backlog.note(2, 40, 40, None, "")
    backlog.note_outbox({})
    assert (figure("unread_messages"), figure("oldest_unread_age_seconds")) == (0, 0)
    assert (figure("outbox_rows"), figure("oldest_outbox_row_age_seconds")) == (0, 0)
