"""What the clock watch believes while it looks, on a real database."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from job_trigger_worker.clock import SystemClock
from job_trigger_worker.domain.backlog import Backlog
from job_trigger_worker.errors import ClockWrong
from job_trigger_worker.kafka.clock_watch import ClockWatch
from job_trigger_worker.metrics import LoopMetrics, Metrics
from job_trigger_worker.storage.db.engine import Session
from tests.support.brokerless import TOPICS, BrokerlessIntake, feeding


class _Set(SystemClock):
    """A clock that may be set ahead, and time that may be let pass."""

    ahead = timedelta()
    passed = timedelta()

    def now(self) -> datetime:
        return super().now() + self.passed + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.passed.total_seconds()


@pytest.fixture
def feed(database: str) -> Iterator[BrokerlessIntake]:
    with feeding(database) as feed:
        yield feed


def test_a_decision_that_begins_while_the_clocks_are_compared_is_believed(
    feed: BrokerlessIntake,
) -> None:
    """Each minute the loop looks while the next batch is being decided."""
    clock = _Set()
    session = Session(feed.engine)
    looks: list[None] = []

    def meanwhile() -> None:
        if looks:  # at the second look, in the middle of it
            watch.believe(clock.now(), clock.monotonic())
        looks.append(None)

    watch = _watch(session, clock, meanwhile)
    watch.check(is_taking=True)
    watch.check(is_taking=True)

    assert len(looks) == 2
    session.close()


def test_the_clocks_are_compared_each_minute(feed: BrokerlessIntake) -> None:
    clock = _Set()
    session = Session(feed.engine)
    looks: list[None] = []
    watch = _watch(session, clock, lambda: looks.append(None), max_skew_s=3600)
    watch.check(is_taking=True)
    looked = []
    for passed_s in (50, 59, 61, 110, 122):
        clock.passed = timedelta(seconds=passed_s)
        watch.check(is_taking=False)
        looked.append(len(looks))
    assert looked == [1, 1, 2, 2, 3]
    session.close()


def test_nothing_is_believed_from_a_look_that_failed_until_one_that_did_not(
    feed: BrokerlessIntake,
) -> None:
    clock = _Set()
    session = Session(feed.engine)
    watch = _watch(session, clock, lambda: None)
    with pytest.raises(ClockWrong):
        watch.believe(clock.now(), clock.monotonic())  # nobody has looked
    watch.check(is_taking=True)
    watch.believe(clock.now(), clock.monotonic())

    clock.ahead = timedelta(seconds=60)
    for _ in range(2):
        with pytest.raises(ClockWrong, match=r"60\.\d s ahead of the database's"):
            watch.check(is_taking=False)
        with pytest.raises(ClockWrong):
            watch.believe(clock.now(), clock.monotonic())

    clock.ahead = timedelta(seconds=6)  # slewed by so much, it is said and no more
    watch.check(is_taking=False)
    watch.believe(clock.now(), clock.monotonic())
    session.close()


def _watch(
    session: Session, clock: _Set, meanwhile: Callable[[], None], max_skew_s: float = 30
) -> ClockWatch:
    metrics = LoopMetrics(
        Metrics(CollectorRegistry()), TOPICS.triggers, Backlog(TOPICS.triggers, clock)
    )
    return ClockWatch(
        session=session,
        take_append=meanwhile,
        clock=clock,
        max_skew_s=max_skew_s,
        metrics=metrics,
    )
