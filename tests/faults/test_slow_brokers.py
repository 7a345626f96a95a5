"""Brokers that answer late: what librdkafka then gets wrong, and the worker may not."""

import secrets
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from kafka.partitioner.default import murmur2

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.admin import TopicAdmin
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.producer import EventProducer, Interrupted
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_ids import TopicIds
from tests.support import services
from tests.support.cluster import NODES, KafkaCluster, running_cluster
from tests.support.topics import quiet_client, read_whole
from tests.support.waiting import wait_until

PARTITIONS = 12
BEFORE, BEHIND = 5, 5
DELAY_EACH_WAY_S = 0.15
APART_S = 0.06
"""Over the time that librdkafka takes to look something up twice, with half a second between."""
READ_S = 3.0
ANSWER_S = 15.0
SPREAD_S = 1.0
"""After which each broker has heard of a setting: none can be asked whether it has."""
HALF = 600_000
"""Bytes of an event; two do not fit into a request."""
REFUSED_S = 1.0
"""After which the broker has refused what has arrived: its answer waits on the silent way."""
KEY = b"17"
DEADLINE_S = 1.0
"""Of a question to brokers of which one does not answer."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    """Brokers of its own, reached by ways that can be slow."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def topics(cluster: KafkaCluster, topic_prefix: str) -> Topics:
    names = Topics.under(topic_prefix)
    with TopicAdmin(KafkaSettings.of(Settings(kafka_brokers=cluster.address))) as admin:
        admin.create(names, partitions=PARTITIONS)
    return names


@pytest.fixture
def settings(cluster: KafkaCluster, topic_prefix: str) -> Settings:
    return Settings(
        kafka_brokers=cluster.linked_address, topic_prefix=topic_prefix, consumer_group=topic_prefix
    )


def test_a_partition_is_read_from_where_it_was_sought_whenever_that_was(
    cluster: KafkaCluster, topics: Topics, settings: Settings
) -> None:
    producer = Producer({**quiet_client(cluster.address), "enable.idempotence": True})
    for partition in range(PARTITIONS):
        for _ in range(BEFORE + BEHIND):
            producer.produce(topics.triggers, b"{}", partition=partition)
    assert producer.flush(30) == 0
    consumer = TopicConsumer(
        KafkaSettings.of(settings),
        settings,
        topics.triggers,
    )
    consumer.join(lambda _: None, lambda _: None)
    read: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}

    def poll() -> int:
        """How many partitions are assigned, after another fetch."""
        for delivery in consumer.fetch(1000, 1_000_000, 0.01):
            read[delivery.partition].append(delivery.offset)
        return len(consumer.assigned)

    try:
        consumer.fetch(1, 1, 0.1)
        for link in cluster.links.values():
            link.delay_s = DELAY_EACH_WAY_S

        wait_until(lambda: poll() == PARTITIONS, 30, "an assignment")
        for partition in range(PARTITIONS):
            consumer.flow.seek({partition: BEFORE})
            consumer.flow.resume([partition])
            wait = time.monotonic() + APART_S
            while time.monotonic() < wait:
                poll()
        end = time.monotonic() + READ_S
        while time.monotonic() < end:
            poll()
    finally:
        for link in cluster.links.values():
            link.heal()
        consumer.close()
    assert read == {
        partition: list(range(BEFORE, BEFORE + BEHIND)) for partition in range(PARTITIONS)
    }


def test_an_event_that_was_refused_is_not_taken_as_published_because_the_next_one_was(
    cluster: KafkaCluster, topics: Topics, settings: Settings
) -> None:
    """A broker refuses a request for want of replicas, and takes the next, which was under way.

    It knows nothing of the producer yet, so it cannot know that one is missing.
    """
    leader = cluster.leader(topics.failures, _partition())
    (way,) = (cluster.links[number] for number, node in cluster.nodes.items() if node is leader)
    next(node for node in cluster.nodes.values() if node is not leader).kill()
    first, second = (
        Event(topics.failures, KEY, [], b"%d" % number + secrets.token_bytes(HALF))
        for number in (1, 2)
    )
    producer = EventProducer(KafkaSettings.of(settings))
    try:
        _wait_for_replicas(cluster, topics.failures, NODES - 1)
        _want_in_sync(cluster, topics.failures, NODES)
        way.silent_after = HALF + HALF // 2

        def have_the_second_taken() -> None:
            """Once the first has arrived, and half of the second, with the way silent."""
            if way.is_silent:
                time.sleep(REFUSED_S)
                _want_in_sync(cluster, topics.failures, NODES - 1)
                way.heal()

        producer.send([first, second])
        with pytest.raises(Transient, match=r"^No broker says where it has 1 of the events\.$"):
            producer.wait(have_the_second_taken)
        assert _log(cluster, topics.failures) == [second.value]
        producer.send([first, second])
        assert producer.wait() == []
        assert _log(cluster, topics.failures) == [second.value, first.value, second.value]
    finally:
        producer.close()
        cluster.restore()


