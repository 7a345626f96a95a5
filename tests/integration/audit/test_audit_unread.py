"""The audit looks at the log, too: what nobody has read is said, and fails when it waits long."""

import json
import time

import pytest
from confluent_kafka import Producer

from job_trigger_worker.audit.run import run
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.topic_ids import TopicIds
from tests.conftest import kafka_settings
from tests.support import sql
from tests.support.command import Ended, trigger_worker
from tests.support.rig import at, trigger
from tests.support.topics import Broker, set_topic
from tests.support.worker import environment

ON_KAFKA = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
ONE = pytest.mark.parametrize("topics", [1], indirect=True)
MINUTES_MS = 60_000


def _audit(settings: Settings, *flags: str) -> Ended:
    return trigger_worker("audit", *flags, env=environment(settings))


def _unread(settings: Settings) -> tuple[bool, tuple[int, ...]]:
    """Whether the audit closes, and how many triggers and statuses wait."""
    found = run(settings, progress=lambda *_: None)
    assert found.unread is not None
    return found.closes, tuple(each.total for each in found.unread)


def _send(broker: Broker, topic: str, count: int, *, minutes_ago: float = 0) -> None:
    """Triggers in one batch, with a timestamp of their producer."""
    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 200})
    moment = int(time.time() * 1000 - minutes_ago * MINUTES_MS)
    for n in range(count):
        body = json.dumps(trigger(404, scheduled_at=at(n)))
        producer.produce(topic, body, partition=0, timestamp=moment)
    assert producer.flush(20) == 0


def _read_up_to(settings: Settings, broker: Broker, topic: str, offset: int) -> None:
    """A ledger row as a worker leaves it that has read everything up to `offset`, all repeats."""
    with TopicIds(kafka_settings(broker, settings.topic_prefix)) as topic_ids:
        described = topic_ids.describe(topic)
    assert described is not None
    sql.execute(
        settings.database_url.get_secret_value(),
        f"""
        insert into awp_trigger_ledger
            (topic, topic_id, "partition", last_offset, deliveries, redeliveries)
        values ('{topic}', '{described.topic_id}', 0, {offset}, {offset + 1}, {offset + 1})
        """,
    )


@ONE
def test_triggers_that_nobody_has_read_are_said_and_fail_the_audit_when_they_wait_long(
    settings: Settings, topics: Topics, broker: Broker
) -> None:
    _send(broker, topics.triggers, 10, minutes_ago=10)

    for flags in ((), ("--deep",)):
        ended = _audit(settings, *flags, "--json")
        assert (ended.status, ended.json["closes"]) == (1, False), ended.stderr
        unread = ended.json["unread"]
        assert (unread["triggers"]["waiting"], unread["statuses"]["waiting"]) == (10, 0)
        assert 600 <= unread["triggers"]["waits_s"] < 700
        (place,) = unread["partitions"]
        assert (place["topic"], place["partition"], place["waiting"]) == (topics.triggers, 0, 10)

    shown = _audit(settings)
    assert f"{topics.triggers} partition 0: 10 wait, the oldest for 10 min" in shown.stdout
    patient = _audit(settings, "--max-wait", "1h")
    assert patient.status == 0, patient.stdout + patient.stderr
    assert "10 triggers wait" in patient.stdout


@ONE
def test_what_was_read_does_not_wait(settings: Settings, topics: Topics, broker: Broker) -> None:
    """Ten messages of one batch, of which the embedded broker tells the end too low."""
    _send(broker, topics.triggers, 10, minutes_ago=10)
    _read_up_to(settings, broker, topics.triggers, 4)

    assert _unread(settings) == (False, (5, 0))

    sql.execute(
        settings.database_url.get_secret_value(),
        "update awp_trigger_ledger set last_offset = 9, deliveries = 10, redeliveries = 10",
    )
    assert _unread(settings) == (True, (0, 0))


@ONE
def test_statuses_wait_as_triggers_do(settings: Settings, topics: Topics, broker: Broker) -> None:
    _send(broker, topics.statuses, 3, minutes_ago=10)

    assert _unread(settings) == (False, (0, 3))


@ON_KAFKA
@ONE
def test_what_no_reader_gets_does_not_wait_for_ever(
    settings: Settings, topics: Topics, broker: Broker
) -> None:
    """Commit markers and aborted transactions take offsets at the end of a log."""
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": topics.triggers})
    producer.init_transactions(20)
    old = int(time.time() * 1000) - 10 * MINUTES_MS
    for is_aborted in (False, True):
        producer.begin_transaction()
        for n in range(10):
            body = json.dumps(trigger(404, scheduled_at=at(n)))
            producer.produce(topics.triggers, body, partition=0, timestamp=old)
        producer.flush(20)
        (producer.abort_transaction if is_aborted else producer.commit_transaction)(20)

    assert _unread(settings) == (False, (10, 0))

    _read_up_to(settings, broker, topics.triggers, 9)
    assert _unread(settings) == (True, (0, 0))


@ON_KAFKA
@ONE
def test_a_time_that_cannot_be_is_not_believed(
    settings: Settings, topics: Topics, broker: Broker
) -> None:
    """A producer whose clock is ahead does not hide that its triggers wait."""
    _send(broker, topics.triggers, 2, minutes_ago=-30)

    assert _unread(settings) == (False, (2, 0))


@ON_KAFKA
@ONE
@pytest.mark.parametrize("is_deep", [False, True], ids=["plain", "deep"])
def test_a_topic_that_deletes_what_has_a_successor_is_named(
    settings: Settings, topics: Topics, broker: Broker, is_deep: bool
) -> None:
    """Compaction lost 19 of 20 triggers, and nothing was left that could tell."""
    assert _unread(settings) == (True, (0, 0))
    set_topic(broker.address, topics.triggers, "cleanup.policy", "compact")

    found = run(settings, is_deep=is_deep, progress=lambda *_: None)

    assert not found.closes
    (difference,) = [each for line in found.lines for each in line.differences]
    assert difference.startswith(f"{topics.triggers}: cleanup.policy is compact")


@ON_KAFKA
def test_without_brokers_nothing_is_proven_unless_a_person_asks_for_the_tables_alone(
    settings: Settings, unused_address: str
) -> None:
    ended = _audit(settings, "--brokers", unused_address)
    assert (ended.status, ended.stdout) == (1, "")
    assert "trigger-worker audit --offline" in ended.stderr

    alone = _audit(settings, "--brokers", unused_address, "--offline")
    assert alone.status == 0, alone.stderr
    assert "the brokers were not asked" in alone.stdout
    assert _audit(settings, "--offline", "--deep").status == 2
