"""`trigger-worker streams` as a process of its own, on both brokers."""

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
)

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.admin import TopicAdmin
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support.kafka import KafkaNode
from tests.support.topics import Broker, produce_raw, quiet_client
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess, running

EXAMPLE = json.loads(
    (
        Path(__file__).parents[3]
        / "schemas/examples/good/awp.job.trigger-failure.v1/two-findings.json"
    ).read_bytes()
)
DB_07 = "server_not_found:server=7"
COUNTED_S = 40.0


@pytest.fixture
def streams_settings(broker: Broker, topic_prefix: str) -> Iterator[Settings]:
    settings = Settings(
        kafka_brokers=broker.address,
        topic_prefix=topic_prefix,
        max_poll_interval_ms=6000,
        session_timeout_ms=6000,
        metadata_interval_ms=1000,
        streams_listen="127.0.0.1:0",
    )
    yield settings
    with TopicAdmin(KafkaSettings.of(settings)) as admin:
        admin.delete((changelog_of(settings),))


@pytest.fixture
def streams(
    streams_settings: Settings,
    topics: Topics,  # noqa: ARG001 - they are there before it starts
    tmp_path: Path,
) -> Iterator[WorkerProcess]:
    with running(streams_settings, tmp_path / "streams.log", command="streams") as process:
        yield process


def failure(job: int, *, ago_s: float = 0.0, cause: str = DB_07, message: str = "") -> bytes:
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    code = cause.partition(":")[0]
    said = message or f"{cause} is gone."
    return json.dumps(
        EXAMPLE
        | {
            "job_id": str(job),
            "failed_at": at.isoformat().replace("+00:00", "Z"),
            "code": code,
            "message": said,
            "findings": [{"code": code, "message": said}],
            "causes": [cause],
            "cause": cause,
        }
    ).encode()


def send(broker: Broker, topics: Topics, *bodies: bytes | None) -> None:
    produce_raw(broker, topics.failures, [(str(n), body, None) for n, body in enumerate(bodies)])


def page(process: WorkerProcess, path: str) -> str:
    address = process.words().rpartition("action=listening address=")[2].split()[0]
    with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def windows(process: WorkerProcess) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page(process, "/windows"))["windows"]
    return found


def totals(process: WorkerProcess) -> list[int]:
    return [window["total"] for window in windows(process).values()]


def sums(process: WorkerProcess) -> tuple[int, int, int]:
    """Triggers by code, triggers of the first cause and its jobs, of the last 15 minutes."""
    window = windows(process)["15m"]
    first = (window["by_cause"] or [{"triggers": 0, "jobs": 0}])[0]
    return window["total"], first["triggers"], first["jobs"]


def wait_for_sums(process: WorkerProcess, expected: tuple[int, int, int]) -> None:
    wait_until(lambda: sums(process) == expected, COUNTED_S, f"sums {expected}")


def committed(broker: Broker, topics: Topics) -> int:
    """How many failures lie before the offsets of the streams' group."""
    group = f"{topics.failures.partition('.')[0]}.streams"
    client = Consumer({**quiet_client(broker.address), "group.id": group})
    try:
        places = [TopicPartition(topics.failures, partition) for partition in range(3)]
        return sum(max(place.offset, 0) for place in client.committed(places, timeout=5))
    finally:
        client.close()


def wait_for_totals(process: WorkerProcess, expected: list[int]) -> None:
    wait_until(lambda: totals(process) == expected, COUNTED_S, f"totals {expected}")


def test_failures_are_counted_by_code_and_by_cause_in_three_windows(
    broker: Broker, topics: Topics, streams: WorkerProcess
) -> None:
    message = "Server 7 (10.0.0.7, db-07) does not exist."
    send(
        broker,
        topics,
        *(failure(job, message=message) for job in range(1, 32)),
        *(failure(job, message=message) for job in range(1, 32)),
        *(failure(job, ago_s=300, message=message) for job in range(30, 33)),
        failure(118, ago_s=1800, cause="permission_denied:user=8,action=3"),
        failure(119, ago_s=3700),
    )
    wait_for_totals(streams, [62, 65, 66])
    found = windows(streams)
    assert list(found) == ["1m", "15m", "60m"]
    assert found["1m"]["by_code"] == [{"code": "server_not_found", "triggers": 62}]
    cause = found["1m"]["by_cause"][0]
    last_at = datetime.fromisoformat(cause.pop("last_at"))
    assert timedelta(0) < datetime.now(UTC) - last_at < timedelta(minutes=1)
    assert cause == {
        "cause": DB_07,
        "code": "server_not_found",
        "message": message,
        "triggers": 62,
        "jobs": 31,
    }
    assert [(each["triggers"], each["jobs"]) for each in found["15m"]["by_cause"]] == [(65, 32)]
    assert found["60m"]["by_code"] == [
        {"code": "server_not_found", "triggers": 65},
        {"code": "permission_denied", "triggers": 1},
    ]
    late = 'streams_events_total{fate="late"} 1.0'
    wait_until(lambda: late in page(streams, "/metrics"), 10, "the late one")


# The embedded broker names the end of a log too low after a batch: there the newest may be missing.
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_counts_come_back_after_kill_9_and_go_on(
    broker: Broker,
    topics: Topics,
    streams: WorkerProcess,
    streams_settings: Settings,
    tmp_path: Path,
) -> None:
    send(broker, topics, *(failure(job, ago_s=120) for job in range(40)[1:]))
    wait_for_sums(streams, (39, 39, 39))
    wait_until(lambda: committed(broker, topics) == 39, COUNTED_S, "the group's offsets")
    streams.kill()
    with running(streams_settings, tmp_path / "again.log", command="streams") as again:
        wait_for_sums(again, (39, 39, 39))
        send(broker, topics, failure(100, ago_s=120))
        wait_for_sums(again, (40, 40, 40))
        send(broker, topics, failure(100, ago_s=120))
        wait_for_sums(again, (41, 41, 40))


