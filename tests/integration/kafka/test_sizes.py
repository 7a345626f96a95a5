"""Sizes in and out, compression, and fairness between partitions (design 3 and 6.1)."""

import json
import os
from collections.abc import Iterator
from functools import partial
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from job_trigger_schemas import JobDispatch, TriggerFailure
from job_trigger_worker.domain.trigger import EventKind, event_id
from tests.support.rig import Rig, at, trigger
from tests.support.topics import Received, produce_raw
from tests.support.waiting import wait_until

KIB = 1024


def test_a_dispatch_of_less_than_900_kib_is_sent_whole(rig: Rig) -> None:
    with rig.platform() as platform:
        account = platform.target("big-01", "10.1.0.1")
        parameter = {**_parameter(account[0]), "script": "x" * 880 * KIB}
        job_id = platform.action_job([account], id=30_000, parameter=parameter)

    rig.fire(trigger(job_id))

    record = rig.record(job_id)
    event = rig.event(rig.topics.dispatch_action, record["execution_id"])
    dispatch = JobDispatch.model_validate_json(event.value or b"")
    assert dispatch.parameter == parameter


def test_a_dispatch_of_more_than_900_kib_is_a_failure_before_it_is_committed(rig: Rig) -> None:
    with rig.platform() as platform:
        account = platform.target("big-02", "10.1.0.2")
        parameter = {**_parameter(account[0]), "script": "x" * (900 * KIB - 150)}
        job_id = platform.action_job([account], id=30_001, parameter=parameter)

    rig.fire(trigger(job_id))

    record = rig.record(job_id)
    assert (record["trigger_status"], record["trigger_code"]) == (2, "parameter_invalid")
    assert "bytes; at most 921600 are sent" in record["trigger_message"]
    rig.event(rig.topics.failures, record["execution_id"])


def test_of_very_many_findings_the_first_are_kept_the_others_counted_and_every_cause_told(
    rig: Rig,
) -> None:
    servers = [
        {"server_id": 500_000 + n, "ip": "10.9.9.9", "account": "数据" * 8} for n in range(9_000)
    ]
    with rig.platform() as platform:
        job_id = platform.action_job(id=30_002, parameter={"servers": servers})

    rig.fire(trigger(job_id))

    record = rig.record(job_id)
    assert (len(record["findings"]), record["findings_omitted"]) == (1_000, 8_000)
    assert len(set(record["causes"])) == 9_000
    assert len(record["trigger_message"]) <= 1_000
    told = record["trigger_message"].count("does not exist")
    assert record["trigger_message"].endswith(f"… and {9_000 - told} more.")
    event = rig.event(rig.topics.failures, record["execution_id"])
    failure = TriggerFailure.model_validate_json(event.value or b"")
    assert len(event.value or b"") <= 900 * KIB
    assert (len(failure.findings), failure.findings_omitted) == (1_000, 8_000)
    assert len(set(failure.causes)) == 9_000


def test_a_dead_letter_is_whole_in_its_table_and_cut_on_its_topic(rig: Rig) -> None:
    body = b'{"no":"' + b"x" * 1_000_000 + b'"}'

    ((partition, offset),) = rig.fire(body)

    (letter,) = wait_until(
        lambda: rig.rows("select * from awp_dead_letter where octet_length(value) > 1000000"),
        20,
        "the dead letter",
    )
    assert bytes(letter["value"]) == body
    (event,) = wait_until(
        lambda: [m for m in rig.collector(rig.topics.dead_letters).look() if m.header("truncated")],
        20,
        "its event",
    )
    assert event.header("truncated") == str(len(body)).encode()
    assert event.header("dead-letter-offset") == str(offset).encode()
    assert event.header("dead-letter-partition") == str(partition).encode()
    assert body.startswith(event.value or b"-")


