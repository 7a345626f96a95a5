"""The process dies at a step of its own, once each."""

from __future__ import annotations

from functools import partial

from tests.faults.arena import Arena
from tests.faults.scenarios.scenario import Scenario
from tests.support.crashing import Crash
from tests.support.waiting import wait_until

_crash = partial(Crash, thread=".job.triggers.")
"""In the loop of the triggers: the other one takes, copies and gives up, too."""

_SEND = _crash("worker.relay:Relay.send", "before")

_IN_A_BATCH = {
    "after fetch": _crash("worker.intake:Intake.decide", "before", nth=2),
    "after reads": _crash("worker.deciding:read_facts", "after", nth=2),
    "before commit": _crash("worker.storage.ledger:advance", "after", nth=2),
    "after commit": _crash("worker.relay:Relay.send", "before", nth=2),
    "between two publishes": _crash(
        "worker.kafka.producer:Producer.produce", "before", nth=9, first="flush"
    ),
    "after publish": _crash("worker.kafka.producer:EventProducer.wait", "after", nth=2),
    "before offset commit": _crash(
        "worker.kafka.member_offsets:MemberOffsets.copy", "before", nth=3
    ),
}
_SHORT = {"between two publishes"}
"""`test_crashes.py` has the steps before and after it."""
_IN_CATCHING_UP = {
    "before its publish": _SEND,
    "before its delete": _crash("worker.storage.outbox:delete", "before"),
}
_IN_TAKING = {
    "after the fence": _crash("worker.storage.ledger:take", "after"),
    "before the position": _crash("worker.kafka.flow:Flow.seek", "before"),
}
_IN_GIVING_UP = {
    "when revoked": _crash("worker.kafka.taking:Takings.revoked", "before"),
    "before the release": _crash("worker.storage.ledger:release", "before"),
}


def in_a_batch(arena: Arena, *, crash: Crash) -> None:
    """One that will crash takes over from one that is killed, and another from that."""
    (healthy,) = arena.workers
    arena.kill(healthy)
    arena.died(arena.launch(crash=crash))
    arena.start()
    arena.recovered()


def in_catching_up(arena: Arena, *, crash: Crash) -> None:
    """The outbox holds what a crash left there, and whoever publishes it crashes, too."""
    (healthy,) = arena.workers
    arena.kill(healthy)
    arena.died(arena.launch(crash=_SEND))
    arena.died(arena.launch(crash=crash))
    arena.start()
    arena.recovered()


def in_giving_up(arena: Arena, *, crash: Crash) -> None:
    """Another one joins, and who has to give partitions up for it crashes meanwhile."""
    (healthy,) = arena.workers
    arena.stop(healthy)
    crashing = arena.launch(crash=crash)
    wait_until(crashing.is_ready, 60, f"a ready worker; its log is {crashing.log}")
    arena.recovered()
    arena.launch()
    arena.died(crashing)
    arena.recovered()


SCENARIOS = (
    *(
        Scenario(
            f"crash {step}",
            partial(in_a_batch, crash=crash),
            is_short=step in _SHORT,
        )
        for step, crash in _IN_A_BATCH.items()
    ),
    *(
        Scenario(f"crash in catch-up {step}", partial(in_catching_up, crash=crash))
        for step, crash in _IN_CATCHING_UP.items()
    ),
    *(
        Scenario(f"crash in a taking {step}", partial(in_a_batch, crash=crash))
        for step, crash in _IN_TAKING.items()
    ),
    *(
        Scenario(f"crash in a rebalance {step}", partial(in_giving_up, crash=crash))
        for step, crash in _IN_GIVING_UP.items()
    ),
)
