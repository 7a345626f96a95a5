"""Brokers die, topics change, producers abort."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime, timedelta

from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    NewPartitions,
)

from job_trigger_worker.demo.services import Services
from tests.faults.scenario_run import PARTITIONS, PENDING, RECOVERY_S, ScenarioRun
from tests.faults.scenarios.scenario import Lane, Scenario
from tests.support import sql
from tests.support.checker import Kind
from tests.support.topics import quiet_client
from tests.support.waiting import wait_until

_ANSWER_S = 15.0
_AWAY_S = 60.0
_FROZEN_S = 2.5
_TOO_FEW_S = 8.0
_ADDED = 3
_BURST = 400
_START_S = 25.0
"""How long a worker may take to start and to decide what waits."""

_DISPATCHED = """
    from awp_job_execution r left join (
        select execution_id, status, accepted_at from awp_action_execution
        union all select execution_id, status, accepted_at from awp_workflow_execution
    ) e on e.execution_id = r.execution_id
    where r.trigger_status = 1 and r.scheduled_at = any ('{{{slots}}}')
"""
_ANSWERED = f"select count(*) {_DISPATCHED} and e.status is null"
_STARTED = f"select r.job_id, r.scheduled_at, e.* {_DISPATCHED} and e.status <> 'rejected'"
_REJECTED = f"select count(*) {_DISPATCHED} and e.status = 'rejected'"
_ABORTED = 200
_SMALL_BYTES = 40_000
_LARGE_BYTES = 60_000


def kill_the_leader(run: ScenarioRun) -> None:
    """kill -9 of the broker that leads a partition of triggers."""
    run.rest(0.2, 1.0)
    partition = run.rng.randrange(PARTITIONS)
    run.cluster.leader(run.topics.triggers, partition).kill()
    run.fault()
    run.recovered()
    run.cluster.restore()
    run.recovered()


def freeze_the_leader(run: ScenarioRun) -> None:
    """SIGSTOP for longer than the brokers wait for it: it wakes believing that it leads."""
    for _ in range(2):
        run.rest(0.2, 1.0)
        node = run.cluster.leader(run.topics.triggers, run.rng.randrange(PARTITIONS))
        node.freeze()
        run.fault()
        run.rest(_FROZEN_S, 2 * _FROZEN_S)
        node.wake()
        run.recovered()
        run.cluster.wait_until_whole()


def kill_the_coordinator(run: ScenarioRun) -> None:
    """kill -9 of the broker that coordinates the workers' group."""
    run.rest(0.2, 1.0)
    run.cluster.coordinator(run.group).kill()
    run.fault()
    run.recovered()
    run.cluster.restore()
    run.recovered()


def kill_each_in_turn(run: ScenarioRun) -> None:
    """One broker after the other is killed, and partitions change hands while it is dead.

    So whichever broker a client holds to be the controller is dead once.
    """
    for node in run.cluster.nodes.values():
        node.kill()
        run.fault()
        (joined,) = run.start()
        run.recovered()
        run.stop(joined)
        run.recovered()
        run.cluster.restore()


def all_away(run: ScenarioRun) -> None:
    """No broker for a minute; then the whole backlog leaves without a restart of anything."""
    run.cluster.kill()
    run.fault()
    time.sleep(_AWAY_S)
    run.cluster.restore()
    run.recovered()
    for worker in run.workers:
        if worker.child.exit_status() is not None:
            run.broken(Kind.ENDED, f"a worker did not outlive the brokers: {worker.log}")


def too_few_in_sync(run: ScenarioRun) -> None:
    """What goes out needs three copies in sync, and one broker is dead."""
    outgoing = (run.topics.dispatch_action, run.topics.dispatch_orch, run.topics.failures)
    for topic in outgoing:
        run.cluster.set_topic(topic, "min.insync.replicas", "3")
    run.rng.choice(list(run.cluster.nodes.values())).kill()
    run.fault()
    time.sleep(_TOO_FEW_S)
    run.look_until(PENDING, lambda found: found > 0)
    run.cluster.restore()
    for topic in outgoing:
        run.cluster.set_topic(topic, "min.insync.replicas", "2")
    run.recovered()


