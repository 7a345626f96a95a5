"""`FailureReader`: at least once, from the earliest, and nothing goes by in silence."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka.errors import KafkaTimeoutError

from job_trigger_schemas import TriggerFailure
from job_trigger_schemas.errors import BrokersAway, TopicMissing
from job_trigger_schemas.failure_reader import FailureReader
from job_trigger_schemas.known_events import KnownEventsFile
from job_trigger_schemas.reader_problems import Outage, PositionLost, Problem, Unreadable
from job_trigger_worker.domain.topics import Topics
from tests.support import failures
from tests.support.kafka import KafkaNode
from tests.support.topics import Broker, produce_raw, quiet_client
from tests.support.waiting import wait_until

READ_S = 30.0
Open = Callable[..., FailureReader]
on_kafka = pytest.mark.parametrize("broker", ["kafka"], indirect=True)


@pytest.fixture
def opened(broker: Broker, topics: Topics) -> Iterator[Open]:
    """Makes readers of one group, which are closed at the end."""
    with ExitStack() as stack:

        def make(**more: Any) -> FailureReader:
            given: dict[str, Any] = {
                "group": f"{topics.failures}-alerting",
                "max_handling_s": 3.0,
            } | more
            return stack.enter_context(
                FailureReader(broker.address, topic=topics.failures, **given)
            )

        yield make


class Heard:
    """A handler that remembers the jobs, and raises at one of them."""

    def __init__(self, raises_at: int = 0) -> None:
        self.jobs: list[int] = []
        self.raises_at = raises_at

    def __call__(self, failure: TriggerFailure) -> None:
        if failure.job_id == self.raises_at:
            raise RuntimeError("the pager is off")
        self.jobs.append(failure.job_id)


def read_until(
    reader: FailureReader, heard: Heard, is_done: Callable[[], object], what: str
) -> None:
    """Have the reader read until something is true."""

    def look() -> object:
        reader.read(heard, wait_s=0.2)
        return is_done()

    wait_until(look, READ_S, what, every_s=0)


@on_kafka
def test_it_begins_at_the_earliest_and_goes_on_where_it_stopped(
    broker: Broker, topics: Topics, opened: Open
) -> None:
    failures.send(broker, topics.failures, range(1, 6))
    heard = Heard()
    with opened() as first:
        read_until(first, heard, lambda: len(heard.jobs) == 5, "five failures")
    assert heard.jobs == [1, 2, 3, 4, 5]
    failures.send(broker, topics.failures, [6])
    heard = Heard()
    read_until(opened(), heard, lambda: heard.jobs, "the one that is new")
    assert heard.jobs == [6]


@on_kafka
def test_what_a_handler_raises_comes_out_and_its_failure_comes_again(
    broker: Broker, topics: Topics, opened: Open
) -> None:
    failures.send(broker, topics.failures, range(1, 6))
    heard = Heard(raises_at=3)
    with opened() as reader:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="the pager is off"):
                read_until(reader, heard, lambda: False, "that it raises")
        assert heard.jobs == [1, 2]

    async def never_runs(failure: TriggerFailure) -> None:
        heard(failure)

    with opened() as reader, pytest.raises(TypeError, match="give a plain function"):
        wait_until(lambda: reader.read(never_runs), READ_S, "that it is refused", every_s=0)
    heard.raises_at = 0
    with opened() as reader:
        read_until(reader, heard, lambda: 5 in heard.jobs, "the rest")
    assert heard.jobs == [1, 2, 3, 4, 5]


@on_kafka
def test_a_known_event_is_not_handled_again_also_by_the_next_process(
    broker: Broker, topics: Topics, opened: Open, tmp_path: Path
) -> None:
    known = tmp_path / "alerting.db"
    heard = Heard()
    failures.send(broker, topics.failures, [1, 2, 1])
    with KnownEventsFile(known) as file, opened(known=file) as reader:
        read_until(reader, heard, lambda: 2 in heard.jobs, "both")
    failures.send(broker, topics.failures, [2, 3])
    with KnownEventsFile(known) as file, opened(known=file) as reader:
        read_until(reader, heard, lambda: 3 in heard.jobs, "the new one")
    assert heard.jobs == [1, 2, 3]


@on_kafka
def test_a_message_that_is_not_a_failure_is_told_and_passed(
    broker: Broker, topics: Topics, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    bad = json.dumps(json.loads(failures.failure(2)) | {"job_id": "x"})
    produce_raw(
        broker,
        topics.failures,
        [(None, failures.failure(1), None), (None, bad, None), (None, failures.failure(3), None)],
        partition=1,
    )
    told: list[Problem] = []
    heard = Heard()
    reader = opened(on_problem=told.append)
    read_until(reader, heard, lambda: 3 in heard.jobs, "the one behind it")
    assert heard.jobs == [1, 3]
    reason = "job_id: an id is a string of 1 to 19 digits, without sign, point or space (got 'x')"
    assert told == [Unreadable(topics.failures, 1, 1, reason, bad.encode())]
    assert f"Offset 1 of {topics.failures}/1 is not a failure: {reason}." in caplog.text


@on_kafka
def test_what_was_deleted_unread_is_told_and_the_rest_is_read(
    broker: Broker, topics: Topics, opened: Open
) -> None:
    failures.send(broker, topics.failures, [1])
    heard = Heard()
    with opened() as first:
        read_until(first, heard, lambda: heard.jobs, "the first")
    failures.send(broker, topics.failures, range(2, 6))
    admin = AdminClient(quiet_client(broker.address))
    for done in admin.delete_records([TopicPartition(topics.failures, 0, 4)]).values():
        done.result(10)
    told: list[Problem] = []
    reader = opened(on_problem=told.append)
    read_until(reader, heard, lambda: 5 in heard.jobs, "what is left")
    assert heard.jobs == [1, 5]
    assert told == [PositionLost(topics.failures, 0, position=1, begins_at=4)]
    assert str(told[0]) == f"Failures at 1 to 3 of {topics.failures}/0 were deleted unread."


def make_again(broker: Broker, topic: str) -> None:
    """Delete a topic, and make it again as soon as that is possible."""
    admin = AdminClient(quiet_client(broker.address))
    for done in admin.delete_topics([topic]).values():
        done.result(10)

    def is_made() -> bool:
        try:
            for done in admin.create_topics([NewTopic(topic, 3, 1)]).values():
                done.result(10)
        except KafkaException:  # the old one is still being deleted
            return False
        return True

    wait_until(is_made, READ_S, f"that {topic} is made again")


@on_kafka
def test_a_topic_that_is_made_again_under_a_reader_is_told_and_read_from_its_beginning(
    broker: Broker, topics: Topics, opened: Open
) -> None:
    failures.send(broker, topics.failures, range(1, 8))
    told: list[Problem] = []
    heard = Heard()
    reader = opened(on_problem=told.append)
    read_until(reader, heard, lambda: len(heard.jobs) == 7, "seven failures")
    make_again(broker, topics.failures)
    failures.send(broker, topics.failures, range(201, 215))
    read_until(reader, heard, lambda: len(heard.jobs) == 21 and told, "the new ones")
    assert sorted(heard.jobs[7:]) == list(range(201, 215))
    (lost,) = told
    assert isinstance(lost, PositionLost)
    assert (lost.topic, lost.partition, lost.begins_at) == (topics.failures, 0, 0)
    failures.send(broker, topics.failures, [215])
    read_until(reader, heard, lambda: 215 in heard.jobs, "one more")
    assert told == [lost]


@on_kafka
def test_a_topic_that_was_made_again_and_is_shorter_is_told_once(
    broker: Broker, topics: Topics, opened: Open
) -> None:
    for partition in (0, 1):
        failures.send(
            broker, topics.failures, range(1, 8) if partition else [8, 9], partition=partition
        )
    told: list[Problem] = []
    heard = Heard()
    reader = opened(on_problem=told.append)
    read_until(reader, heard, lambda: len(heard.jobs) == 9, "nine failures")
    make_again(broker, topics.failures)
    failures.send(broker, topics.failures, range(201, 204), partition=1)
    failures.send(broker, topics.failures, range(301, 305), partition=0)
    read_until(reader, heard, lambda: len(heard.jobs) == 16, "the new ones")
    read_until(reader, heard, lambda: len(told) == 2, "that it is told")
    reader.read(heard, wait_s=1.0)
    assert sorted(heard.jobs[9:]) == [201, 202, 203, 301, 302, 303, 304]
    assert sorted(each.partition for each in told if isinstance(each, PositionLost)) == [0, 1]
    assert len(told) == 2


@on_kafka
def test_a_position_that_an_older_topic_left_behind_is_seen_by_the_next_reader(
    broker: Broker, topics: Topics, opened: Open
) -> None:
    """A reader that committed after the topic was made again, and died before it saw that."""
    failures.send(broker, topics.failures, range(1, 8))
    told: list[Problem] = []
    heard = Heard()
    with opened() as first:
        read_until(first, heard, lambda: len(heard.jobs) == 7, "seven failures")
        group = f"{topics.failures}-alerting"
        admin = AdminClient(quiet_client(broker.address))
        asked = [ConsumerGroupTopicPartitions(group, [TopicPartition(topics.failures, 0)])]
        left = admin.list_consumer_group_offsets(asked)[group].result(10)
    make_again(broker, topics.failures)
    failures.send(broker, topics.failures, range(201, 215))
    admin.alter_consumer_group_offsets([left])[group].result(10)
    reader = opened(on_problem=told.append)
    read_until(reader, heard, lambda: len(heard.jobs) == 21, "the new ones")
    assert heard.jobs[7:] == list(range(201, 215))
    assert told == [PositionLost(topics.failures, 0, position=7, begins_at=0)]


@on_kafka
def test_what_an_outage_kept_from_being_committed_does_not_move_the_next_reader_back(
    broker: Broker, topics: Topics, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for partition in range(3):
        failures.send(broker, topics.failures, [1 + partition], partition=partition)
    first, heard = opened(), Heard()

    def is_away(*_: object, **__: object) -> None:
        raise KafkaTimeoutError

    with monkeypatch.context() as outage:
        outage.setattr(first._consumer, "commit", is_away)
        read_until(first, heard, lambda: len(heard.jobs) == 3, "all three")
        second, heard_by_second = opened(), Heard()
        ends = threading.Event()

        def read_second() -> None:
            while not ends.is_set():
                second.read(heard_by_second, wait_s=0.2)

        thread = threading.Thread(target=read_second)
        thread.start()
        try:
            read_until(
                first,
                heard,
                lambda: {len(each._consumer.assignment()) for each in (first, second)} == {1, 2},
                "that they share",
            )
            (its, *_) = second._consumer.assignment()
            failures.send(broker, topics.failures, range(101, 106), partition=its.partition)
            read_until(first, heard, lambda: 105 in heard_by_second.jobs, "the second one's")
        finally:
            ends.set()
            thread.join(READ_S)
    (ours, *_) = first._consumer.assignment()
    failures.send(broker, topics.failures, [200], partition=ours.partition)
    read_until(first, heard, lambda: 200 in heard.jobs, "one more of the first one's")
    assert first._consumer.committed(its) == 6
    second.close()


@on_kafka
def test_two_readers_of_a_group_share_and_the_one_that_is_left_has_everything(
    broker: Broker, topics: Topics, opened: Open
) -> None:
    heard = Heard()  # lists may be shared by threads
    readers = [opened(), opened()]
    threads = [threading.Thread(target=each.run, args=(heard,)) for each in readers]
    for thread in threads:
        thread.start()
    try:
        for partition in range(3):
            failures.send(broker, topics.failures, range(1 + partition, 31, 3), partition=partition)
        wait_until(lambda: set(heard.jobs) == set(range(1, 31)), READ_S, "all 30")
        readers[0].stop()
        threads[0].join(READ_S)
        readers[0].close()
        failures.send(broker, topics.failures, range(31, 41))
        wait_until(lambda: set(heard.jobs) == set(range(1, 41)), READ_S, "all 40")
    finally:
        for each in readers:
            each.stop()
        for thread in threads:
            thread.join(READ_S)
    assert sorted(heard.jobs) == list(range(1, 41))


@pytest.mark.parametrize("broker", ["node"], indirect=True)
def test_an_outage_is_told_once_and_waited_for(
    kafka_node: KafkaNode, broker: Broker, topics: Topics, opened: Open
) -> None:
    failures.send(broker, topics.failures, [1])
    told: list[Problem] = []
    heard = Heard()

    def dies_with_its_broker(failure: TriggerFailure) -> None:
        heard(failure)
        if failure.job_id == 1:
            kafka_node.kill()

    reader = opened(on_problem=told.append, timeout_s=1.0)

    def look() -> bool:
        reader.read(dies_with_its_broker, wait_s=0.2)
        return bool(told)

    wait_until(look, READ_S, "that it is told", every_s=0)
    reader.read(heard, wait_s=1.5)
    assert [type(each) for each in told] == [Outage]
    assert broker.address in str(told[0])
    kafka_node.start()
    failures.send(broker, topics.failures, [2])
    read_until(reader, heard, lambda: 2 in heard.jobs, "what came afterwards")
    assert heard.jobs == [1, 2]


@on_kafka
def test_a_topic_that_does_not_exist_is_said_at_the_start(
    broker: Broker, topic_prefix: str
) -> None:
    name = f"{topic_prefix}.nowhere"
    with pytest.raises(TopicMissing, match=f"The topic {name} does not exist at {broker.address}"):
        FailureReader(broker.address, group="alerting", topic=name)


def test_brokers_that_are_away_are_said_within_the_deadline(unused_address: str) -> None:
    began = time.monotonic()
    with pytest.raises(BrokersAway, match=f"No answer from the brokers at {unused_address}"):
        FailureReader(unused_address, group="alerting", timeout_s=1)
    assert time.monotonic() - began < 5
