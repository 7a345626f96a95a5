"""Brokers that answer late: what librdkafka then gets wrong, and the worker may not."""

import secrets
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from kafka.partitioner.default import murmur2

from tests.support import services
from tests.support.cluster import NODES, KafkaCluster, running_cluster
from tests.support.topics import quiet_client, read_whole
from tests.support.waiting import wait_until
from worker.config import Settings
from worker.domain.delivery import Event
from worker.domain.topics import Topics
from worker.errors import Transient
from worker.kafka.admin import TopicAdmin
from worker.kafka.consumer import TopicConsumer
from worker.kafka.producer import EventProducer
from worker.kafka.settings import KafkaSettings

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
        kafka_brokers=cluster.linked_address, topic_prefix=topic_prefix, group=topic_prefix
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

    def poll() -> None:
        for delivery in consumer.fetch(1000, 1_000_000, 0.01):
            read[delivery.partition].append(delivery.offset)

    try:
        consumer.fetch(1, 1, 0.1)
        for link in cluster.links.values():
            link.delay_s = DELAY_EACH_WAY_S
        wait_until(lambda: poll() or len(consumer.assigned) == PARTITIONS, 30, "an assignment")
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
