"""Topics change under the worker: made again, with more partitions, with a part deleted."""

import functools
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.admin import TopicAdmin
from job_trigger_worker.storage.write.outbox import pack
from tests.conftest import kafka_settings
from tests.support import sql
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.topics import Broker, read_topic
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
Start = Callable[..., WorkerProcess]
UNSERIALIZABLE = """
    create function unserializable() returns trigger language plpgsql as $$ begin
        raise exception 'could not serialize access' using errcode = '40001';
    end $$;
    create trigger unserializable before insert on awp_job_execution
        for each statement execute function unserializable();
"""
LOST = "select lost::text from awp_trigger_ledger where topic = '{}'"


@pytest.fixture
def admin(broker: Broker, topic_prefix: str) -> Iterator[TopicAdmin]:
    with TopicAdmin(kafka_settings(broker, topic_prefix)) as opened:
        yield opened


def _make_again(admin: TopicAdmin, topics: Topics, load: Load) -> None:
    admin.delete((topics.triggers,))
    admin.create(topics, partitions=3)
    load.recreated()


def _delete_before(broker: Broker, topic: str, offset: int) -> None:
    client = AdminClient({"bootstrap.servers": broker.address})
    (done,) = client.delete_records([TopicPartition(topic, 0, offset)]).values()
    assert done.result(timeout=10).low_watermark == offset


def _ledger(database: str, topic: str) -> list[tuple[int, int]]:
    """Ids of the topic that have rows, and how many records they count."""
    return sql.rows(
        database,
        f"select count(*), sum(records) from awp_trigger_ledger where topic = '{topic}' "
        "group by topic_id order by min(id)",
    )


def test_a_topic_made_again_under_a_running_worker_is_another_one(
    start: Start, load: Load, judge: Judge, admin: TopicAdmin, topics: Topics
) -> None:
    worker = start()
    load.fire(60)
    judge.settled(load.sent)
    _make_again(admin, topics, load)
    wait_until(lambda: "action=topic_replaced" in worker.words(), 10, "a worker that has noticed")
    load.fire(90)
    judge.settled(load.sent)
    assert _ledger(judge.database, topics.triggers) == [(3, 60), (3, 90)]


def test_a_topic_made_again_while_no_worker_runs_is_another_one(
    start: Start, load: Load, judge: Judge, admin: TopicAdmin, topics: Topics
) -> None:
    first = start()
    load.fire(60)
    judge.settled(load.sent)
    assert first.stop() == 0
    _make_again(admin, topics, load)
    load.fire(90)
    start()
    assert judge.settled(load.sent).duplicates == 0
    assert _ledger(judge.database, topics.triggers) == [(3, 60), (3, 90)]


def test_a_topic_that_comes_back_compacted_after_a_while_is_refused(
    start: Start, load: Load, judge: Judge, broker: Broker, admin: TopicAdmin, topics: Topics
) -> None:
    worker = start()
    load.fire(3)
    judge.settled(load.sent)
    admin.delete((topics.triggers,))
    wait_until(lambda: "found=gone" in worker.words(), 20, "a worker that sees no topic")
    compacted = NewTopic(topics.triggers, 3, 1, config={"cleanup.policy": "compact"})
    client = AdminClient({"bootstrap.servers": broker.address})
    (made,) = client.create_topics([compacted]).values()
    made.result(timeout=10)

    assert wait_until(worker.child.exit_status, 30, "its end") == 1
    assert "cleanup.policy is compact: compaction deletes" in worker.words().splitlines()[-1]


