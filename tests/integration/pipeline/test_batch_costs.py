"""A batch takes what it has room for, and nothing is read or judged twice (counters, no clocks)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from unittest.mock import patch

import pytest

from job_trigger_worker.clock import SystemClock
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.inventory import Job
from job_trigger_worker.domain.record import OutboxRow
from job_trigger_worker.domain.trigger import Trigger
from job_trigger_worker.preflight import checks, runner
from tests.support.brokerless import feeding
from tests.support.shapes import Shape
from tests.support.sql import value
from tests.support.wire import counted

MIB = 1024 * 1024
PARAMETERS = "select sum(octet_length(paramter::text)) from awp_automcation_job"
SCRIPTS = Shape("scripts", 60, "script", 166_000)
PASSING = Shape("passing", 60, "passing", 1000)
FAILING = Shape("failing", 40, "failing", 7000, every=5)
MIXED = Shape("mixed", 400, "passing", 1000, every=20)


@dataclass
class Drained:
    """What it took to handle every trigger once."""

    batches: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    judged: int = 0
    statements: list[int] = field(default_factory=list)
    received_bytes: int = 0


class _Unhurried(SystemClock):
    """Judging takes no time: what a batch takes depends on its costs alone."""

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def drained() -> Iterator[Drained]:
    """Counts every trigger that is judged."""
    found = Drained()

    def count(_trigger: Trigger, _job: Job, _facts: object, _at: object) -> tuple[()]:
        found.judged += 1
        return ()

    patched = {"checks": (*checks.CHECKS, count)}
    with patch.dict(runner.judge.__kwdefaults__, patched):
        yield found


def _drain(shape: Shape, database: str, found: Drained, *, triggers: int) -> None:
    """What the loop does: up to 1,000 at a time, and first what the batch before left."""
    shape.fill(database)
    with counted(database) as wire, feeding(wire.url) as feed:
        taker = feed.taker(clock=_Unhurried())
        claim = taker.take(0)
        waiting = [
            Delivery(0, o, None, body, (), 0) for o, body in enumerate(shape.bodies(triggers))
        ]
        rows: list[OutboxRow] = []
        received = wire.received_bytes
        while waiting:
            batch, later = waiting[:1000], waiting[1000:]
            before = wire.traffic
            decided = taker.intake.decide(batch, {0: claim})
            handled = taker.intake.write(decided, {0: claim}, rows)
            found.statements.append((wire.traffic - before).statements)
            found.batches.append(len(batch) - len(decided.rest))
            found.events.append(_bytes(handled.rows))
            rows, claim = list(handled.rows), claim.at(handled.positions[0])
            waiting = [*decided.rest, *later]
        found.received_bytes = wire.received_bytes - received


def _bytes(rows: Sequence[OutboxRow]) -> int:
    return sum(len(event.value or b"") for row in rows for event in row.events)


@pytest.mark.parametrize("shape", [SCRIPTS, PASSING, FAILING, MIXED], ids=lambda each: each.name)
def test_each_trigger_is_judged_once_and_each_parameter_read_about_once(
    shape: Shape, database: str, drained: Drained
) -> None:
    rounds = 2
    _drain(shape, database, drained, triggers=rounds * shape.jobs)

    assert sum(drained.batches) == drained.judged == rounds * shape.jobs
    assert drained.received_bytes < 1.3 * rounds * value(database, PARAMETERS) + MIB
    assert max(drained.events) <= 5 * MIB
    records = "select count(*) from awp_job_execution"
    assert value(database, records) == rounds * shape.jobs


def test_a_batch_with_large_jobs_takes_one_statement_more(database: str, drained: Drained) -> None:
    _drain(SCRIPTS, database, drained, triggers=SCRIPTS.jobs)

    # One of the reads: the usual sixteen are those of `costs.toml`. The first two prepare.
    assert set(drained.statements[2:]) == {17}