@pytest.mark.parametrize("rig", ["kafka"], indirect=True)
def test_a_dispatch_that_the_broker_refuses_becomes_a_failure(rig: Rig) -> None:
    with rig.platform() as platform:
        account = platform.target("big-03", "10.1.0.3")
        parameter = {**_parameter(account[0]), "script": os.urandom(50_000).hex()}
        large = platform.action_job([account], id=30_003, parameter=parameter)
        small = platform.action_job(id=30_004)
    _limit(rig, rig.topics.dispatch_action, 50_000)

    rig.fire(trigger(large), trigger(small))

    record = rig.record(large)
    event = rig.event(rig.topics.failures, record["execution_id"])
    failure = TriggerFailure.model_validate_json(event.value or b"")
    assert event.header("ce_id") == str(failure.event_id).encode()
    assert str(failure.event_id) == event_id(str(record["execution_id"]), EventKind.FAILURE)
    record = rig.record(large)
    assert (record["trigger_status"], record["trigger_code"]) == (2, "parameter_invalid")
    assert failure.message == record["trigger_message"]
    (job,) = rig.rows("select * from awp_automcation_job where id = %s", large)
    assert (job["trigger_status"], job["consecutive_failures"]) == (2, 1)
    rig.event(rig.topics.dispatch_action, rig.record(small)["execution_id"])
    rig.settle()


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_compression_can_be_read(rig: Rig, codec: str) -> None:
    first = {"gzip": 31_000, "snappy": 31_100, "lz4": 31_200, "zstd": 31_300}[codec]
    with rig.platform() as platform:
        jobs = [platform.action_job(id=first + number) for number in range(50)]
    producer = Producer(
        {"bootstrap.servers": rig.broker.address, "compression.type": codec, "linger.ms": 100}
    )
    for job_id in jobs:
        producer.produce(rig.topics.triggers, json.dumps(trigger(job_id)))
    assert producer.flush(10) == 0

    for job_id in jobs:
        assert rig.record(job_id)["trigger_status"] == 1


@pytest.mark.parametrize("rig", ["kafka"], indirect=True)  # the embedded broker serves one by one
def test_a_partition_with_one_trigger_does_not_wait_for_one_with_a_backlog(rig: Rig) -> None:
    with rig.platform() as platform:
        crowd = platform.action_job(id=32_000)
        alone = platform.action_job(id=32_001)
    many = [json.dumps(trigger(crowd, scheduled_at=at(n))).encode() for n in range(20_000)]

    rig.worker.freeze()
    produce_raw(rig.broker, rig.topics.triggers, ((None, body, None) for body in many), partition=0)
    produce_raw(
        rig.broker,
        rig.topics.triggers,
        [(None, json.dumps(trigger(alone)).encode(), None)],
        partition=1,
    )
    rig.worker.wake()

    record = rig.record(alone)
    wait_until(lambda: _count(rig, crowd) == 20_000, 60, "the backlog")
    (row,) = rig.rows(
        "select count(*) from awp_job_execution where job_id = %s and id > %s", crowd, record["id"]
    )
    assert row["count"] > 0


def test_a_batch_whose_events_grow_too_large_is_cut_and_loses_nothing(rig: Rig) -> None:
    with rig.platform() as platform:
        account = platform.target("big-04", "10.1.0.4")
        parameter = {**_parameter(account[0]), "script": "x" * 400 * KIB}
        job_id = platform.workflow_job(
            id=33_000,
            parameter={"nodes": [{"node_id": "1", **parameter}]},
        )

    rig.fire(
        *(
            trigger(job_id, kind="manual", trigger_id=str(uuid4()), scheduled_at=None)
            for _ in range(40)
        )
    )

    records = rig.records(job_id, 40)
    assert {record["trigger_status"] for record in records} == {1}
    rig.settle()


@pytest.mark.parametrize("rig", ["kafka"], indirect=True)
def test_two_equal_dead_letters_that_the_broker_refuses_are_both_cut(rig: Rig) -> None:
    body = os.urandom(50_000).hex().encode()
    _limit(rig, rig.topics.dead_letters, 20_000)

    places = rig.fire(body, body)

    for partition, offset in places:
        origin = (str(partition).encode(), str(offset).encode())
        (event,) = wait_until(partial(_letters, rig, *origin), 20, f"the dead letter of {offset}")
        assert event.header("truncated") is not None
        assert body.startswith(event.value or b"-")
        assert 0 < len(event.value or b"") < 20_000


@pytest.fixture(autouse=True)
def _settled(rig: Rig) -> Iterator[None]:
    yield
    rig.settle()


def _parameter(server_id: int) -> dict[str, object]:
    return {"servers": [{"server_id": server_id, "ip": None, "account": "deploy"}]}


def _letters(rig: Rig, partition: bytes, offset: bytes) -> list[Received]:
    return [
        message
        for message in rig.collector(rig.topics.dead_letters).look()
        if message.header("dead-letter-partition") == partition
        and message.header("dead-letter-offset") == offset
    ]


def _count(rig: Rig, job_id: int) -> int:
    (row,) = rig.rows("select count(*) from awp_job_execution where job_id = %s", job_id)
    return int(row["count"])


def _limit(rig: Rig, topic: str, most_bytes: int) -> None:
    admin = AdminClient({"bootstrap.servers": rig.broker.address})
    entry = ConfigEntry(
        "max.message.bytes", str(most_bytes), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result(timeout=10)
