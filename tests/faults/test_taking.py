"""Partitions are taken beside the work on those that are ours: who works waits for no taking."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import cycle

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import FatalError
from job_trigger_worker.kafka.consumer import TopicConsumer
from tests.conftest import kafka_settings
from tests.support import sql
from tests.support.ledgers import Judge, Outcome
from tests.support.load import Load
from tests.support.locks import locks_an_outbox_row
from tests.support.topics import Broker, quiet_client
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
Start = Callable[..., WorkerProcess]

MANY = 100
EVERY_S = 0.25
"""Rarer than a fetch is held by the brokers at most, so that a question may stand behind one."""
DELAY_S = 2.0
TAKING_S = 5.0
OWNED = "select \"partition\" from awp_trigger_ledger where topic = '{}' and owner like '%-{}-%'"
DECIDED = "select job_id, scheduled_at, decided_at from awp_job_execution"


def _grow(broker: Broker, topic: str, partitions: int) -> None:
    admin = AdminClient(quiet_client(broker.address))
    (done,) = admin.create_partitions([NewPartitions(topic, partitions)]).values()
    done.result(20)


def _said_at(worker: WorkerProcess, action: str) -> datetime:
    """When it last said a word."""
    return datetime.fromisoformat(
        re.findall(rf"^(\S+) .*action={action} ", worker.words(), re.MULTILINE)[-1]
    )


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_the_survivors_own_triggers_wait_for_no_taking_of_what_a_dead_worker_had(
    start: Start, load: Load, judge: Judge, broker: Broker, brief: dict[str, int]
) -> None:
    _grow(broker, load.topic, MANY)
    dying, survivor = start(brief), start(brief)
    wait_until(
        lambda: {dying.partitions(load.topic), survivor.partitions(load.topic)} == {MANY // 2},
        40,
        "a half for each",
    )
    for partition in range(MANY):
        load.fire(1, partition=partition)
    judge.settled(load.sent)
    owned = sql.rows(judge.database, OWNED.format(load.topic, survivor.child.pid))
    own = cycle(partition for (partition,) in owned)
    fired: dict[tuple[int, datetime], datetime] = {}

    def has_everything() -> bool:
        at = datetime.now(UTC)
        (sent,) = load.fire(1, partition=next(own))
        fired[sent.job_id, datetime.fromisoformat(sent.scheduled_at)] = at
        return survivor.partitions(load.topic) == MANY

    dying.kill()
    wait_until(has_everything, 60, "everything with the survivor", every_s=EVERY_S)
    taking_s = (_said_at(survivor, "taken") - _said_at(survivor, "assigned")).total_seconds()
    judge.settled(load.sent)
    delay_s = max(
        (decided_at - fired[job_id, slot]).total_seconds()
        for job_id, slot, decided_at in sql.rows(judge.database, DECIDED)
        if (job_id, slot) in fired
    )
    said = f"its own waited {delay_s:.1f} s; {MANY // 2} partitions were taken in {taking_s:.1f} s"
    assert delay_s <= DELAY_S, said
    assert taking_s <= TAKING_S, said


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_a_hundred_partitions_are_taken_within_five_seconds(
    start: Start, load: Load, judge: Judge, broker: Broker, brief: dict[str, int]
) -> None:
    _grow(broker, load.topic, MANY)
    first = start(brief)
    wait_until(lambda: first.partitions(load.topic) == MANY, 40, "everything with the first")
    for partition in range(MANY):
        load.fire(1, partition=partition)
    judge.settled(load.sent)
    first.kill()
    for partition in range(MANY):
        load.fire(1, partition=partition)

    second = start(brief)
    wait_until(lambda: second.partitions(load.topic) == MANY, 60, "everything with the second")

    taking_s = (_said_at(second, "taken") - _said_at(second, "assigned")).total_seconds()
    assert judge.settled(load.sent).records == 2 * MANY
    assert taking_s <= TAKING_S, f"{MANY} partitions were taken in {taking_s:.1f} s"


def test_a_partition_whose_row_somebody_has_locked_keeps_no_other_from_work(
    start: Start, load: Load, judge: Judge
) -> None:
    first = start()
    load.fire(30)
    judge.settled(load.sent)
    assert first.stop() == 0
    with sql.session(judge.database) as foreign, foreign.cursor() as cursor:
        cursor.execute(
            'select from awp_trigger_ledger where topic = %s and "partition" = 2 for update',
            (load.topic,),
        )
        second = start(wait=False)
        load.fire(10, partition=0)
        load.fire(10, partition=1)
        wait_until(lambda: judge.records() == 50, 20, "the records of the other partitions")
        why = (
            f"partition 2 cannot be taken: .*locked by session {foreign.info.backend_pid} .*'test'"
        )
        assert re.search(why, second.why_not("/readyz"))
        load.fire(10, partition=2)
        foreign.rollback()
    wait_until(lambda: second.partitions(load.topic) == 3, 20, "the partition that was locked")
    assert judge.settled(load.sent) == Outcome(records=60, duplicates=0, redeliveries=0, repeats=0)


def test_a_locked_outbox_row_keeps_no_partition_from_work_and_is_sent_again_once(
    start: Start, load: Load, judge: Judge
) -> None:
    """What it holds is sent, so neither its own partition nor another one waits for its end."""
    first = start()
    load.fire(3)
    judge.settled(load.sent)
    with sql.session(judge.database, application="somebody at a prompt") as foreign:
        load.fire(10, partition=0)
        wait_until(lambda: locks_an_outbox_row(foreign), 20, "an outbox row", every_s=0.002)
        wait_until(lambda: judge.events() == 13, 20, "the events")
        first.kill()
        again = sql.value(judge.database, "select sum(events) from awp_trigger_outbox")
        second = start(wait=False)
        for partition in range(3):
            load.fire(10, partition=partition)
        wait_until(lambda: judge.records() == 43, 20, "the records of all partitions")
        load.fire(10, partition=0)
        wait_until(lambda: judge.events() == 53 + again, 20, "all events, and once those left")
        wait_until(lambda: second.get("/readyz") == 200, 5, "that it is ready")
        holder = f"session {foreign.info.backend_pid} .*'somebody at a prompt'"
        assert len(re.findall(f"action=outbox_locked .*{holder}", second.words())) == 1
        foreign.rollback()
    assert judge.settled(load.sent) == Outcome(
        records=53, duplicates=0, redeliveries=0, repeats=again
    )


def test_a_worker_with_a_name_has_its_partitions_back_as_soon_as_it_is_back(
    start: Start, load: Load, judge: Judge
) -> None:
    """Nobody waits for the session to end, and nobody else is told of anything."""
    session = {"session_timeout_ms": 30_000, "max_poll_interval_ms": 30_000}
    staying = start({**session, "group_instance_id": "a"})
    killed = start({**session, "group_instance_id": "b"})

    def share(worker: WorkerProcess) -> bool:
        return worker.partitions(load.topic) in {1, 2}

    wait_until(lambda: share(staying) and share(killed), 30, "a share for each")
    told, since = _balances(staying), time.monotonic()

    def is_quiet() -> bool:
        """A balance ends with a heartbeat, and they are 3 s apart."""
        nonlocal told, since
        if told != (told := _balances(staying)):
            since = time.monotonic()
        return time.monotonic() - since > 4

    wait_until(is_quiet, 30, "the end of the balance")
    killed.kill()
    load.fire(60)
    back = start({**session, "group_instance_id": "b"}, wait=False)
    assert judge.settled(load.sent, 30.0).records == 60
    assert share(back)
    assert _balances(staying) == told


def _balances(worker: WorkerProcess) -> int:
    said = worker.words()
    return said.count("action=assigned") + said.count("action=revoked")


def test_a_second_process_with_a_name_ends_the_first(
    settings: Settings, broker: Broker, topics: Topics, topic_prefix: str
) -> None:
    named = settings.model_copy(update={"group_instance_id": "worker-1"})
    first, second = (
        TopicConsumer(kafka_settings(broker, topic_prefix), named, topics.triggers)
        for _ in range(2)
    )
    first.join(lambda _: None, lambda _: None)
    try:
        wait_until(lambda: first.fetch(1, 1, 0.1) or first.assigned, 20, "an assignment")
        second.join(lambda _: None, lambda _: None)
        with pytest.raises(
            FatalError, match=r"has the name worker-1 in the group .*GROUP_INSTANCE_ID of its own"
        ):
            wait_until(lambda: second.fetch(1, 1, 0.1) or first.fetch(1, 1, 0.1), 20, "its end")
    finally:
        first.close()
        second.close()
