"""The publisher and `trigger-worker publish`, on both brokers."""

import gc
import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from job_trigger_schemas import JobTrigger
from job_trigger_schemas.errors import BrokersAway
from job_trigger_schemas.failure_reader import FailureReader
from job_trigger_schemas.publisher import NotAcknowledged
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.admin import TopicAdmin
from job_trigger_worker.kafka.publisher import connect
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support.command import trigger_worker
from tests.support.kafka import KafkaNode
from tests.support.topics import Broker, produce_raw, read_topic

SLOT = "2026-11-20T08:00:00Z"


def kafka_settings(address: str, prefix: str) -> KafkaSettings:
    return KafkaSettings.of(Settings(kafka_brokers=address, topic_prefix=prefix))


@pytest.fixture
def kafka_of_test(broker: Broker, topics: Topics, topic_prefix: str) -> KafkaSettings:
    """Brokers and fresh topics."""
    assert topics.triggers.startswith(topic_prefix)
    return kafka_settings(broker.address, topic_prefix)


@pytest.fixture
def env(kafka_of_test: KafkaSettings, topic_prefix: str) -> dict[str, str]:
    """The environment of a command on these topics."""
    return {
        "TRIGGER_WORKER_KAFKA_BROKERS": kafka_of_test.brokers,
        "TRIGGER_WORKER_TOPIC_PREFIX": topic_prefix,
        "LOGNAME": "li.wei",
    }


def scheduled(job_id: int, minute: int = 0) -> JobTrigger:
    return JobTrigger.model_validate(
        {"job_id": job_id, "scheduled_at": f"2026-11-20T08:{minute:02}:00Z"}
    )


def test_published_triggers_are_on_the_topic_with_key_body_and_cloudevents_headers(
    broker: Broker, kafka_of_test: KafkaSettings
) -> None:
    trigger = JobTrigger.model_validate(
        {
            "job_id": "17",
            "trigger_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
            "scheduled_at": SLOT,
            "fired_at": "2026-11-20T08:00:01Z",
            "triggered_by": "cron",
        }
    )
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with connect(kafka_of_test) as publisher:
        (published,) = publisher.publish([trigger], traceparent=traceparent)
    (message,) = read_topic(broker, kafka_of_test.topics.triggers, until=1)
    assert (message.partition, message.offset) == (published.partition, published.offset)
    assert message.key == b"17"
    assert json.loads(message.value or b"") == {
        "trigger_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
        "job_id": "17",
        "scheduled_at": "2026-11-20T08:00:00Z",
        "fired_at": "2026-11-20T08:00:01Z",
        "kind": "schedule",
        "triggered_by": "cron",
    }
    assert message.header("ce_specversion") == b"1.0"
    assert message.header("ce_id") == b"7d444840-9dc0-11d1-b245-5ffdce74fad2"
    assert message.header("ce_source") == b"common-job"
    assert message.header("ce_type") == b"awp.job.trigger.v1"
    assert message.header("traceparent") == traceparent.encode()


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
def test_a_thousand_triggers_keep_their_order_for_each_job_in_every_compression(
    broker: Broker, kafka_of_test: KafkaSettings, compression: Any
) -> None:
    triggers = [scheduled(job, minute) for minute in range(50) for job in range(1, 21)]
    with connect(kafka_of_test, compression=compression) as publisher:
        published = publisher.publish(triggers)
    assert [each.trigger for each in published] == triggers
    messages = read_topic(broker, kafka_of_test.topics.triggers, until=1000)
    assert len(messages) == 1000
    for job in range(1, 21):
        of_job = [each for each in messages if each.key == str(job).encode()]
        assert len({each.partition for each in of_job}) == 1
        slots = [json.loads(each.value or b"")["scheduled_at"] for each in of_job]
        assert slots == [f"2026-11-20T08:{minute:02}:00Z" for minute in range(50)]


def test_a_job_goes_where_kafkas_default_partitioner_sends_its_key(
    broker: Broker, kafka_of_test: KafkaSettings
) -> None:
    with connect(kafka_of_test) as publisher:
        ours = [each.partition for each in publisher.publish(map(scheduled, range(1, 31)))]
    theirs = produce_raw(
        broker, kafka_of_test.topics.triggers, [(str(job), b"{}", None) for job in range(1, 31)]
    )
    assert ours == [partition for partition, _ in theirs]
    assert set(ours) == {0, 1, 2}


