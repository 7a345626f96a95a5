"""A right that the brokers do not give is one clear sentence and exit 1."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support import services, sql
from tests.support.command import trigger_worker
from tests.support.kafka import KafkaNode
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess, environment

pytestmark = pytest.mark.parametrize("broker", ["node"], indirect=True)
Start = Callable[..., WorkerProcess]
Deny = Callable[..., AbstractContextManager[None]]
PASSWORD = "open-sesame"  # noqa: S105 - of a node that lives for this module
CLUSTER = "kafka-cluster"


@pytest.fixture(scope="module")
def own_node() -> Iterator[KafkaNode]:
    """A node with a listener where the user `worker` signs in and ACLs hold."""
    with services.running_node(password=PASSWORD) as node:
        yield node


@pytest.fixture
def as_worker(kafka_node: KafkaNode) -> dict[str, object]:
    """Settings of that user."""
    return {
        "kafka_brokers": kafka_node.guarded_address,
        "kafka_security_protocol": "SASL_PLAINTEXT",
        "kafka_sasl_mechanism": "PLAIN",
        "kafka_username": "worker",
        "kafka_password": SecretStr(PASSWORD),
    }


@pytest.fixture
def deny(kafka_node: KafkaNode) -> Deny:
    """Denies the user `worker` these operations on a resource, and no other, for a block."""
    admin = AdminClient({"bootstrap.servers": kafka_node.address})

    @contextmanager
    def denied(kind: ResourceType, name: str, *operations: AclOperation) -> Iterator[None]:
        who = (ResourcePatternType.LITERAL, "User:worker", "*")
        # Where anything is said of a resource, what is not said is denied.
        rules = [AclBinding(kind, name, *who, AclOperation.ALL, AclPermissionType.ALLOW)]
        rules += [
            AclBinding(kind, name, *who, operation, AclPermissionType.DENY)
            for operation in operations
        ]
        for done in admin.create_acls(rules).values():
            done.result(timeout=10)
        try:
            yield
        finally:
            every = AclBindingFilter(kind, name, *who, AclOperation.ANY, AclPermissionType.ANY)
            for gone in admin.delete_acls([every]).values():
                gone.result(timeout=10)

    return denied


def _last_words(worker: WorkerProcess) -> str:
    """What it said in the end, once it has ended with 1."""
    assert wait_until(worker.child.exit_status, 30, "its end") == 1, worker.words()[-3000:]
    assert "Traceback" not in worker.words()
    assert PASSWORD not in worker.words()
    return worker.words().splitlines()[-1]


def test_a_worker_that_signs_in_and_may_do_its_work_does_it(
    start: Start, as_worker: dict[str, object], load: Load, judge: Judge
) -> None:
    worker = start(as_worker)
    load.fire(30)
    assert judge.settled(load.sent).records == 30
    assert worker.stop() == 0


def test_no_right_to_write_anything_is_said(
    start: Start, as_worker: dict[str, object], load: Load, deny: Deny
) -> None:
    load.fire(10)
    with (
        deny(ResourceType.TOPIC, "*", AclOperation.WRITE),
        deny(ResourceType.BROKER, CLUSTER, AclOperation.IDEMPOTENT_WRITE),
    ):
        words = _last_words(start(as_worker, wait=False))
    assert words.startswith("trigger-worker: The worker may not write: ")
    assert "Cluster authorization failed. Grant its principal WRITE on the outgoing" in words


def test_no_right_to_write_to_one_topic_is_said(
    start: Start, as_worker: dict[str, object], load: Load, topics: Topics, deny: Deny
) -> None:
    load.fire(30)
    with deny(ResourceType.TOPIC, topics.failures, AclOperation.WRITE):
        words = _last_words(start(as_worker, wait=False))
    assert words == (
        f"trigger-worker: The worker may not write to {topics.failures}: Broker: Topic "
        "authorization failed. Grant its principal WRITE on the topic; nothing is lost meanwhile."
    )


@pytest.mark.parametrize("operation", [AclOperation.READ, AclOperation.DESCRIBE])
def test_no_right_to_read_the_triggers_is_said(
    start: Start,
    as_worker: dict[str, object],
    load: Load,
    topics: Topics,
    deny: Deny,
    operation: AclOperation,
) -> None:
    load.fire(10)
    with deny(ResourceType.TOPIC, topics.triggers, operation):
        words = _last_words(start(as_worker, wait=False))
    assert "Topic authorization failed. " in words
    assert topics.triggers in words
    assert "Grant its principal READ" in words or "grant the right" in words


@pytest.mark.parametrize("operation", [AclOperation.READ, AclOperation.DESCRIBE])
def test_no_right_to_the_group_is_said(
    start: Start,
    as_worker: dict[str, object],
    load: Load,
    topic_prefix: str,
    deny: Deny,
    operation: AclOperation,
) -> None:
    load.fire(10)
    with deny(ResourceType.GROUP, f"{topic_prefix}-worker", operation):
        words = _last_words(start(as_worker, wait=False))
    assert words.startswith(
        f"trigger-worker: The worker may not join the group {topic_prefix}-worker"
    )
    assert words.endswith(
        "Group authorization failed. Grant its principal READ on the consumer group."
    )


def test_dead_letters_that_may_not_be_replayed_say_why(
    settings: Settings,
    as_worker: dict[str, object],
    topics: Topics,
    database: str,
    deny: Deny,
) -> None:
    sql.execute(
        database,
        f"""
        insert into awp_trigger_ledger (topic, topic_id, "partition")
        values ('{topics.triggers}', 'i', 0);
        insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, value)
        select id, 1, 'made up', '\\x90', 'x' from awp_trigger_ledger;
        """,
    )
    env = environment(settings.model_copy(update=as_worker))
    with (
        deny(ResourceType.TOPIC, "*", AclOperation.WRITE),
        deny(ResourceType.BROKER, CLUSTER, AclOperation.IDEMPOTENT_WRITE),
    ):
        ended = trigger_worker("dlq", "replay", "--all", "--yes", env=env)
    assert "Traceback" not in ended.stderr
    assert (ended.status, PASSWORD in ended.stderr) == (1, False)
    assert "not acknowledged: 1 (" in ended.stdout
    assert "Cluster authorization failed" in ended.stdout


def test_a_wrong_password_is_said_without_the_password(
    start: Start, as_worker: dict[str, object]
) -> None:
    wrong = {**as_worker, "kafka_password": SecretStr("sesame-shut")}
    worker = start(wrong, wait=False)
    words = _last_words(worker)
    assert "do not let the user worker in: Authentication failed" in words
    assert "TRIGGER_WORKER_KAFKA_" in words
    assert "sesame-shut" not in worker.words()


def test_a_sign_in_that_fails_at_one_broker_alone_ends_nothing(
    settings: Settings, as_worker: dict[str, object], topics: Topics
) -> None:
    """librdkafka says the same of a wrong password and of a broker that dies while it is asked."""
    signing_in = settings.model_copy(update=as_worker)
    consumer = TopicConsumer(
        KafkaSettings.of(signing_in),
        signing_in,
        topics.triggers,
    )
    consumer.join(lambda _: None, lambda _: None)
    try:
        consumer._note_error(KafkaError(KafkaError._AUTHENTICATION, "it was disconnected"))
        assert consumer.fetch(1, 1000, 0.2) == []
    finally:
        consumer.close()
