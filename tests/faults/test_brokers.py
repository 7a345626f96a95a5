"""The brokers are away for a while; the worker waits, and everything leaves afterwards."""

import os
import signal
from collections.abc import Callable
from time import monotonic

import pytest

from tests.support import sql
from tests.support.kafka import KafkaNode
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["node"], indirect=True)
Start = Callable[..., WorkerProcess]
OUTAGE_S = 10.0
STILL_S = 4.0
MORE = 8_000
"""Triggers that take the worker seconds, in small batches."""
_WAITING = "select coalesce(sum(events), 0) from awp_trigger_outbox"


def _outlasts(worker: WorkerProcess) -> bool:
    began = monotonic()
    return wait_until(
        lambda: worker.get("/livez") == 200 and monotonic() - began > OUTAGE_S,
        OUTAGE_S + 5,
        "an outage that it lives through",
    )


def test_brokers_away_for_10_s_are_waited_for_with_the_events_in_the_outbox(
    start: Start, load: Load, judge: Judge, kafka_node: KafkaNode
) -> None:
    worker = start({"batch_triggers": 50})
    load.fire(60)
    judge.settled(load.sent)
    load.fire(MORE)
    wait_until(lambda: judge.records() > 60, 20, "a batch under way")
    kafka_node.kill()
    assert _outlasts(worker)
    assert sql.value(judge.database, _WAITING) > 0
    kafka_node.start()
    load.fire(60)
    outcome = judge.settled(load.sent, 40)
    assert len(worker.words().splitlines()) < 500  # an outage is no flood of words
    assert (outcome.records, outcome.duplicates) == (MORE + 120, 0)
    assert worker.stop() == 0


def test_while_brokers_keep_the_worker_waiting_two_batches_wait_and_the_next_is_decided_again(
    start: Start, load: Load, judge: Judge, kafka_node: KafkaNode
) -> None:
    start({"batch_triggers": 20})
    load.fire(MORE)
    wait_until(lambda: judge.records() > 200, 20, "a worker with more at hand than it can write")
    os.kill(kafka_node.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: _is_still(judge), 20, "a worker that waits for the brokers")
        waiting = sql.value(judge.database, _WAITING)
    finally:
        os.kill(kafka_node.pid, signal.SIGCONT)
    judge.settled(load.sent, 40)
    assert 0 < waiting <= 2 * 20
    oldest = "select extract(epoch from max(created_at - decided_at)) from awp_job_execution"
    assert sql.value(judge.database, oldest) < STILL_S


def _is_still(judge: Judge) -> bool:
    """True when no record is written for a while."""
    before, began = judge.records(), monotonic()
    while monotonic() - began < STILL_S:
        if judge.records() != before:
            return False
    return True


def test_sigterm_while_the_brokers_are_away_ends_with_0(
    start: Start, load: Load, judge: Judge, kafka_node: KafkaNode
) -> None:
    worker = start({"batch_triggers": 20})

    def die_with_events_waiting() -> int:
        kafka_node.start()
        before = judge.records()
        load.fire(MORE)
        wait_until(lambda: judge.records() > before, 20, "a batch under way")
        kafka_node.kill()
        wait_until(lambda: _is_still(judge), 20, "a worker that waits for the brokers")
        return int(sql.value(judge.database, _WAITING))

    waiting = wait_until(die_with_events_waiting, 60, "brokers that die between commit and answer")
    assert worker.stop() == 0
    counted = sql.rows(judge.database, "select sum(events), sum(published) from awp_trigger_ledger")
    assert counted[0][0] == judge.records()
    assert counted[0][0] - counted[0][1] == waiting == sql.value(judge.database, _WAITING)
