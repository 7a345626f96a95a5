"""Headers that a producer chose to do harm: a dead letter with them leaves, and says the truth."""

import pytest

from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.producer import EventProducer
from tests.conftest import kafka_settings
from tests.support.rig import Rig, trigger
from tests.support.topics import Broker, Header, Received, produce_raw, read_topic
from tests.support.waiting import wait_until

HEADERS: dict[str, list[Header]] = {
    "ours, large": [("dead-letter-notes", b"x" * 1_040_000)],
    "ours, untrue": [
        ("dead-letter-reason", b"none at all"),
        ("dead-letter-topic", b"elsewhere"),
        ("dead-letter-offset", b"7"),
        ("truncated", b"1"),
    ],
    "many small ones": [("h" * 8, None)] * 100_000,  # the most that librdkafka reads
    "too many to be read": [("h" * 7, None)] * 110_000,
    "a long name": [("n" * 1_040_000, b"1")],
    "texts of all kinds": [("每日\u202e", "\ud83d\ude00".encode("utf-16", "surrogatepass"))],
}


@pytest.mark.parametrize("rig", ["kafka"], indirect=True)
@pytest.mark.parametrize("name", HEADERS)
def test_a_dead_letter_with_any_headers_leaves_and_the_next_trigger_has_its_record(
    rig: Rig, name: str
) -> None:
    with rig.platform() as platform:
        job_id = platform.action_job(id=45_000 + list(HEADERS).index(name))
    body = f"junk with headers: {name}".encode()

    ((partition, offset),) = produce_raw(
        rig.broker, rig.topics.triggers, [(None, body, HEADERS[name])], partition=0
    )
    rig.fire(trigger(job_id))

    assert rig.record(job_id)["trigger_status"] == 1
    letter = wait_until(lambda: _letter(rig, body), 20, f"the dead letter of {name}")
    ours = [(n, content) for n, content in letter.headers if n.startswith("dead-letter-")]
    assert ours == [
        ("dead-letter-reason", b"the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("dead-letter-topic", rig.topics.triggers.encode()),
        ("dead-letter-partition", str(partition).encode()),
        ("dead-letter-offset", str(offset).encode()),
    ]
    rig.settle()
    is_cut = letter.header("truncated") is not None
    assert is_cut == (name in {"many small ones", "a long name"})


def _letter(rig: Rig, body: bytes) -> Received | None:
    letters = rig.collector(rig.topics.dead_letters).look()
    return next((letter for letter in letters if letter.value == body), None)


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_what_is_too_large_for_the_client_is_refused_alone_and_its_neighbours_leave(
    broker: Broker, topics: Topics, topic_prefix: str
) -> None:
    """As from an outbox that an earlier version has filled."""
    first, large, last = (
        Event(topics.failures, b"7", [], b"first"),
        Event(topics.failures, b"7", [], b"x" * 1_200_000),
        Event(topics.failures, b"7", [], b"last"),
    )
    producer = EventProducer(kafka_settings(broker, topic_prefix))

    producer.send([first, large, last])
    assert producer.wait() == [large]
    producer.send([large])
    assert producer.wait() == [large]
    producer.close()

    arrived = read_topic(broker, topics.failures, 2, settle_s=0.2)
    assert [each.value for each in arrived] == [b"first", b"last"]
