"""What is done to the workers and to all that they stand on; one module a kind of harm.

A scenario gets a `ScenarioRun` in which traffic flows into its workers. It does harm, counts each
with `ScenarioRun.fault`, ends it, and waits with `ScenarioRun.recovered`. It judges nothing: when
it ends, the run comes to rest and the checker looks at everything.
"""

from tests.faults.scenarios import (
    clock,
    forgetting,
    kafka,
    network,
    postgres,
    steps,
    taking,
    unreadable,
    worker,
)
from tests.faults.scenarios.scenario import Lane, Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *worker.SCENARIOS,
    *steps.SCENARIOS,
    *postgres.SCENARIOS,
    *forgetting.SCENARIOS,
    *kafka.SCENARIOS,
    *unreadable.SCENARIOS,
    *network.SCENARIOS,
    *clock.SCENARIOS,
    *taking.SCENARIOS,
)
"""In the order of the table."""

__all__ = ["SCENARIOS", "Lane", "Scenario"]
