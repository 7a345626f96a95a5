"""Workers die, freeze, come and go."""

from __future__ import annotations

import resource
import signal
import time
from functools import partial

import psutil

from job_trigger_worker.pipeline.intake import Intake
from tests.faults.scenario_run import RECOVERY_S, ScenarioRun
from tests.faults.scenarios.scenario import Scenario
from tests.support.crashing import Crash
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

_OF_RECORDS = b"schedule"
"""A kind of trigger: part of each call that inserts records, and of nothing else."""

_BEFORE_WRITE = Crash.before(Intake.write, nth=5, sent=signal.SIGSTOP)
_LOOK_S = 0.1
_FROZEN_S = 5.0
_STARVED_S = 5.0
_SLOW_S = 8.0


def kill_at_random(run: ScenarioRun) -> None:
    """kill -9 of one of two, at any moment, and another in its place."""
    for _ in range(3):
        run.rest(0.2, 1.5)
        run.kill(run.rng.choice(run.workers))
        run.start()
    run.recovered()


def freeze_past_the_session(run: ScenarioRun) -> None:
    """SIGSTOP until the group has given its partitions away, and SIGCONT: a zombie."""
    run.rest(0.2, 1.0)
    zombie, other = run.rng.sample(run.workers, 2)
    zombie.freeze()
    run.fault()
    began = time.monotonic()
    everything = run.partitions()
    wait_until(
        lambda: _owned(run, other) == everything,
        RECOVERY_S,
        "all with the other one",
        every_s=_LOOK_S,
    )
    time.sleep(max(_FROZEN_S - (time.monotonic() - began), 0))
    zombie.wake()
    run.recovered()
    _share(run)


def freeze_before_a_transaction(run: ScenarioRun) -> None:
    """SIGSTOP with a batch decided and not written: it wakes when others have recorded it."""
    (healthy,) = run.workers
    run.stop(healthy)
    zombie = run.launch(crash=_BEFORE_WRITE)
    process = psutil.Process(zombie.child.pid)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, RECOVERY_S, "a worker that froze")
    run.fault()
    run.start()
    run.recovered()
    zombie.wake()
    _share(run)


def lose_the_answer_to_a_commit(run: ScenarioRun) -> None:
    """The transaction is committed, and the worker does not hear of it."""
    for _ in range(3):
        run.rest(0.1, 0.5)
        before = run.proxy.lost_answers
        run.proxy.lose_answer(_OF_RECORDS)
        run.fault()
        wait_until(partial(_has_lost_more, run, before), RECOVERY_S, "a lost answer")
        run.recovered()


def _has_lost_more(run: ScenarioRun, before: int) -> bool:
    return run.proxy.lost_answers > before


def terminate_under_load(run: ScenarioRun) -> None:
    """SIGTERM of one of two, which has to end with 0; another takes its place."""
    for _ in range(2):
        run.rest(0.2, 1.0)
        run.fault()
        run.stop(run.rng.choice(run.workers))
        run.start()
    run.recovered()


def roll_three(run: ScenarioRun) -> None:
    """Each of three is stopped and started again, one after the other."""
    for worker in list(run.workers):
        run.fault()
        run.stop(worker)
        run.start()
    run.recovered()


def scale_up_and_down(run: ScenarioRun) -> None:
    """One, three, one."""
    run.fault()
    run.start(2)
    run.recovered()
    for worker in run.rng.sample(run.workers, 2):
        run.fault()
        run.stop(worker)
    run.recovered()


def starve_of_file_descriptors(run: ScenarioRun) -> None:
    """Its connections break, and it may open nothing in their place for a while."""
    (worker,) = run.workers
    run.rest(0.2, 0.5)
    pid = worker.child.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        run.fault()
        with run.heard("no reason given", "Too many open files"):  # libpq has no words for it
            run.proxy.cut()
            time.sleep(_STARVED_S)
    finally:
        if worker.child.exit_status() is None:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    supervise(run, worker)
    run.recovered()


def slow_down(run: ScenarioRun) -> None:
    """It runs for a fifth of the time only."""
    (worker,) = run.workers
    end = time.monotonic() + _SLOW_S
    run.fault()
    while time.monotonic() < end:
        worker.freeze()
        run.rest(0.2, 0.4)
        worker.wake()
        time.sleep(0.07)
    run.recovered()


def supervise(run: ScenarioRun, worker: WorkerProcess) -> None:
    """Start another in its place if it has ended, as every supervisor would."""
    if worker.child.exit_status() is not None:
        run.workers.remove(worker)
        run.start()


def _share(run: ScenarioRun) -> None:
    """Wait until every worker has partitions, also one that woke up, and works."""
    wait_until(
        lambda: min(_owned(run, each) for each in run.workers) > 0,
        RECOVERY_S,
        "a share for each",
        every_s=_LOOK_S,
    )
    run.recovered()


def _owned(run: ScenarioRun, worker: WorkerProcess) -> int:
    return worker.partitions(run.topics.triggers)


SCENARIOS = (
    Scenario("worker killed at random", kill_at_random, workers=2, is_short=True),
    Scenario("worker frozen, a zombie", freeze_past_the_session, workers=2, is_short=True),
    Scenario("frozen with a batch decided", freeze_before_a_transaction),
    Scenario("answer to a commit lost", lose_the_answer_to_a_commit),
    Scenario("SIGTERM under load", terminate_under_load, workers=2),
    Scenario("rolling restart of three", roll_three, workers=3),
    Scenario("scaled 1, 3, 1", scale_up_and_down),
    Scenario("no file descriptors", starve_of_file_descriptors),
    Scenario("slow worker", slow_down),
)
