"""A decision's moment is the one at which it began: what took long since is decided anew."""

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

import psutil
import pytest
from pydantic import SecretStr

from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.pipeline import decision
from job_trigger_worker.preflight.bisection import read_facts_of_first
from tests.support import sql
from tests.support.crashing import ARMED, Crash
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.proxy import proxied
from tests.support.topics import Broker, produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
Start = Callable[..., WorkerProcess]
LIMIT_S = 2
HELD_UP_S = 4.5
TRIGGERS = 24
PATIENT = {
    "default_max_lateness_s": LIMIT_S,
    "max_poll_interval_ms": 40_000,  # whose locks may be waited for for 6 s
    "session_timeout_ms": 30_000,
}
RUN_TOO_LATE = f"""
    select count(*) from awp_job_execution where trigger_status = 1
    and created_at > scheduled_at + interval '{LIMIT_S} s' + interval '2 s'
"""
WAIT_FOR_LOCKS = "select count(*) from pg_locks where not granted"
OUTCOMES = "select coalesce(trigger_code, 'run'), count(*) from awp_job_execution group by 1"


def _fire_now(broker: Broker, topics: Topics, jobs: list[int]) -> None:
    """Triggers that are due at this moment."""
    bodies = [
        {"job_id": jobs[n % len(jobs)], "scheduled_at": datetime.now(UTC).isoformat()}
        for n in range(TRIGGERS)
    ]
    produce_raw(
        broker,
        topics.triggers,
        [(None, json.dumps(body).encode(), None) for body in bodies],
        partition=0,
    )


def _outcomes(database: str) -> dict[str, int]:
    """How many records there are of each kind, once each trigger has one."""

    def found() -> list[tuple[str, int]] | None:
        rows = sql.rows(database, OUTCOMES)
        return rows if sum(count for _, count in rows) == TRIGGERS else None

    return dict(wait_until(found, 30, f"{TRIGGERS} records"))


def _pass(seconds: float) -> None:
    began = monotonic()
    wait_until(lambda: monotonic() - began >= seconds, seconds + 5, "that time passes")


def test_a_worker_frozen_in_a_decision_runs_nothing_too_late(
    start: Start, broker: Broker, topics: Topics, jobs: list[int], database: str
) -> None:
    freeze = Crash.after(
        read_facts_of_first,
        within=decision,
        sent=signal.SIGSTOP,
        thread=".job.triggers.",
    )
    worker = start(PATIENT, program=ARMED, env=freeze.environment())
    process = psutil.Process(worker.child.pid)
    _fire_now(broker, topics, jobs)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, 20, "a worker that froze")
    _pass(HELD_UP_S)
    worker.wake()

    assert _outcomes(database).get("expired", 0) > 0
    assert sql.value(database, RUN_TOO_LATE) == 0


def test_an_inventory_that_is_locked_for_a_while_has_nothing_run_too_late(
    start: Start, broker: Broker, topics: Topics, jobs: list[int], database: str
) -> None:
    worker = start(PATIENT)
    taken = f"action=taken topic={topics.triggers} partition=0"
    wait_until(lambda: taken in worker.words(), 30, taken)
    with sql.session(database) as opened, opened.cursor() as cursor:
        cursor.execute("lock table awp_server in access exclusive mode")
        _fire_now(broker, topics, jobs)
        wait_until(lambda: sql.value(database, WAIT_FOR_LOCKS) > 0, 30, "a decision that waits")
        _pass(HELD_UP_S)
        opened.rollback()

    assert _outcomes(database).get("expired", 0) > 0
    assert sql.value(database, RUN_TOO_LATE) == 0
    assert worker.words().count("action=decide_anew") == 1


def test_decisions_that_always_take_longer_than_they_stay_fresh_are_written_all_the_same(
    start: Start, load: Load, judge: Judge
) -> None:
    with proxied(judge.database) as proxy:
        worker = start(
            PATIENT | {"default_max_lateness_s": 3600, "database_url": SecretStr(proxy.url)}
        )
        proxy.delay_s = 0.14  # each way, nine times
        load.fire(60)
        judge.settled(load.sent, 60)
        proxy.delay_s = 0.0
        assert 1 <= worker.words().count("action=decide_anew") <= 3
