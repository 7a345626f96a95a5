"""`topics create` and `topics check` on both brokers."""

import time
import uuid
from collections.abc import Mapping

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.admin import TopicAdmin
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support import batches
from tests.support.command import trigger_worker
from tests.support.kafka import KafkaNode
from tests.support.topics import Broker

ZEROS = b"\0" * 90_000_000
TOO_LARGE = 10
"""Kafka's code of a message that is too large."""


def environment(broker: Broker, prefix: str) -> Mapping[str, str]:
    return {
        "TRIGGER_WORKER_KAFKA_BROKERS": broker.address,
        "TRIGGER_WORKER_TOPIC_PREFIX": prefix,
    }


def admin_of(address: str, prefix: str, timeout_s: float = 15.0) -> TopicAdmin:
    settings = Settings(kafka_brokers=address, topic_prefix=prefix)
    return TopicAdmin(KafkaSettings.of(settings), timeout_s=timeout_s)


def test_create_makes_six_topics_and_once_more_changes_nothing(
    broker: Broker, topic_prefix: str
) -> None:
    env = environment(broker, topic_prefix)
    first = trigger_worker("topics", "create", "--partitions", "2", "--json", env=env)
    assert first.status == 0, first.stderr
    assert [each["is_new"] for each in first.json["topics"]] == [True] * 6
    again = trigger_worker("topics", "create", "--partitions", "4", "--json", env=env)
    assert again.status == 0, again.stderr
    assert again.json["topics"] == [
        {"name": f"{topic_prefix}.{rest}", "is_new": False, "partitions": 2}
        for rest in (
            "job.triggers.v1",
            "execution.status.v1",
            "dispatch.action.v1",
            "dispatch.orch.v1",
            "job.trigger-failures.v1",
            "job.triggers.dlq.v1",
        )
    ]
    shown = trigger_worker("topics", "create", env=env)
    assert f"{topic_prefix}.job.triggers.v1: exists, with 2 partitions" in shown.stdout
    check = trigger_worker("topics", "check", "--json", env=env)
    assert check.status == 0, check.stderr
    assert check.json["ok"] is True
    assert check.json["problems"] == []
    with admin_of(broker.address, topic_prefix) as admin:
        admin.delete(Topics.under(topic_prefix).all())


def test_dead_letters_are_kept_longer_than_the_rest(broker: Broker, topics: Topics) -> None:
    with admin_of(broker.address, "any") as admin:
        states = admin.describe(topics.all())
    assert states[topics.triggers].config["retention.ms"] == "604800000"
    assert states[topics.dead_letters].config["retention.ms"] == "2592000000"
    assert {state.config["cleanup.policy"] for state in states.values()} == {"delete"}


def test_brokers_refuse_a_batch_that_unpacks_to_more_than_a_topic_takes(kafka: Broker) -> None:
    """90 MB in 2.8 kB: on topics that we read this is found out before anybody reads them."""
    names = Topics.under(f"t{uuid.uuid4().hex[:12]}")
    poison = batches.batch(ZEROS, codec="zstd", packed=batches.zstd_of_unknown_size(ZEROS))
    small = batches.batch(b"{}", codec="zstd", packed=batches.zstd_of_unknown_size(b"{}"))
    with admin_of(kafka.address, "any") as admin:
        admin.create(names, partitions=1)
        for topic in names.consumed():
            with pytest.raises(AssertionError, match=f"{topic} refused a batch: {TOO_LARGE} "):
                batches.produce(kafka, topic, poison)
            assert batches.produce(kafka, topic, small) == 0
        admin.delete(names.all())


def test_check_names_what_is_missing_and_what_to_do(broker: Broker, topic_prefix: str) -> None:
    ended = trigger_worker("topics", "check", env=environment(broker, topic_prefix))
    assert ended.status == 1
    assert (
        f"ERROR {topic_prefix}.job.triggers.v1: The topic does not exist. "
        "Run `trigger-worker topics create`." in ended.stdout
    )
    assert ended.stdout.count("does not exist") == 6


