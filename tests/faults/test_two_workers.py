"""Partitions change hands: nothing is lost, and a clean hand-over repeats nothing."""

import signal
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition

from job_trigger_worker.config import Settings
from job_trigger_worker.storage.write import ledger
from tests.support import sql
from tests.support.crashing import ARMED, Crash
from tests.support.ledgers import Judge, Outcome
from tests.support.load import Load
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
Start = Callable[..., WorkerProcess]
COPIED_S = 5.0
WAITS = """
    create function waits() returns trigger language plpgsql as $$ begin
        perform pg_advisory_xact_lock(1);
        return new;
    end $$;
    create trigger waits before insert on awp_job_execution
        for each row when (new.job_id >= {}) execute function waits();
"""
"""A platform's trigger has records of some jobs wait for whoever holds that lock."""
OWNERS = "select owner from awp_trigger_ledger where topic = '{}' order by partition"


def _clean(load: Load) -> Outcome:
    return Outcome(records=len(load.sent), duplicates=0, redeliveries=0, repeats=0)


def test_the_group_hears_how_far_a_worker_is(
    start: Start, load: Load, judge: Judge, settings: Settings
) -> None:
    start()
    places = [TopicPartition(load.topic, partition) for partition in range(3)]
    asking = Consumer(
        {
            "bootstrap.servers": settings.kafka_brokers,
            "group.id": settings.consumer_group,
            "log_level": 0,
        }
    )

    def copied() -> int:
        return sum(place.offset for place in asking.committed(places, timeout=COPIED_S))

    try:
        for _ in range(2):
            load.fire(60)
            judge.settled(load.sent)
            wait_until(lambda: copied() == len(load.sent), COPIED_S, "offsets of all triggers")
    finally:
        asking.close()


def test_a_second_worker_joins_and_the_first_leaves_under_load(
    start: Start, load: Load, judge: Judge
) -> None:
    first = start({"batch_triggers": 40})
    load.fire(300)
    second = start({"batch_triggers": 40}, wait=False)

    def owned(worker: WorkerProcess) -> int:
        load.fire(30)
        return worker.get("/readyz") == 200 and worker.partitions(load.topic)

    wait_until(lambda: owned(second) in {1, 2}, 30, "a share for the second worker")
    first.child.send(signal.SIGTERM)
    wait_until(lambda: load.fire(30) and first.child.exit_status() is not None, 20, "its end")
    assert first.child.exit_status() == 0
    wait_until(lambda: owned(second) == 3, 20, "everything with the second worker")
    assert judge.settled(load.sent) == _clean(load)


def test_a_rebalance_while_a_batch_is_held_up_in_its_transaction_repeats_nothing(
    start: Start, load: Load, judge: Judge
) -> None:
    first = start()
    load.fire(60)
    judge.settled(load.sent)
    with sql.session(judge.database) as foreign, foreign.cursor() as cursor:
        cursor.execute("lock table awp_job_execution in share mode")
        load.fire(60)
        wait_until(lambda: "lock timeout" in first.words(), 20, "a batch that cannot go on")
        second = start(wait=False)
        wait_until(lambda: "action=revoked" in first.words(), 20, "a partition asked for")
        foreign.rollback()
    wait_until(lambda: second.get("/readyz") == 200, 20, "the second worker")
    wait_until(lambda: second.partitions(load.topic) in {1, 2}, 20, "its share")
    load.fire(60)
    assert judge.settled(load.sent) == _clean(load)


def test_sigterm_under_load_ends_with_0_and_the_next_worker_repeats_nothing(
    start: Start, load: Load, judge: Judge
) -> None:
    load.fire(8_000)
    first = start({"batch_triggers": 50}, wait=False)
    wait_until(lambda: judge.records() > 0, 30, "the first batches")
    assert first.stop() == 0
    assert judge.records() < 8_000
    assert sql.rows(judge.database, OWNERS.format(load.topic)) == [(None,)] * 3
    start()
    assert judge.settled(load.sent) == _clean(load)


def test_a_worker_frozen_in_its_transaction_writes_nothing_when_it_wakes(
    start: Start, load: Load, judge: Judge, brief: dict[str, int]
) -> None:
    load.fire(60)
    crash = Crash.before(ledger.advance, sent=signal.SIGSTOP)
    frozen = start(brief, program=ARMED, env=crash.environment(), wait=False)
    process = psutil.Process(frozen.child.pid)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, 30, "a worker that froze")
    taker = start(wait=False)
    judge.settled(load.sent)
    assert taker.partitions(load.topic) == 3
    frozen.wake()
    wait_until(lambda: "action=wait topic=" in frozen.words(), 20, "a worker that woke up")
    load.fire(60)
    # It joins meanwhile: an event may come again, as the judge says under the same id.
    assert replace(judge.settled(load.sent), repeats=0) == _clean(load)
    wait_until(
        lambda: (
            frozen.partitions(load.topic) + taker.partitions(load.topic) == 3
            and frozen.partitions(load.topic) > 0
        ),
        30,
        "a share for the worker that woke up",
    )
    load.fire(60)
    assert replace(judge.settled(load.sent), repeats=0) == _clean(load)
    assert None not in {owner for (owner,) in sql.rows(judge.database, OWNERS.format(load.topic))}


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_sigterm_while_a_batch_waits_releases_everything_and_repeats_nothing(
    start: Start, load: Load, judge: Judge
) -> None:
    jobs = load.jobs
    load.jobs = jobs[:6]
    load.fire(60)
    load.jobs = jobs[6:]
    load.fire(60)
    sql.execute(judge.database, WAITS.format(min(jobs[6:])))
    with sql.session(judge.database) as foreign, foreign.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(1)")
        worker = start({"batch_triggers": 60}, wait=False)
        wait_until(lambda: "lock timeout" in worker.words(), 20, "a batch that cannot go on")
        assert worker.stop() == 0
        foreign.rollback()
    assert sql.rows(judge.database, OWNERS.format(load.topic)) == [(None,)]
    start()
    assert judge.settled(load.sent) == _clean(load)
