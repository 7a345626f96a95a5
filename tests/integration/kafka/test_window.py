"""A frozen part of a topic is read exactly, whatever happens to the topic meanwhile."""

from collections.abc import Callable

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaProducer

from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.offset_range import OffsetRange, OffsetRangeReader
from tests.conftest import kafka_settings
from tests.support.topics import Broker, produce_raw

ON_KAFKA = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
ONE = pytest.mark.parametrize("topics", [1], indirect=True)

Read = Callable[[list[OffsetRange]], list[int]]


@pytest.fixture
def read(broker: Broker, topics: Topics, topic_prefix: str) -> Read:
    """Reads windows of the failure topic; the offsets."""

    def offsets(windows: list[OffsetRange]) -> list[int]:
        with OffsetRangeReader(kafka_settings(broker, topic_prefix), "reader") as reader:
            return [
                message.offset
                for batch in reader.read(topics.failures, windows)
                for message in batch
            ]

    return offsets


def _fill(broker: Broker, topics: Topics, count: int) -> None:
    produce_raw(broker, topics.failures, [("k", str(n), None) for n in range(count)])


@ONE
def test_a_window_ends_where_it_was_frozen_and_can_be_read_again(
    broker: Broker, topics: Topics, read: Read
) -> None:
    _fill(broker, topics, 20)

    for _ in range(2):
        assert read([OffsetRange(0, 5, 9)]) == [5, 6, 7, 8, 9]
    assert read([OffsetRange(0, 7, 6)]) == []


@ONE
def test_everything_that_a_topic_holds_is_read(
    broker: Broker, topics: Topics, topic_prefix: str
) -> None:
    """The embedded broker lists the end of a log too low where messages came in batches."""
    for _ in range(3):
        _fill(broker, topics, 50)
    with OffsetRangeReader(kafka_settings(broker, topic_prefix), "reader") as reader:
        windows = reader.windows(topics.failures, 1)
        found = [m.offset for batch in reader.read(topics.failures, windows) for m in batch]

    assert found == list(range(150))


@ONE
def test_a_log_that_ends_too_early_is_told(broker: Broker, topics: Topics, read: Read) -> None:
    _fill(broker, topics, 3)
    window = OffsetRange(0, 0, 10)

    assert read([window]) == [0, 1, 2]
    assert (window.is_cut, window.position) == (True, 3)


@ON_KAFKA
@ONE
def test_what_was_deleted_meanwhile_is_left_out_and_said(
    broker: Broker, topics: Topics, read: Read
) -> None:
    _fill(broker, topics, 10)
    window = OffsetRange(0, 0, 9)
    admin = AdminClient({"bootstrap.servers": broker.address})
    (answer,) = admin.delete_records([TopicPartition(topics.failures, 0, 6)]).values()
    assert answer.result(timeout=20).low_watermark == 6

    assert read([window]) == [6, 7, 8, 9]
    assert (window.first, window.is_trimmed, window.is_cut) == (6, True, False)


@ON_KAFKA
@ONE
def test_a_header_whose_name_is_no_utf8_stops_nobody(
    broker: Broker, topics: Topics, read: Read
) -> None:
    class Name(str):
        __slots__ = ()

        def encode(self, *_: object) -> bytes:
            return b"\xff\xfe"

    producer = KafkaProducer(bootstrap_servers=broker.address)
    for _ in range(30):
        producer.send(topics.failures, b"x", headers=[(Name("n"), b"1")]).get(timeout=10)
    producer.close()
    _fill(broker, topics, 30)

    assert read([OffsetRange(0, 0, 59)]) == list(range(60))
