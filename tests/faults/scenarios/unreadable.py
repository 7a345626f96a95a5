"""Batches that nobody can unpack, among the triggers of everybody else."""

from __future__ import annotations

import operator
from functools import partial

from tests.faults.scenario_run import PARTITIONS, RECOVERY_S, ScenarioRun
from tests.faults.scenarios.scenario import Scenario
from tests.support import batches
from tests.support.waiting import wait_until

_ZEROS = b"\0" * 90_000_000
_RANGES = "select count(*) from awp_dead_letter where last_offset is not null"


def send_what_unpacks_to_too_much(run: ScenarioRun) -> None:
    """A producer sends 90 MB of zeros in 2.8 kB, to a topic whose brokers leave that to readers."""
    poison = batches.batch(_ZEROS, codec="zstd", packed=batches.zstd_of_unknown_size(_ZEROS))
    run.cluster.set_topic(run.topics.triggers, "compression.type", "producer")
    for number in range(3):
        partition = run.rng.randrange(PARTITIONS)
        first, last = wait_until(
            partial(_taken, run, poison, partition), RECOVERY_S, "brokers that take it"
        )
        run.unreadable.append((partition, first, last))
        run.fault()
        run.rest(0.2, 2.0)
        run.look_until(_RANGES, partial(operator.eq, number + 1))
        run.recovered()


def spoil_a_checksum(run: ScenarioRun) -> None:
    """A disk forgets a bit of a batch that nobody has read yet."""
    for number in range(2):
        run.quiet()
        for worker in list(run.workers):
            run.stop(worker)
        partition = run.rng.randrange(PARTITIONS)
        raw = batches.batch(b'{"job_id": 1}', b'{"job_id": 2}', b'{"job_id": 3}')
        first = batches.produce(run.cluster, run.topics.triggers, raw, partition=partition)
        leader = run.cluster.leader(run.topics.triggers, partition)
        becomes = batches.with_a_bit_changed(raw)
        batches.spoil(leader, run.topics.triggers, raw, partition=partition, becomes=becomes)
        run.unreadable.append((partition, first, first + 2))
        run.fault()
        run.traffic.resume()
        run.rest(0.2, 1.0)
        run.start()
        run.look_until(_RANGES, partial(operator.eq, number + 1))
        run.recovered()


def _taken(run: ScenarioRun, poison: bytes, partition: int) -> tuple[int, int] | None:
    """First and last offset of a batch; None while a broker has not heard of the setting."""
    try:
        first = batches.produce(run.cluster, run.topics.triggers, poison, partition=partition)
    except AssertionError:
        return None
    return first, first


SCENARIOS = (
    Scenario(
        "batch that unpacks to too much",
        send_what_unpacks_to_too_much,
        2,
        mixes=False,
    ),
    Scenario("batch with a wrong checksum", spoil_a_checksum, mixes=False),
)