def test_of_a_log_whose_leader_does_not_answer_nobody_says_where_it_begins_and_ends(
    cluster: KafkaCluster, topics: Topics, settings: Settings
) -> None:
    """librdkafka (2.16) answers -1001 for both, and no error: a position that nobody has told."""
    frozen = cluster.leader(topics.triggers, 0)
    with TopicIds(KafkaSettings.of(settings), DEADLINE_S) as topic_ids:
        everything = _told_of_all(topic_ids, topics.triggers)
        led = [each for each in everything if cluster.leader(topics.triggers, each) is frozen]
        frozen.freeze()
        try:
            bounds, reasons = topic_ids.bounds(topics.triggers, range(PARTITIONS))
        finally:
            frozen.wake()
    assert led
    assert bounds == {each: (0, 0) for each in everything if each not in led}
    assert reasons == {
        each: f"The bounds of partition {each} of {topics.triggers} cannot be read: no answer."
        for each in led
    }


def test_where_a_log_begins_and_ends_is_told_again_soon_after_another_broker_leads_it(
    cluster: KafkaCluster, topics: Topics, settings: Settings
) -> None:
    """librdkafka (2.16) goes on asking under the epoch of a leader that is gone."""
    with TopicIds(KafkaSettings.of(settings), DEADLINE_S) as topic_ids:
        _told_of_all(topic_ids, topics.triggers)
        cluster.leader(topics.triggers, 0).kill()
        try:
            _told_of_all(topic_ids, topics.triggers)
        finally:
            cluster.restore()


def test_events_that_are_given_up_on_their_way_are_no_error(
    cluster: KafkaCluster, topics: Topics, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """So it is whenever partitions are lost: the outbox has them, and nobody is to be called."""
    producer = EventProducer(KafkaSettings.of(settings))
    event = Event(topics.failures, KEY, [], b"{}")
    leader = cluster.leader(topics.failures, _partition())

    def give_up() -> None:
        raise Interrupted("the assignment changed")

    try:
        producer.send([event])
        assert producer.wait() == []
        leader.freeze()
        producer.send([event])
        with pytest.raises(Interrupted):
            producer.wait(give_up)
        leader.wake()
        producer.send([event])
        assert producer.wait() == []
    finally:
        leader.wake()
        producer.close()
    assert [
        each.message for each in caplog.records if each.name.startswith("job_trigger_worker")
    ] == []


def _told_of_all(topic_ids: TopicIds, topic: str) -> dict[int, tuple[int, int]]:
    """The bounds of all partitions, which are empty, once they are told."""
    everything = dict.fromkeys(range(PARTITIONS), (0, 0))
    wait_until(
        lambda: topic_ids.bounds(topic, range(PARTITIONS)) == (everything, {}),
        ANSWER_S,
        "the bounds of all partitions",
    )
    return everything


def _partition() -> int:
    return int(murmur2(KEY) & 0x7FFFFFFF) % PARTITIONS


def _wait_for_replicas(cluster: KafkaCluster, topic: str, count: int) -> None:
    admin = AdminClient(quiet_client(cluster.address))

    def in_sync() -> int:
        found = admin.list_topics(topic, ANSWER_S).topics[topic].partitions[_partition()]
        return len(found.isrs)

    wait_until(lambda: in_sync() == count, 30, f"{count} replicas in sync")


def _want_in_sync(cluster: KafkaCluster, topic: str, count: int) -> None:
    cluster.set_topic(topic, "min.insync.replicas", str(count))
    time.sleep(SPREAD_S)


def _log(cluster: KafkaCluster, topic: str) -> list[bytes | None]:
    broker = services.Address("kafka", cluster.address)
    return [each.value for each in read_whole(broker, topic)]
