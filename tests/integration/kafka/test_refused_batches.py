"""A broker refuses a record batch for one event in it; the others keep their order all the same."""

import os
import time
from collections.abc import Iterable, Iterator

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.producer import EventProducer
from tests.conftest import kafka_settings
from tests.support.topics import Broker, quiet_client, read_whole

pytestmark = [
    pytest.mark.parametrize("broker", ["kafka"], indirect=True),
    pytest.mark.parametrize("topics", [1], indirect=True),
]
MOST = 40_000
LARGE = os.urandom(60_000)
APART_S = 0.3
"""Far longer than events wait for others: what comes then goes in another record batch."""


class Apart(list[Event]):
    """A set whose events are handed over with a pause before some of them."""

    def __init__(self, events: Iterable[Event], before: Iterable[int]) -> None:
        super().__init__(events)
        self._before = set(before)

    def __iter__(self) -> Iterator[Event]:
        for place, event in enumerate(super().__iter__()):
            if place in self._before:
                time.sleep(APART_S)
            yield event


@pytest.fixture
def producer(broker: Broker, topics: Topics, topic_prefix: str) -> Iterator[EventProducer]:
    """One that has sent an event, on a topic that takes no large ones by now."""
    made = EventProducer(kafka_settings(broker, topic_prefix))
    made.send(_events(topics, b"0"))
    assert made.wait() == []
    _limit(broker, topics, MOST)
    yield made
    made.close()


def _limit(broker: Broker, topics: Topics, most: int) -> None:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topics.failures)
    resource.add_incremental_config(
        ConfigEntry("max.message.bytes", str(most), incremental_operation=AlterConfigOpType.SET)
    )
    admin = AdminClient(quiet_client(broker.address))
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()


def _events(topics: Topics, *values: bytes) -> list[Event]:
    return [Event(topics.failures, b"17", [], value) for value in values]


def _first_appearances(broker: Broker, topics: Topics) -> list[bytes | None]:
    return list(dict.fromkeys(each.value for each in read_whole(broker, topics.failures)))


def _published(producer: EventProducer, events: list[Event]) -> list[Event]:
    """Send a set as the outbox does: again, where it is not known what became of it."""
    for _ in range(3):
        try:
            producer.send(events)
            return producer.wait()
        except Transient:
            continue
    raise AssertionError("three times in doubt")


def test_what_was_refused_beside_a_large_event_comes_before_what_follows_it(
    broker: Broker, topics: Topics, producer: EventProducer
) -> None:
    events = _events(topics, b"1", LARGE, b"2", b"3", b"4")
    (refused,) = _published(producer, Apart(events, before=[3]))
    assert refused.value == LARGE
    assert _first_appearances(broker, topics) == [b"0", b"1", b"2", b"3", b"4"]


def test_small_events_that_are_too_large_together_keep_their_order(
    broker: Broker, topics: Topics, producer: EventProducer
) -> None:
    filling = [b"%d" % number + os.urandom(9_000) for number in range(8)]
    assert _published(producer, Apart(_events(topics, *filling, b"last"), before=[8])) == []
    assert _first_appearances(broker, topics) == [b"0", *filling, b"last"]


def test_nothing_is_taken_that_is_under_way_behind_what_is_refused(
    broker: Broker, topics: Topics, producer: EventProducer
) -> None:
    """A record batch of several is a million bytes large at most, so here two leave together."""
    _limit(broker, topics, 600_000)
    large, medium = os.urandom(700_000), os.urandom(295_000)
    following = [b"%d" % number + os.urandom(10_000) for number in range(4)]
    events = _events(topics, b"1", large, medium, *following)
    (refused,) = _published(producer, events)
    assert refused.value == large
    assert _first_appearances(broker, topics) == [b"0", b"1", medium, *following]


def test_from_then_on_a_large_event_is_refused_alone_and_nothing_is_sent_twice(
    broker: Broker, topics: Topics, producer: EventProducer
) -> None:
    _published(producer, _events(topics, b"1", LARGE))
    before = len(read_whole(broker, topics.failures))
    for first in (10, 20):
        small = [b"%d" % number for number in range(first, first + 4)]
        events = _events(topics, small[0], LARGE, *small[1:])
        producer.send(Apart(events, before=[3]))
        (refused,) = producer.wait()
        assert refused.value == LARGE
    values = [each.value for each in read_whole(broker, topics.failures)][before:]
    assert values == [b"10", b"11", b"12", b"13", b"20", b"21", b"22", b"23"]