def test_what_cannot_be_read_is_logged_and_counted_and_the_rest_goes_on(
    broker: Broker, topics: Topics, streams: WorkerProcess
) -> None:
    garbage = [b"", b"no JSON", b"\xff\xfe", b"{}", b"[" * 10_000, b'{"job_id": "1"}', None]
    send(broker, topics, failure(1), *garbage, failure(2))
    send(broker, topics, *(failure(job) for job in range(3, 33)))
    wait_for_totals(streams, [32, 32, 32])
    assert 'streams_events_total{fate="unreadable"} 7.0' in page(streams, "/metrics")
    assert "action=unreadable_failures count=" in streams.words()
    assert streams.get("/livez") == 200
    assert streams.get("/nothing-here") == 404


def test_sigterm_ends_it_with_0_within_seconds_and_without_noise(streams: WorkerProcess) -> None:
    began = time.monotonic()
    assert streams.stop() == 0
    assert time.monotonic() - began < 5
    assert [line for line in streams.words().splitlines() if " INFO " not in line] == []


def test_a_missing_topic_is_one_sentence_and_exit_1(
    streams_settings: Settings, tmp_path: Path
) -> None:
    process = WorkerProcess(streams_settings, tmp_path / "log", command="streams", wait=False)
    assert process.child.wait(20) == 1
    assert process.words().splitlines()[-1] == (
        f"trigger-worker: The topic {streams_settings.topic_prefix}.job.trigger-failures.v1 does "
        "not exist. Make the topics with `trigger-worker topics create`."
    )
    assert "Traceback" not in process.words()


def test_brokers_that_are_away_are_waited_for_alive_and_not_ready(
    unused_address: str, tmp_path: Path
) -> None:
    settings = Settings(kafka_brokers=unused_address, streams_listen="127.0.0.1:0")
    with running(settings, tmp_path / "log", command="streams", wait=False) as process:
        wait_until(lambda: process.get("/livez") == 200, 20, "a live process")
        assert process.get("/readyz") == 503
        assert process.get("/windows") == 503
        wait_until(lambda: "Connection refused" in process.words(), 20, "it says so")
        assert 'action=wait_for_brokers reason="The brokers do not answer: ' in process.words()
        assert process.words().rstrip().endswith(" again_in_s=1.0")
        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < 10


def test_a_listener_that_is_taken_is_one_sentence_and_exit_1(
    unused_address: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = Settings(kafka_brokers=unused_address, streams_listen=listen)
        process = WorkerProcess(settings, tmp_path / "log", command="streams", wait=False)
        assert process.child.wait(20) == 1
    assert f"The listener {listen} cannot be opened" in process.words()
    assert "Traceback" not in process.words()


def changelog_of(settings: Settings) -> str:
    return f"{settings.topic_prefix}.streams.failures.changelog.v1"


def make_changelog(broker: Broker, settings: Settings, config: dict[str, str]) -> None:
    name = changelog_of(settings)
    admin = AdminClient({"bootstrap.servers": broker.address})
    made = admin.create_topics([NewTopic(name, num_partitions=1, config=config)])
    made[name].result(10)


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_the_changelog_is_compacted_kept_for_two_hours_and_as_wide_as_the_failure_topic(
    broker: Broker, streams_settings: Settings, streams: WorkerProcess
) -> None:
    assert streams.is_ready()
    admin = AdminClient({"bootstrap.servers": broker.address})
    name = changelog_of(streams_settings)
    asked = ConfigResource(ConfigResource.Type.TOPIC, name)
    config = admin.describe_configs([asked])[asked].result(10)
    assert config["cleanup.policy"].value in ("compact,delete", "delete,compact")
    assert config["retention.ms"].value == "7200000"
    assert len(admin.list_topics(name, timeout=10).topics[name].partitions) == 3


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_changelog_that_is_narrower_than_the_failure_topic_is_made_wider(
    broker: Broker, topics: Topics, streams_settings: Settings, tmp_path: Path
) -> None:
    make_changelog(broker, streams_settings, {"cleanup.policy": "compact"})
    with running(streams_settings, tmp_path / "log", command="streams") as process:
        send(broker, topics, *(failure(job) for job in range(1, 32)))
        wait_for_totals(process, [31, 31, 31])


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_changelog_that_refuses_writes_ends_it_with_one_sentence_and_exit_1(
    broker: Broker, topics: Topics, streams_settings: Settings, tmp_path: Path
) -> None:
    make_changelog(broker, streams_settings, {"max.message.bytes": "10"})
    process = WorkerProcess(streams_settings, tmp_path / "log", command="streams")
    send(broker, topics, failure(1))
    assert process.child.wait(20) == 1
    last = process.words().splitlines()[-1]
    assert last.startswith("trigger-worker: The streams cannot go on: MessageSizeTooLargeError")
    assert "Traceback" not in process.words()
    assert "Task was destroyed" not in process.words()


@pytest.mark.parametrize("broker", ["node"], indirect=True)
def test_a_broker_that_dies_and_comes_back_is_outlived(
    broker: Broker, kafka_node: KafkaNode, topics: Topics, streams: WorkerProcess
) -> None:
    send(broker, topics, failure(1))
    wait_for_totals(streams, [1, 1, 1])
    kafka_node.kill()
    time.sleep(3)
    assert streams.get("/livez") == 200
    kafka_node.start()
    send(broker, topics, failure(2))
    wait_until(lambda: windows(streams)["60m"]["total"] == 2, 60, "the second failure")
