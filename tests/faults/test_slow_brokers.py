"""Brokers that answer late: a partition is read once, from where the worker went on."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from tests.support import services
from tests.support.kafka import Seat, new_cluster_id
from tests.support.link import Link, linked
from tests.support.topics import quiet_client
from tests.support.waiting import wait_until
from worker.config import Settings
from worker.domain.topics import Topics
from worker.embedded.child import free_port
from worker.kafka.admin import TopicAdmin
from worker.kafka.consumer import TopicConsumer
from worker.kafka.settings import KafkaSettings

PARTITIONS = 12
BEFORE, BEHIND = 5, 5
DELAY_EACH_WAY_S = 0.15
APART_S = 0.06
"""Over the time that librdkafka takes to look something up twice, with half a second between."""
READ_S = 3.0


@pytest.fixture
def way() -> Iterator[tuple[Link, Settings]]:
    """A way to a broker of its own, and settings that take it."""
    with linked(("127.0.0.1", 0)) as link:
        seat = Seat(1, new_cluster_id(), (free_port(),), link.port)
        with services.running_node(seat=seat) as node:
            link.upstream = ("127.0.0.1", node.link_port)
            settings = Settings(
                database_url=SecretStr("postgresql+psycopg2://none"),
                kafka_brokers=f"127.0.0.1:{link.port}",
                topic_prefix="slow",
                group="slow-worker",
            )
            direct = settings.model_copy(update={"kafka_brokers": node.address})
            with TopicAdmin(KafkaSettings.of(direct)) as admin:
                admin.create(Topics.under("slow"), partitions=PARTITIONS)
            producer = Producer(quiet_client(node.address))
            for partition in range(PARTITIONS):
                for _ in range(BEFORE + BEHIND):
                    producer.produce(Topics.under("slow").triggers, b"{}", partition=partition)
            assert producer.flush(30) == 0
            yield link, settings


def test_a_partition_is_read_from_where_it_was_sought_whenever_that_was(
    way: tuple[Link, Settings],
) -> None:
    link, settings = way
    consumer = TopicConsumer(
        KafkaSettings.of(settings),
        settings,
        Topics.under("slow").triggers,
        on_revoked=lambda _: None,
        on_lost=lambda _: None,
    )
    read: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}

    def poll() -> None:
        for delivery in consumer.fetch(1000, 1_000_000, 0.01):
            read[delivery.partition].append(delivery.offset)

    try:
        consumer.fetch(1, 1, 0.1)
        link.delay_s = DELAY_EACH_WAY_S
        wait_until(lambda: poll() or len(consumer.assigned) == PARTITIONS, 30, "an assignment")
        for partition in range(PARTITIONS):
            consumer.seek(partition, BEFORE)
            consumer.resume([partition])
            wait = time.monotonic() + APART_S
            while time.monotonic() < wait:
                poll()
        end = time.monotonic() + READ_S
        while time.monotonic() < end:
            poll()
    finally:
        link.heal()
        consumer.close()
    assert read == {
        partition: list(range(BEFORE, BEFORE + BEHIND)) for partition in range(PARTITIONS)
    }