def test_a_topic_that_does_not_exist_says_how_to_make_it(broker: Broker, topic_prefix: str) -> None:
    with pytest.raises(
        FatalError, match=rf"{topic_prefix}.job.triggers.v1 does not exist.*topics create"
    ):
        connect(kafka_settings(broker.address, topic_prefix))


def test_a_broker_that_is_away_is_one_sentence_within_the_deadline(unused_address: str) -> None:
    began = time.monotonic()
    with pytest.raises(Transient, match=f"No answer from the brokers at {unused_address}"):
        connect(kafka_settings(unused_address, "awp"), timeout_s=1)
    assert time.monotonic() - began < 5


def clients() -> list[str]:
    """Threads of clients of kafka-python."""
    return [each.name for each in threading.enumerate() if each.name.startswith("kafka-io-")]


@pytest.mark.parametrize(
    "connect_to",
    [
        lambda address: connect(kafka_settings(address, "awp"), timeout_s=0.2),
        lambda address: FailureReader(address, group="alerting", timeout_s=0.2),
        lambda address: TopicAdmin(kafka_settings(address, "awp"), timeout_s=0.2),
    ],
    ids=["publisher", "reader", "admin"],
)
def test_who_cannot_connect_leaves_nothing_behind(
    unused_address: str,
    connect_to: Callable[[str], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, logger="kafka")  # what it logs, pytest keeps, with sockets
    before, files = clients(), psutil.Process().num_fds()
    for _ in range(3):
        with pytest.raises((Transient, BrokersAway)):
            connect_to(unused_address)
    gc.collect()
    assert clients() == before
    assert psutil.Process().num_fds() <= files


@pytest.mark.parametrize("broker", ["node"], indirect=True)
def test_triggers_that_a_dead_broker_did_not_acknowledge_are_named_and_can_be_sent_again(
    kafka_node: KafkaNode, kafka_of_test: KafkaSettings
) -> None:
    publisher = connect(kafka_of_test, timeout_s=3)
    publisher.publish([scheduled(1)])
    kafka_node.kill()
    began = time.monotonic()
    with publisher, pytest.raises(NotAcknowledged) as caught:
        publisher.publish(map(scheduled, range(1, 8)))
    assert time.monotonic() - began < 12
    assert caught.value.failed == tuple(map(scheduled, range(1, 8)))
    assert caught.value.published == ()
    said = str(caught.value)
    assert said.startswith("7 of 7 triggers were not acknowledged")
    assert "job 1 at 2026-11-20T08:00:00+00:00" in said
    assert "and 2 more" in said
    kafka_node.start()
    with connect(kafka_of_test) as again:
        assert len(again.publish(caught.value.failed)) == 7


@pytest.mark.parametrize("broker", ["node"], indirect=True)
def test_a_publisher_goes_on_when_its_broker_comes_back(
    kafka_node: KafkaNode, kafka_of_test: KafkaSettings
) -> None:
    with connect(kafka_of_test, timeout_s=30) as publisher:
        publisher.publish([scheduled(1)])
        kafka_node.kill()
        kafka_node.start()
        publisher.publish([scheduled(2)])
    messages = read_topic(kafka_node, kafka_of_test.topics.triggers, until=2, settle_s=0.5)
    assert sorted(each.key or b"" for each in messages) == [b"1", b"2"]


def test_a_job_id_fires_its_job_now_as_the_person_who_called(
    broker: Broker, kafka_of_test: KafkaSettings, env: dict[str, str]
) -> None:
    before = datetime.now(UTC)
    ended = trigger_worker("publish", "17", "18", "--json", env=env)
    assert ended.status == 0, ended.stderr
    assert ended.json["published"] == 2
    assert ended.json["topic"] == kafka_of_test.topics.triggers
    messages = read_topic(broker, kafka_of_test.topics.triggers, until=2)
    sent = {each["job_id"]: each for each in (json.loads(m.value or b"") for m in messages)}
    assert set(sent) == {"17", "18"}
    assert sent["17"]["kind"] == "manual"
    assert sent["17"]["triggered_by"] == "li.wei"
    assert UUID(sent["17"]["trigger_id"]) != UUID(sent["18"]["trigger_id"])
    fired = datetime.fromisoformat(sent["17"]["fired_at"])
    assert before <= fired <= before + timedelta(seconds=30)


def test_at_a_time_it_is_that_scheduled_slot_for_every_caller_alike(
    broker: Broker, kafka_of_test: KafkaSettings, env: dict[str, str]
) -> None:
    ended = trigger_worker("publish", "17", "--at", "2026-11-20T16:00:00+08:00", env=env)
    assert ended.status == 0, ended.stderr
    assert ended.stdout == "sent schedule trigger of job 17 at 2026-11-20T08:00:00+00:00\n"
    (message,) = read_topic(broker, kafka_of_test.topics.triggers, until=1)
    sent = json.loads(message.value or b"")
    assert sent["kind"] == "schedule"
    assert sent["scheduled_at"] == "2026-11-20T08:00:00Z"
    assert "trigger_id" not in sent


def test_a_file_is_sent_whole_with_progress_on_stderr(
    broker: Broker, kafka_of_test: KafkaSettings, env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "triggers.ndjson"
    path.write_text(
        "".join(
            json.dumps({"job_id": 1 + n % 9, "scheduled_at": SLOT, "unknown": n}) + "\n"
            for n in range(6000)
        )
    )
    ended = trigger_worker("publish", "--file", str(path), "--json", env=env)
    assert ended.status == 0, ended.stderr
    assert ended.json["published"] == 6000
    assert ended.json["not_acknowledged"] == []
    assert ended.stderr == "sent 5,000 of 6,000\nsent 6,000 of 6,000\n"
    assert len(read_topic(broker, kafka_of_test.topics.triggers, until=6000)) == 6000


def test_one_bad_line_from_a_pipe_sends_nothing(
    broker: Broker, kafka_of_test: KafkaSettings, env: dict[str, str]
) -> None:
    good = json.dumps({"job_id": 1, "scheduled_at": SLOT})
    ended = trigger_worker("publish", "--file", "-", env=env, stdin=f'{good}\n{{"job_id": "x"}}\n')
    assert ended.status == 2
    assert "line 2: job_id" in ended.stderr
    assert "nothing was sent" in ended.stderr
    assert read_topic(broker, kafka_of_test.topics.triggers, until=0, settle_s=0.5) == []
    ended = trigger_worker("publish", "--file", "-", env=env, stdin=f"{good}\n")
    assert ended.status == 0, ended.stderr
    assert len(read_topic(broker, kafka_of_test.topics.triggers, until=1)) == 1


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_what_the_brokers_refuse_is_named_and_the_exit_status_is_1(
    kafka_of_test: KafkaSettings, env: dict[str, str]
) -> None:
    client = KafkaAdminClient(bootstrap_servers=[kafka_of_test.brokers])
    try:
        refuse_all = {"max.message.bytes": "10"}
        client.alter_configs([ConfigResource("TOPIC", kafka_of_test.topics.triggers, refuse_all)])
    finally:
        client.close()
    ended = trigger_worker("publish", "17", "--at", SLOT, "--json", env=env)
    assert ended.status == 1
    assert ended.json["published"] == 0
    assert ended.json["not_acknowledged"] == ["job 17 at 2026-11-20T08:00:00+00:00"]
    assert "1 of 1 trigger was not acknowledged" in ended.json["error"]
    ended = trigger_worker("publish", "17", "--at", SLOT, env=env)
    assert ended.status == 1
    assert "1 of 1 trigger was not acknowledged" in ended.stderr
    good = json.dumps({"job_id": 1, "scheduled_at": SLOT})
    ended = trigger_worker("publish", "--file", "-", "--json", env=env, stdin=good)
    assert ended.status == 1
    assert ended.json["published"] == 0
    assert ended.json["of"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Nothing to send."),
        (("0",), "'0' is not a job id."),
        (("1", "--at", "2026-11-20T08:00:00"), "the time has no zone"),
        (("1", "--at", "yesterday"), "--at yesterday cannot be used: "),
        (("1", "--kind", "schedule"), "needs its slot"),
        (("1", "--file", "-"), "--file says by itself"),
        (("--file", "/nowhere"), "cannot be read"),
    ],
)
def test_nonsense_is_refused_with_exit_2_before_any_broker_is_asked(
    unused_address: str, arguments: tuple[str, ...], said: str
) -> None:
    ended = trigger_worker("publish", "--brokers", unused_address, *arguments, timeout_s=8)
    assert ended.status == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