def test_check_refuses_a_compacted_topic(broker: Broker, topic_prefix: str) -> None:
    names = Topics.under(topic_prefix)
    client = KafkaAdminClient(bootstrap_servers=[broker.address])
    try:
        client.create_topics(
            {
                name: {
                    "num_partitions": 1,
                    "configs": {
                        "cleanup.policy": "compact" if name == names.failures else "delete",
                        "max.message.bytes": "2000" if name == names.triggers else "1048588",
                        "compression.type": "uncompressed",
                    },
                }
                for name in names.all()
            },
            wait_for_metadata=True,
        )
    finally:
        client.close()
    ended = trigger_worker("topics", "check", "--json", env=environment(broker, topic_prefix))
    assert ended.status == 1
    assert [(each["topic"], each["severity"]) for each in ended.json["problems"]] == [
        (names.triggers, "error"),
        (names.failures, "error"),
    ]
    with admin_of(broker.address, topic_prefix) as admin:
        admin.delete(names.all())


def test_a_topic_made_again_has_another_id(broker: Broker, topics: Topics) -> None:
    with admin_of(broker.address, "any") as admin:
        before = admin.describe((topics.triggers,))[topics.triggers].topic_id
        admin.delete((topics.triggers,))
        admin.delete((topics.triggers,))
        admin.create(topics, partitions=1)
        after = admin.describe((topics.triggers,))[topics.triggers].topic_id
    assert before is not None
    assert after is not None
    assert before != after


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_broker_setting_that_is_smaller_than_ours_does_not_apply(
    broker: Broker, topics: Topics
) -> None:
    client = KafkaAdminClient(bootstrap_servers=[broker.address])
    try:
        found = client.describe_configs([ConfigResource("TOPIC", topics.dispatch_action)])
    finally:
        client.close()
    set_on_topic = found["topic"][topics.dispatch_action]
    assert set_on_topic["max.message.bytes"]["value"] == "1048588"


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_more_replicas_than_brokers_is_one_sentence(broker: Broker, topic_prefix: str) -> None:
    ended = trigger_worker(
        "topics", "create", "--replication", "3", env=environment(broker, topic_prefix)
    )
    assert ended.status == 1
    assert ended.stderr.startswith(f"trigger-worker: The brokers at {broker.address} refused: ")
    assert "target replication factor of 3 cannot be reached" in ended.stderr
    remedy = "Give `topics create --replication N` at most as many replicas as there are brokers."
    assert ended.stderr.endswith(f"{remedy}\n")
    assert ".." not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_brokers_that_are_away_are_one_sentence_within_the_deadline(unused_address: str) -> None:
    began = time.monotonic()
    with pytest.raises(Transient, match=f"No answer from the brokers at {unused_address}"):
        admin_of(unused_address, "any", timeout_s=1)
    assert time.monotonic() - began < 5


def test_a_missing_topic_says_how_to_make_it(broker: Broker, topic_prefix: str) -> None:
    with (
        admin_of(broker.address, topic_prefix) as admin,
        pytest.raises(FatalError, match="topics create"),
    ):
        admin.require(f"{topic_prefix}.job.triggers.v1")


def test_a_broker_that_dies_under_a_connection_ends_the_call_within_the_deadline(
    kafka_node: KafkaNode, topic_prefix: str
) -> None:
    with admin_of(kafka_node.address, topic_prefix, timeout_s=2) as admin:
        kafka_node.kill()
        began = time.monotonic()
        with pytest.raises(Transient):
            admin.describe(Topics.under(topic_prefix).all())
        assert time.monotonic() - began < 10


def test_a_node_killed_and_started_again_has_its_topics_and_its_address(
    kafka_node: KafkaNode, topic_prefix: str
) -> None:
    names = Topics.under(topic_prefix)
    address = kafka_node.address
    with admin_of(address, topic_prefix) as admin:
        admin.create(names, partitions=1)
    kafka_node.kill()
    assert kafka_node.start().address == address
    with admin_of(address, topic_prefix) as admin:
        assert set(admin.describe(names.all())) == set(names.all())
