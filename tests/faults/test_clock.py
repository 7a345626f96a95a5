"""A worker whose clock is wrong decides nothing: what is too late is told by the clock."""

import signal
from collections.abc import Callable

import pytest

from job_trigger_worker.domain.topics import Topics
from tests.support import sql
from tests.support.crashing import ARMED, CLOCK_SHIFT_S
from tests.support.load import Load
from tests.support.topics import Broker, set_topic
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
Start = Callable[..., WorkerProcess]
HALF_AN_HOUR = {CLOCK_SHIFT_S: "1800"}
SOON = {"default_max_lateness_s": 600}
RECORDS = "select count(*) from awp_job_execution"
OUTCOMES = """
    select coalesce(trigger_code, 'passed'), count(*) from awp_job_execution
    group by 1 order by 1
"""


def _is_wrong(worker: WorkerProcess) -> bool:
    return "s ahead of the database's: nothing is decided" in worker.why_not("/readyz")


def _turn_the_clock(worker: WorkerProcess) -> None:
    worker.child.send(signal.SIGUSR1)


def test_a_worker_half_an_hour_ahead_decides_nothing_until_its_clock_is_right(
    start: Start, load: Load, topics: Topics, database: str
) -> None:
    worker = start(SOON, program=ARMED, env=HALF_AN_HOUR, wait=False)
    load.fire(24)
    wait_until(lambda: worker.get("/readyz") and _is_wrong(worker), 30, "a worker that says so")
    assert "action=wait" in worker.words()
    assert sql.value(database, RECORDS) == 0

    _turn_the_clock(worker)
    wait_until(lambda: sql.value(database, RECORDS) == 24, 30, "24 records")
    assert sql.rows(database, OUTCOMES) == [("passed", 18), ("server_powered_off", 6)]
    wait_until(worker.is_ready, 20, "a ready worker")

    # It is set wrong while it works: what comes then waits, and the partitions stay.
    _turn_the_clock(worker)
    wait_until(lambda: _is_wrong(worker), 20, "a worker that says so again")
    load.fire(12)
    assert worker.partitions(topics.triggers) == 3
    assert 1790 < _skew_s(worker) < 1810
    _turn_the_clock(worker)
    wait_until(lambda: sql.value(database, RECORDS) == 36, 30, "36 records")
    assert sql.rows(database, OUTCOMES) == [("passed", 27), ("server_powered_off", 9)]
    assert worker.words().count("action=taken topic=" + topics.triggers) == 3


def test_a_worker_some_seconds_ahead_works_and_says_so(
    start: Start, load: Load, database: str
) -> None:
    worker = start(SOON, program=ARMED, env={CLOCK_SHIFT_S: "12"})
    load.fire(12)
    wait_until(lambda: sql.value(database, RECORDS) == 12, 30, "12 records")
    assert "action=clock_skew skew_s=12." in worker.words()
    assert 11 < _skew_s(worker) < 14


def test_the_brokers_clock_is_told_by_topics_that_have_it(
    start: Start, broker: Broker, load: Load, topics: Topics, database: str
) -> None:
    for topic in topics.outcomes():
        set_topic(broker.address, topic, "message.timestamp.type", "LogAppendTime")
    worker = start(SOON, program=ARMED, env={CLOCK_SHIFT_S: "12"})
    load.fire(12)
    wait_until(lambda: sql.value(database, RECORDS) == 12, 30, "12 records")
    _turn_the_clock(worker)  # so that it is looked at before the minute is over
    wait_until(lambda: 10 < _skew_s(worker, "brokers") < 13, 20, "the brokers' clock")


def _skew_s(worker: WorkerProcess, against: str = "database") -> float:
    name = f'trigger_worker_clock_skew_seconds{{against="{against}"}} '
    (line,) = [each for each in worker.page("/metrics").splitlines() if each.startswith(name)]
    return float(line.removeprefix(name))
