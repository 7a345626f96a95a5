"""The failure topic, watched for the live page: that something came, whatever happens to it."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from unittest.mock import patch

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from job_trigger_worker.clock import SystemClock
from job_trigger_worker.config import Settings
from job_trigger_worker.console.failures.live import hub
from job_trigger_worker.console.shared.auth.sessions import offer_link
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.embedded.child import free_port
from job_trigger_worker.kafka.admin import TopicAdmin
from job_trigger_worker.kafka.failure_topic_watcher import FailureTopicWatcher
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.storage.db.pool import Pool
from tests.conftest import kafka_settings
from tests.support.console import serving
from tests.support.kafka import KafkaNode
from tests.support.rig import Rig, trigger
from tests.support.streaming import Stream, watching
from tests.support.topics import Broker, produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import running

KAFKA = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
NODE = pytest.mark.parametrize("broker", ["node"], indirect=True)


@contextmanager
def telling(settings: Settings) -> Iterator[Event]:
    """An event that is set whenever the tail tells of something."""
    tail, told = FailureTopicWatcher(KafkaSettings.of(settings), settings), Event()
    tail.begin(told.set)
    try:
        yield told
    finally:
        tail.end()


def is_told(told: Event, broker: Broker, topic: str, partition: int = 0) -> None:
    """Send until something is told of: what was there before the tail is none of its business."""
    told.clear()

    def sent_and_told() -> bool:
        produce_raw(broker, topic, [(None, b"{}", None)], partition=partition)
        return told.wait(0.5)

    wait_until(sent_and_told, 30, f"word of partition {partition}")


def test_what_appears_is_told_and_nothing_else(
    settings: Settings, topics: Topics, broker: Broker
) -> None:
    produce_raw(broker, topics.failures, [(None, b"{}", None)])
    with telling(settings) as told:
        is_told(told, broker, topics.failures)
        is_told(told, broker, topics.failures, partition=2)
        produce_raw(broker, topics.dispatch_action, [(None, b"{}", None)])
        told.clear()
        assert not told.wait(1)
    produce_raw(broker, topics.failures, [(None, b"{}", None)])
    assert not told.wait(1)  # nobody listens any more


@KAFKA
def test_added_partitions_and_a_topic_made_again_are_noticed(
    settings: Settings, topics: Topics, broker: Broker, topic_prefix: str
) -> None:
    with telling(settings) as told:
        is_told(told, broker, topics.failures)
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.create_partitions([NewPartitions(topics.failures, 5)])[topics.failures].result(10)
        is_told(told, broker, topics.failures, partition=4)
        with TopicAdmin(kafka_settings(broker, topic_prefix)) as again:
            again.delete((topics.failures,))
            again.create(topics, partitions=1)
        is_told(told, broker, topics.failures)


@NODE
def test_brokers_may_be_away_with_a_line_a_change(
    settings: Settings,
    topics: Topics,
    broker: Broker,
    kafka_node: KafkaNode,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="job_trigger_worker.kafka.failure_topic_watcher")

    def lines(state: str) -> int:
        return sum(
            f"action=failure_topic topic={topics.failures} state={state}" in m
            for m in caplog.messages
        )

    kafka_node.kill()
    with telling(settings) as told:
        wait_until(lambda: lines("away"), 20, "a line that they are away")
        kafka_node.start()
        is_told(told, broker, topics.failures)
        kafka_node.kill()
        wait_until(lambda: lines("away") == 2, 20, "another one")
        kafka_node.start()
        is_told(told, broker, topics.failures)
        wait_until(lambda: lines("reading") == 2, 20, "a line that they are back")
        assert lines("away") == 2
        began = time.monotonic()
    assert time.monotonic() - began < 0.5


def test_a_failure_is_seen_when_the_topic_says_so(rig: Rig) -> None:
    """Worker, topic, tail, table, stream: without the poll, which is a minute away."""
    tail = FailureTopicWatcher(KafkaSettings.of(rig.settings), rig.settings)
    job_id = 987_654
    with (
        patch.object(hub, "POLL_S", 60.0),
        serving(rig.admin, tail=tail) as console,
        watching(console.signed_in(Role.ADMIN)) as stream,
    ):
        rig.fire(trigger(job_id))
        wait_until(lambda: fires(rig, job_id, stream), 40, "failures in the stream")
        assert set(stream.ids) <= {row["id"] for row in rig.records(job_id)}


def fires(rig: Rig, job_id: int, stream: Stream) -> list[int]:
    """What a stream has by now; the tail may not listen yet when the first one fails."""
    rig.fire(trigger(job_id))
    time.sleep(0.5)
    return stream.ids


@KAFKA
@pytest.mark.usefixtures("topics")
def test_a_console_with_an_open_stream_ends_in_order_and_soon(
    settings: Settings, tmp_path: Path
) -> None:
    listening = settings.model_copy(update={"console_listen": f"127.0.0.1:{free_port()}"})
    log = tmp_path / "console.log"
    with running(listening, log, command="console", wait=False) as console:
        wait_until(lambda: "action=listening" in console.words(), 30, "a console")
        browser = httpx.Client(base_url=f"http://{listening.console_listen}", timeout=20)
        pool = Pool(listening)
        link = offer_link(pool, SystemClock(), login="wang", name="Wang", role=Role.ADMIN)
        pool.close()
        assert browser.get(link).status_code == 303
        with watching(browser) as stream:
            wait_until(lambda: "state=reading" in console.words(), 20, "that the topic is read")
            began = time.monotonic()
            assert console.stop() == 0
            assert time.monotonic() - began < 3
            wait_until(lambda: stream.has_ended, 5, "the end of the stream")
    assert "Traceback" not in console.words()
    assert "ERROR" not in console.words()
