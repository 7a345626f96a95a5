"""A client of librdkafka that has failed for good: the producer is made anew, the reader stops."""

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.producer import EventProducer
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.conftest import kafka_settings
from tests.support.fatal import make_fatal
from tests.support.topics import Broker, read_topic

pytestmark = pytest.mark.parametrize("broker", ["embedded"], indirect=True)


@pytest.fixture
def producer(broker: Broker, topics: Topics, topic_prefix: str) -> Iterator[EventProducer]:
    made = EventProducer(kafka_settings(broker, topic_prefix))
    made.send(_events(topics, b"first"))
    assert made.wait() == []
    yield made
    made.close()


def _events(topics: Topics, *values: bytes) -> list[Event]:
    return [Event(topics.failures, b"17", [], value) for value in values]


def _values(broker: Broker, topics: Topics, count: int) -> list[bytes | None]:
    return [each.value for each in read_topic(broker, topics.failures, count)]


def test_a_producer_that_failed_while_idle_is_made_anew(
    broker: Broker, topics: Topics, producer: EventProducer
) -> None:
    make_fatal(producer._producer)

    with pytest.raises(
        Transient, match=r"^The producer must be created again: .*made by a test\.$"
    ):
        producer.send(_events(topics, b"second"))

    producer.send(_events(topics, b"second"))
    assert producer.wait() == []
    assert _values(broker, topics, 2) == [b"first", b"second"]


def test_a_producer_that_failed_with_events_under_way_is_made_anew(
    topics: Topics, producer: EventProducer
) -> None:
    producer.send(_events(topics, b"second"))
    make_fatal(producer._producer)

    with pytest.raises(
        Transient, match=r"^The producer must be created again: .*made by a test\.$"
    ):
        producer.wait()

    producer.send(_events(topics, b"third"))
    assert producer.wait() == []


def test_a_producer_that_failed_without_brokers_is_made_anew(
    unused_address: str, topic_prefix: str, topics: Topics
) -> None:
    kafka = KafkaSettings.of(Settings(kafka_brokers=unused_address, topic_prefix=topic_prefix))
    producer = EventProducer(kafka)
    producer.send(_events(topics, b"first", b"second", b"third"))
    make_fatal(producer._producer)

    with pytest.raises(
        Transient, match=r"^The producer must be created again: .*made by a test\.$"
    ):
        producer.wait()

    producer.send(_events(topics, b"first"))
    make_fatal(producer._producer)
    producer.close()


def test_a_producer_that_may_not_write_stops_the_worker(
    topics: Topics, producer: EventProducer
) -> None:
    make_fatal(producer._producer, KafkaError.CLUSTER_AUTHORIZATION_FAILED)

    with pytest.raises(
        FatalError, match=r"^The worker may not write: .*made by a test\. Grant its"
    ):
        producer.send(_events(topics, b"second"))


def test_a_producer_that_failed_can_be_closed(producer: EventProducer) -> None:
    make_fatal(producer._producer)
    producer.close()


def test_a_consumer_that_failed_stops_the_worker(
    settings: Settings, broker: Broker, topics: Topics, topic_prefix: str
) -> None:
    consumer = TopicConsumer(
        kafka_settings(broker, topic_prefix),
        settings,
        topics.triggers,
    )
    consumer.join(lambda _: None, lambda _: None)
    make_fatal(consumer._consumer)
    try:
        with pytest.raises(
            FatalError, match=r"^The brokers refuse the worker: .*made by a test\. "
        ):
            consumer.fetch(1, 1, 5.0)
    finally:
        consumer.close()