def away_beyond_the_limit(run: ScenarioRun) -> None:
    """What goes out is not taken until the runs that it asks for are over: nobody starts them."""
    run.quiet()
    for worker in list(run.workers):
        run.stop(worker)
    outgoing = (run.topics.dispatch_action, run.topics.dispatch_orch, run.topics.failures)
    for topic in outgoing:
        run.cluster.set_topic(topic, "min.insync.replicas", "3")
    run.rng.choice(list(run.cluster.nodes.values())).kill()
    run.fault()
    before = {each.slot for each in run.traffic.sent()}
    run.traffic.burst(_BURST)
    fired = {each.slot for each in run.traffic.sent()} - before
    run.may_expire |= fired
    slots = [datetime.fromisoformat(at) for _, at in fired]
    limit_s = int((datetime.now(UTC) - min(slots)).total_seconds() + _START_S)
    run.launch(default_max_lateness_s=limit_s)
    run.look_until(PENDING, lambda found: found > 0)
    over_at = max(slots) + timedelta(seconds=limit_s)
    time.sleep(max((over_at - datetime.now(UTC)).total_seconds(), 0) + 1)
    services = Services(run.kafka(), PARTITIONS)
    services.start()
    try:
        run.cluster.restore()
        for topic in outgoing:
            run.cluster.set_topic(topic, "min.insync.replicas", "2")
        run.quiet()
        written = ",".join(f'"{at}"' for _, at in fired)
        run.look_until(_ANSWERED.format(slots=written), lambda waiting: waiting == 0)
    finally:
        services.stop()
    started = sql.rows(run.database, _STARTED.format(slots=written))
    rejected = sql.value(run.database, _REJECTED.format(slots=written))
    if started or not rejected:
        run.broken(
            Kind.WRONG_VERDICT,
            f"of runs that were over {len(started)} were started and {rejected} rejected: "
            f"{started[:5]}",
        )
    for worker in list(run.workers):
        run.stop(worker)
    run.traffic.resume()
    run.start()
    run.recovered()


def add_partitions(run: ScenarioRun) -> None:
    """The topic of triggers gets more partitions while everything runs."""
    run.rest(0.2, 1.0)
    admin = AdminClient(quiet_client(run.cluster.address))
    before = run.partitions()
    more = NewPartitions(run.topics.triggers, before + _ADDED)
    (done,) = admin.create_partitions([more]).values()
    done.result(_ANSWER_S)
    run.fault()
    wait_until(
        lambda: any(each.partition >= before for each in run.traffic.sent()),
        RECOVERY_S,
        "a trigger in a new partition",
    )
    run.recovered()


def recreate_under_a_running_worker(run: ScenarioRun) -> None:
    """The topic is deleted and made again under it: another topic, other offsets."""
    for _ in range(2):
        run.quiet()
        with run.heard("action=topic_replaced"):
            # No broker tells a consumer: what it reads before it looks counts as the old topic's.
            _recreate(run)
        run.traffic.resume()
        run.rest(0.5, 2.0)
        run.recovered()


def recreate_under_a_stopped_worker(run: ScenarioRun) -> None:
    """The same while none runs."""
    run.quiet()
    for worker in list(run.workers):
        run.stop(worker)
    _recreate(run)
    run.traffic.resume()
    run.rest(0.5, 2.0)
    run.start()
    run.recovered()


def abort_a_transaction(run: ScenarioRun) -> None:
    """A producer takes back what it sent: nothing of it counts."""
    producer = Producer(
        {
            **quiet_client(run.cluster.address),
            "transactional.id": f"{run.name}-aborting",
            "partitioner": "murmur2_random",
        }
    )
    producer.init_transactions(_ANSWER_S)
    at = datetime.now(UTC) - timedelta(hours=1)
    jobs = list(run.verdicts)
    for _ in range(3):
        producer.begin_transaction()
        for number in range(_ABORTED):
            at += timedelta(milliseconds=1)
            job_id = jobs[number % len(jobs)]
            body = json.dumps({"job_id": job_id, "scheduled_at": at.isoformat()})
            producer.produce(run.topics.triggers, body, str(job_id))
        assert not producer.flush(_ANSWER_S), "a transaction that the brokers do not take"
        run.rest(0.2, 1.0)
        producer.abort_transaction(_ANSWER_S)
        run.fault()
        run.recovered()


def refuse_large_messages(run: ScenarioRun) -> None:
    """The brokers take smaller dispatches than the worker makes: they become failures by rule."""
    run.cluster.set_topic(run.topics.dispatch_action, "max.message.bytes", str(_SMALL_BYTES))
    run.recovered()
    for _ in range(2):
        run.add_job(
            "parameter_invalid", is_refused=True, script=secrets.token_hex(_LARGE_BYTES // 2)
        )
        run.fault()
    time.sleep(3)
    run.recovered()


def _recreate(run: ScenarioRun) -> None:
    with run.admin() as admin:
        admin.delete((run.topics.triggers,))
        admin.create(run.topics, partitions=PARTITIONS)
    run.fault()
    run.traffic.recreated()


SCENARIOS = (
    Scenario("leading broker killed", kill_the_leader, 2, Lane.ROUGH, is_short=True),
    Scenario("leading broker frozen", freeze_the_leader, 1, Lane.ROUGH),
    Scenario("coordinator killed", kill_the_coordinator, 2, Lane.ROUGH),
    Scenario("each broker killed in turn", kill_each_in_turn, 1, Lane.ROUGH),
    Scenario("all brokers away 60 s", all_away, 2, Lane.ROUGH),
    Scenario("too few in sync", too_few_in_sync, 1, Lane.ROUGH),
    Scenario("away beyond the limit", away_beyond_the_limit, 1, Lane.ROUGH, mixes=False),
    Scenario("partitions added", add_partitions, 2, mixes=False),
    Scenario("topic made anew, worker runs", recreate_under_a_running_worker, is_short=True),
    Scenario("topic made anew, worker stopped", recreate_under_a_stopped_worker),
    Scenario("transaction aborted", abort_a_transaction),
    Scenario("dispatch too large", refuse_large_messages, mixes=False),
)
