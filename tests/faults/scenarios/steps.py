"""The process dies at a step of its own, once each."""

from __future__ import annotations

from functools import partial

from tests.faults.arena import Arena
from tests.faults.scenarios.scenario import Scenario
from tests.support.crashing import Crash
from tests.support.waiting import wait_until

_SEND = Crash("worker.relay:Relay.send", "before")

_IN_A_BATCH = {
    "after fetch": Crash("worker.intake:Intake.decide", "before", nth=2),
    "after reads": Crash("worker.intake:read_facts", "after", nth=2),
    "before commit": Crash("worker.storage.ledger:advance", "after", nth=2),
    "after commit": Crash("worker.relay:Relay.send", "before", nth=2),
    "between two publishes": Crash(
        "worker.kafka.producer:Producer.produce", "before", nth=9, first="flush"
    ),
    "after publish": Crash("worker.kafka.producer:EventProducer.wait", "after", nth=2),
    "before offset commit": Crash(
        "worker.kafka.consumer:TopicConsumer.copy_offsets", "before", nth=3
    ),
}
_SHORT = {"after reads", "after commit", "between two publishes", "after publish"}
_IN_CATCHING_UP = {
    "before its publish": Crash("worker.storage.outbox:page", "after"),
    "before its delete": Crash("worker.storage.outbox:delete", "before"),
}
_IN_TAKING = {
    "after the fence": Crash("worker.storage.ledger:take", "after"),
    "before the position": Crash("worker.kafka.consumer:TopicConsumer.seek", "before"),
}
_IN_GIVING_UP = {
    "when revoked": Crash("worker.kafka.taking:Takings.revoked", "before"),
    "before the release": Crash("worker.storage.ledger:release", "before"),
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
            mixes=False,
        )
        for step, crash in _IN_A_BATCH.items()
    ),
    *(
        Scenario(f"crash in catch-up {step}", partial(in_catching_up, crash=crash), mixes=False)
        for step, crash in _IN_CATCHING_UP.items()
    ),
    *(
        Scenario(f"crash in a taking {step}", partial(in_a_batch, crash=crash), mixes=False)
        for step, crash in _IN_TAKING.items()
    ),
    *(
        Scenario(f"crash in a rebalance {step}", partial(in_giving_up, crash=crash), mixes=False)
        for step, crash in _IN_GIVING_UP.items()
    ),
)
