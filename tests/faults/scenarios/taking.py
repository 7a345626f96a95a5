"""One of two dies, and what it had is taken while the other one works."""

from __future__ import annotations

import time

from confluent_kafka.admin import AdminClient, NewPartitions

from tests.faults.scenario_run import RECOVERY_S, ScenarioRun
from tests.faults.scenarios.scenario import Lane, Scenario
from tests.support import sql
from tests.support.checker import Kind
from tests.support.topics import quiet_client
from tests.support.waiting import wait_until

_MANY = 100
_ANSWER_S = 20.0
_LOOK_S = 0.05
_STANDSTILL_S = 2.0
_OWN = """
    select "partition" from awp_trigger_ledger where topic = '{topic}' and owner like '%-{pid}-%'
"""
_COUNTED = """
    select sum(deliveries) from awp_trigger_ledger
    where topic = '{topic}' and "partition" = any (array[{own}])
"""


def one_of_two_with_many_partitions(run: ScenarioRun) -> None:
    """A hundred partitions; the survivor takes fifty, and its own never stand still for long."""
    admin = AdminClient(quiet_client(run.cluster.address))
    topic = run.topics.triggers
    (done,) = admin.create_partitions([NewPartitions(topic, _MANY)]).values()
    done.result(_ANSWER_S)
    dying, survivor = run.workers
    wait_until(
        lambda: {each.partitions(topic) for each in run.workers} == {_MANY // 2},
        RECOVERY_S,
        "a half for each",
        every_s=_LOOK_S,
    )
    run.recovered()
    owned = sql.rows(run.database, _OWN.format(topic=topic, pid=survivor.child.pid))
    statement = _COUNTED.format(topic=topic, own=",".join(str(each) for (each,) in owned))
    counted, moved_at, longest_s = 0, time.monotonic(), 0.0

    def has_everything() -> bool:
        nonlocal counted, moved_at, longest_s
        found = int(sql.value(run.database, statement))
        now = time.monotonic()
        longest_s = max(longest_s, now - moved_at)
        if found > counted:
            counted, moved_at = found, now
        return survivor.partitions(topic) == _MANY

    run.kill(dying)
    has_everything()
    longest_s, moved_at = 0.0, time.monotonic()
    wait_until(has_everything, RECOVERY_S, "everything with the survivor", every_s=_LOOK_S)
    if longest_s > _STANDSTILL_S:
        run.broken(Kind.STUCK, f"the survivor's own partitions stood still for {longest_s:.1f} s")
    run.start()
    run.recovered()


SCENARIOS = (
    Scenario(
        "one of two dies, 100 partitions",
        one_of_two_with_many_partitions,
        2,
        Lane.ALONE,
        mixes=False,
    ),
)
