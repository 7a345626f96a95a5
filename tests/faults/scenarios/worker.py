"""Workers die, freeze, come and go."""

from __future__ import annotations

import resource
import signal
import time

import psutil

from tests.faults.arena import RECOVERY_S, Arena
from tests.faults.scenarios.scenario import Scenario
from tests.support.crashing import Crash
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

_OF_RECORDS = b"schedule"
"""A kind of trigger: part of each call that inserts records, and of nothing else."""

_BEFORE_WRITE = Crash("worker.intake:Intake.write", "before", nth=5, sent=signal.SIGSTOP)
_LOOK_S = 0.1
_FROZEN_S = 5.0
_STARVED_S = 5.0
_SLOW_S = 8.0


def kill_at_random(arena: Arena) -> None:
    """kill -9 of one of two, at any moment, and another in its place."""
    for _ in range(3):
        arena.rest(0.2, 1.5)
        arena.kill(arena.rng.choice(arena.workers))
        arena.start()
    arena.recovered()


def freeze_past_the_session(arena: Arena) -> None:
    """SIGSTOP until the group has given its partitions away, and SIGCONT: a zombie."""
    arena.rest(0.2, 1.0)
    zombie, other = arena.rng.sample(arena.workers, 2)
    zombie.freeze()
    arena.fault()
    began = time.monotonic()
    everything = arena.partitions()
    wait_until(
        lambda: _owned(arena, other) == everything,
        RECOVERY_S,
        "all with the other one",
        every_s=_LOOK_S,
    )
    time.sleep(max(_FROZEN_S - (time.monotonic() - began), 0))
    zombie.wake()
    arena.recovered()
    _share(arena)


def freeze_before_a_transaction(arena: Arena) -> None:
    """SIGSTOP with a batch decided and not written: it wakes when others have recorded it."""
    (healthy,) = arena.workers
    arena.stop(healthy)
    zombie = arena.launch(crash=_BEFORE_WRITE)
    process = psutil.Process(zombie.child.pid)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, RECOVERY_S, "a worker that froze")
    arena.fault()
    arena.start()
    arena.recovered()
    zombie.wake()
    _share(arena)


def lose_the_answer_to_a_commit(arena: Arena) -> None:
    """The transaction is committed, and the worker does not hear of it."""
    for _ in range(3):
        arena.rest(0.1, 0.5)
        before = arena.proxy.lost_answers
        arena.proxy.lose_answer(_OF_RECORDS)
        arena.fault()
        wait_until(lambda n=before: arena.proxy.lost_answers > n, RECOVERY_S, "a lost answer")
        arena.recovered()


def terminate_under_load(arena: Arena) -> None:
    """SIGTERM of one of two, which has to end with 0; another takes its place."""
    for _ in range(2):
        arena.rest(0.2, 1.0)
        arena.fault()
        arena.stop(arena.rng.choice(arena.workers))
        arena.start()
    arena.recovered()


def roll_three(arena: Arena) -> None:
    """Each of three is stopped and started again, one after the other."""
    for worker in list(arena.workers):
        arena.fault()
        arena.stop(worker)
        arena.start()
    arena.recovered()


def scale_up_and_down(arena: Arena) -> None:
    """One, three, one."""
    arena.fault()
    arena.start(2)
    arena.recovered()
    for worker in arena.rng.sample(arena.workers, 2):
        arena.fault()
        arena.stop(worker)
    arena.recovered()


def starve_of_file_descriptors(arena: Arena) -> None:
    """Its connections break, and it may open nothing in their place for a while."""
    (worker,) = arena.workers
    arena.rest(0.2, 0.5)
    pid = worker.child.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        arena.fault()
        with arena.heard("no reason given", "Too many open files"):  # libpq has no words for it
            arena.proxy.cut()
            time.sleep(_STARVED_S)
    finally:
        if worker.child.exit_status() is None:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    supervise(arena, worker)
    arena.recovered()


def slow_down(arena: Arena) -> None:
    """It runs for a fifth of the time only."""
    (worker,) = arena.workers
    end = time.monotonic() + _SLOW_S
    arena.fault()
    while time.monotonic() < end:
        worker.freeze()
        arena.rest(0.2, 0.4)
        worker.wake()
        time.sleep(0.07)
    arena.recovered()


def supervise(arena: Arena, worker: WorkerProcess) -> None:
    """Start another in its place if it has ended, as every supervisor would."""
    if worker.child.exit_status() is not None:
        arena.workers.remove(worker)
        arena.start()


def _share(arena: Arena) -> None:
    """Wait until every worker has partitions, also one that woke up, and works."""
    wait_until(
        lambda: min(_owned(arena, each) for each in arena.workers) > 0,
        RECOVERY_S,
        "a share for each",
        every_s=_LOOK_S,
    )
    arena.recovered()


def _owned(arena: Arena, worker: WorkerProcess) -> int:
    return worker.partitions(arena.topics.triggers)


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
