"""kill -9 of the worker, a real process, at the steps where it matters."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from job_trigger_worker.kafka.producer import EventProducer
from job_trigger_worker.pipeline.relay import Relay
from job_trigger_worker.storage.write import outbox
from tests.support import sql
from tests.support.crashing import ARMED, Crash
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
Start = Callable[..., WorkerProcess]


def _died(worker: WorkerProcess) -> None:
    status = wait_until(worker.child.exit_status, 30, "the worker's death")
    assert status == -signal.SIGKILL, worker.words()[-3000:]


def test_killed_after_the_transaction_and_before_publishing_each_event_leaves_once(
    start: Start, load: Load, judge: Judge, brief: dict[str, int]
) -> None:
    load.fire(120)
    _died(
        start(
            brief,
            program=ARMED,
            env=Crash.before(Relay.send).environment(),
            wait=False,
        )
    )
    committed = judge.records()
    assert committed > 0
    load.fire(60)
    start()
    outcome = judge.settled(load.sent)
    assert (outcome.records, outcome.duplicates, outcome.repeats) == (180, 0, 0)


def test_killed_after_publishing_and_before_the_delete_events_repeat_with_the_same_id(
    start: Start, load: Load, judge: Judge, brief: dict[str, int]
) -> None:
    load.fire(120)
    waited = Crash.after(EventProducer.wait).environment()
    _died(start(brief, program=ARMED, env=waited, wait=False))
    published = judge.events()
    assert published > 0
    load.fire(60)
    start()
    outcome = judge.settled(load.sent)
    assert (outcome.records, outcome.duplicates) == (180, 0)
    assert outcome.repeats == published


def test_killed_between_the_delete_and_the_commit_nothing_is_deleted(
    start: Start, load: Load, judge: Judge, brief: dict[str, int]
) -> None:
    load.fire(120)
    changes: dict[str, Any] = {**brief, "batch_triggers": 20}
    delete = Crash.after(outbox.delete).environment()
    _died(start(changes, program=ARMED, env=delete, wait=False))
    waiting = sql.value(judge.database, "select sum(events) from awp_trigger_outbox")
    published = judge.events()
    assert judge.records() == waiting >= published >= 20
    start()
    outcome = judge.settled(load.sent)
    assert (outcome.records, outcome.redeliveries) == (120, 0)
    assert outcome.repeats == published