def test_what_a_crashed_worker_left_of_the_topic_before_is_sent_by_one_that_runs(
    start: Start, load: Load, judge: Judge, topics: Topics
) -> None:
    start()
    load.fire(60)
    judge.settled(load.sent)
    # As after a crash of the one that still held a partition of it; nobody takes any meanwhile.
    event = Event(topics.failures, b"17", [], b"left behind")
    sql.execute(
        judge.database,
        f"""
        with gone as (
            insert into awp_trigger_ledger (topic, topic_id, "partition", owner, epoch, events)
            select topic, 'gone', 1, split_part(owner, '/', 1) || '/crashed', 3, 1
            from awp_trigger_ledger where topic = '{topics.triggers}' limit 1
            returning id
        )
        insert into awp_trigger_outbox (ledger_id, events, payload)
        select id, 1, '\\x{pack([event]).hex()}' from gone
        """,
    )
    left = "select owner, published from awp_trigger_ledger where topic_id = 'gone'"
    wait_until(lambda: sql.rows(judge.database, left) == [(None, 1)], 20, "the event's leaving")
    found = read_topic(judge.broker, topics.failures, 15 + 1, settle_s=0.2)
    assert [each.value for each in found].count(b"left behind") == 1
    assert sql.value(judge.database, "select count(*) from awp_trigger_outbox") == 0


def test_a_partition_added_under_a_running_worker_loses_nothing(
    start: Start, load: Load, judge: Judge, broker: Broker, topics: Topics
) -> None:
    worker = start()
    load.fire(60)
    client = AdminClient({"bootstrap.servers": broker.address})
    (done,) = client.create_partitions([NewPartitions(topics.triggers, 5)]).values()
    done.result(timeout=10)
    told = functools.partial(client.list_topics, topics.triggers, timeout=10)
    wait_until(lambda: len(told().topics[topics.triggers].partitions) == 5, 10, "five partitions")
    load.reconnect()
    load.fire(60, partition=4)  # before the worker knows of it
    wait_until(lambda: worker.partitions(topics.triggers) == 5, 20, "the new partitions")
    load.fire(60)
    outcome = judge.settled(load.sent)
    assert (outcome.records, outcome.duplicates, outcome.repeats) == (180, 0, 0)


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_what_the_log_deleted_under_a_worker_that_waits_is_recorded(
    start: Start, load: Load, judge: Judge, broker: Broker
) -> None:
    worker = start({"batch_triggers": 10})
    kept = load.fire(30)
    judge.settled(kept)
    sql.execute(judge.database, UNSERIALIZABLE)
    load.fire(20)
    wait_until(lambda: "(40001)" in worker.words(), 20, "a batch that cannot go on")
    _delete_before(broker, load.topic, 50)
    wait_until(lambda: "lost_range" in worker.words(), 20, "a partition that is taken again")
    sql.execute(judge.database, "drop trigger unserializable on awp_job_execution")
    kept += load.fire(10)
    assert judge.settled(kept).records == 40
    assert sql.value(judge.database, LOST.format(load.topic)) == "{[30,50)}"


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_what_the_log_deleted_unread_is_recorded_and_said(
    start: Start, load: Load, judge: Judge, broker: Broker
) -> None:
    first = start()
    kept = load.fire(30)
    judge.settled(kept)
    assert first.stop() == 0
    load.fire(20)
    kept += load.fire(10)
    _delete_before(broker, load.topic, 50)
    second = start()
    outcome = judge.settled(kept)
    assert (outcome.records, outcome.repeats) == (40, 0)
    assert sql.value(judge.database, LOST.format(load.topic)) == "{[30,50)}"
    assert "action=lost_range" in second.words()
    assert "first=30 last=49" in second.words()


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_what_is_written_after_the_brokers_lost_the_logs_end_is_read(
    start: Start, load: Load, judge: Judge
) -> None:
    first = start()
    load.fire(30)
    judge.settled(load.sent)
    assert first.stop() == 0
    # As after an unclean election: the log ends before what was read of it.
    position = f"update awp_trigger_ledger set last_offset = 99 where topic = '{load.topic}'"
    sql.execute(judge.database, position)
    second = start()
    wait_until(lambda: "action=log_cut" in second.words(), 20, "a position beyond the log")
    load.fire(30)
    outcome = judge.settled(load.sent)
    assert (outcome.records, outcome.duplicates, outcome.repeats) == (60, 0, 0)
    assert "first=30 last=99" in second.words()
