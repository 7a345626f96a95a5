"""The process dies at a step of its own, once each."""

from __future__ import annotations

from functools import partial

from confluent_kafka import Producer

from job_trigger_worker.kafka import producer
from job_trigger_worker.kafka.member_offsets import MemberOffsets
from job_trigger_worker.kafka.ownership import PartitionOwnership
from job_trigger_worker.kafka.partition_flow import PartitionFlow
from job_trigger_worker.kafka.producer import EventProducer
from job_trigger_worker.pipeline import decision
from job_trigger_worker.pipeline.intake import Intake
from job_trigger_worker.pipeline.relay import Relay
from job_trigger_worker.preflight.bisection import read_facts_of_first
from job_trigger_worker.storage.write import ledger, outbox
from tests.faults.scenario_run import ScenarioRun
from tests.faults.scenarios.scenario import Scenario
from tests.support.crashing import Crash
from tests.support.waiting import wait_until

_before = partial(Crash.before, thread=".job.triggers.")
_after = partial(Crash.after, thread=".job.triggers.")
"""In the loop of the triggers: the other one takes, copies and gives up, too."""

_SEND = _before(Relay.send)

_IN_A_BATCH = {
    "after fetch": _before(Intake.decide, nth=2),
    "after reads": _after(read_facts_of_first, within=decision, nth=2),
    "before commit": _after(ledger.advance, nth=2),
    "after commit": _before(Relay.send, nth=2),
    "between two publishes": _before(Producer.produce, within=producer, nth=9, first="flush"),
    "after publish": _after(EventProducer.wait, nth=2),
    "before offset commit": _before(MemberOffsets.copy, nth=3),
}
_SHORT = {"between two publishes"}
"""`test_crashes.py` has the steps before and after it."""
_IN_CATCHING_UP = {"before its publish": _SEND, "before its delete": _before(outbox.delete)}
_IN_TAKING = {
    "after the fence": _after(ledger.take),
    "before the position": _before(PartitionFlow.seek),
}
_IN_GIVING_UP = {
    "when revoked": _before(PartitionOwnership.revoked),
    "before the release": _before(ledger.release),
}


def in_a_batch(run: ScenarioRun, *, crash: Crash) -> None:
    """One that will crash takes over from one that is killed, and another from that."""
    (healthy,) = run.workers
    run.kill(healthy)
    run.died(run.launch(crash=crash))
    run.start()
    run.recovered()


def in_catching_up(run: ScenarioRun, *, crash: Crash) -> None:
    """The outbox holds what a crash left there, and whoever publishes it crashes, too."""
    (healthy,) = run.workers
    run.kill(healthy)
    run.died(run.launch(crash=_SEND))
    run.died(run.launch(crash=crash))
    run.start()
    run.recovered()


def in_giving_up(run: ScenarioRun, *, crash: Crash) -> None:
    """Another one joins, and who has to give partitions up for it crashes meanwhile."""
    (healthy,) = run.workers
    run.stop(healthy)
    crashing = run.launch(crash=crash)
    wait_until(crashing.is_ready, 60, f"a ready worker; its log is {crashing.log}")
    run.recovered()
    run.launch()
    run.died(crashing)
    run.recovered()


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
