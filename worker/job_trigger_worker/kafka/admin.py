"""Topic administration (kafka-python): create the six topics, check that they are fit for use."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import (
    InvalidReplicationFactorError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    RetriableError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from job_trigger_schemas.brokers import connected
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka import connectivity
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_settings import COMPRESSION, UNPACKED

DEFAULT_PARTITIONS = 6
BROKER_DEFAULT = -1
"""A replication factor that leaves the number to the broker."""

MAX_MESSAGE_BYTES = 1_048_588
"""What our topics accept; Kafka's own default, set so that a smaller one does not apply. A
dispatch of 900 KiB fits, a trigger of 256 KiB with its headers, and a batch of librdkafka
(`message.max.bytes`, 1,000,000), which no client splits that the brokers refuse."""

_DAY_MS = 86_400_000
_RETENTION_MS = 7 * _DAY_MS
_DEAD_LETTER_RETENTION_MS = 30 * _DAY_MS
_SAFE_REPLICAS = 3
_POLL_S = 0.02
_TOO_FEW_BROKERS = (
    "Give `topics create --replication N` at most as many replicas as there are brokers."
)


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is. `config` holds what the broker reports; what is missing is unknown."""

    name: str
    topic_id: UUID | None
    partitions: int
    leaderless: tuple[int, ...]
    replicas: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CreatedTopic:
    """A topic after `create`: made now, or there before with `partitions` of its own."""

    name: str
    is_new: bool
    partitions: int


class TopicAdmin:
    """A connection for administration; a context manager.

    Every call ends within about `timeout_s`. Raises `Transient` when no broker answers,
    `FatalError` when it answers with a refusal (a certificate, a password, rights, an impossible
    replication factor).
    """

    def __init__(self, settings: KafkaSettings, *, timeout_s: float = 15.0) -> None:
        self._brokers = settings.brokers
        self._timeout_s = timeout_s
        timeout_ms = int(timeout_s * 1000)
        connectivity.check(settings, timeout_s)
        with self._errors_of_ours():
            self._client = connected(
                KafkaAdminClient,
                **settings.kafka_python(),
                bootstrap_timeout_ms=timeout_ms,
                request_timeout_ms=timeout_ms,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; a second call does nothing."""
        self._client.close()

    def create(
        self,
        topics: Topics,
        *,
        partitions: int = DEFAULT_PARTITIONS,
        replication: int = BROKER_DEFAULT,
    ) -> list[CreatedTopic]:
        """Create what is missing and return when each has its leaders; what exists is left alone.

        With three replicas or more, an acknowledgement needs two (`min.insync.replicas`).
        """
        wanted = {
            name: {
                "num_partitions": partitions,
                "replication_factor": replication,
                "configs": _config(name, topics, replication),
            }
            for name in topics.all()
        }
        with self._errors_of_ours():
            answer = self._client.create_topics(
                wanted, timeout_ms=int(self._timeout_s * 1000), raise_errors=False
            )
            is_new = {each["name"]: _is_created(each) for each in answer["topics"]}
            self._wait_for_leaders(topics.all())
        states = self._described(topics.all())
        return [
            CreatedTopic(name=name, is_new=is_new[name], partitions=states[name].partitions)
            for name in topics.all()
        ]

    def describe(self, names: tuple[str, ...]) -> dict[str, TopicState]:
        """The state of each topic that exists, by name, in the order of `names`."""
        with self._errors_of_ours():
            found = {
                each["name"]: each
                for each in self._client.describe_topics(list(names))
                if _exists(each)
            }
            configs = self._configs(list(found))
        return {name: _state(found[name], configs.get(name, {})) for name in names if name in found}

    def require(self, name: str) -> None:
        """Return when the topic exists; raises `FatalError` that says how to make it otherwise."""
        with self._errors_of_ours():
            if any(_exists(each) for each in self._client.describe_topics([name])):
                return
        raise FatalError(
            f"The topic {name} does not exist at {self._brokers}.",
            remedy="Run `trigger-worker topics create`, or check TRIGGER_WORKER_TOPIC_PREFIX.",
        )

    def delete(self, names: tuple[str, ...]) -> None:
        """Delete topics and return when they are gone; one that does not exist is no error."""
        with self._errors_of_ours():
            answer = self._client.delete_topics(
                list(names), timeout_ms=int(self._timeout_s * 1000), raise_errors=False
            )
            for each in answer["topics"]:
                refusal = for_code(each["error_code"])
                if each["error_code"] and refusal is not UnknownTopicOrPartitionError:
                    raise refusal(f"{each['name']}: {each.get('error_message') or ''}")
            self._wait_until_gone(names)

    def broker_count(self) -> int:
        """How many brokers the cluster has."""
        with self._errors_of_ours():
            return len(self._client.describe_cluster()["brokers"])

    def _configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        try:
            # Asked without names of settings: the embedded broker drops the connection on them.
            answer = self._client.describe_configs(
                [ConfigResource("TOPIC", name) for name in names], config_filter="all"
            )
        except KafkaError:
            return {}  # rights or an older broker; what is not known is said to be not known
        return {
            name: {key: each["value"] for key, each in entries.items() if each["value"] is not None}
            for name, entries in answer.get("topic", {}).items()
        }

    def _wait_until_gone(self, names: tuple[str, ...]) -> None:
        deadline = time.monotonic() + self._timeout_s
        while any(_exists(each) for each in self._client.describe_topics(list(names))):
            if time.monotonic() > deadline:
                raise KafkaTimeoutError(f"topics are not deleted: {', '.join(names)}")
            time.sleep(_POLL_S)

    def _described(self, names: tuple[str, ...]) -> dict[str, TopicState]:
        """The state of topics that exist; the broker asked may be the last to hear of them."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            states = self.describe(names)
            if len(states) == len(names):
                return states
            if time.monotonic() > deadline:
                missing = ", ".join(name for name in names if name not in states)
                raise Transient(f"{self._brokers} do not know {missing} yet, which was created.")
            time.sleep(_POLL_S)

    def _wait_for_leaders(self, names: tuple[str, ...]) -> None:
        self._client.wait_for_topics(list(names), timeout_ms=int(self._timeout_s * 1000))

    @contextmanager
    def _errors_of_ours(self) -> Iterator[None]:
        try:
            yield
        except (RetriableError, KafkaConnectionError) as error:
            raise no_answer(self._brokers, self._timeout_s, error) from error
        except KafkaError as error:
            raise FatalError(
                f"The brokers at {self._brokers} refused: {str(error).rstrip('.')}.",
                remedy=_TOO_FEW_BROKERS
                if isinstance(error, InvalidReplicationFactorError)
                else "Check the rights of this user and the values given.",
            ) from error


def no_answer(brokers: str, timeout_s: float, error: KafkaError) -> Transient:
    """What to raise when brokers do not answer in time."""
    return Transient(
        f"No answer from the brokers at {brokers} within {timeout_s:.0f} s ({error}).",
        remedy="Check TRIGGER_WORKER_KAFKA_BROKERS and that the brokers run.",
    )


def answers(brokers: str, *, timeout_s: float) -> bool:
    """True when a plaintext broker at host:port accepts and answers a request in time."""
    host, _, port = brokers.rpartition(":")
    deadline = time.monotonic() + timeout_s
    try:
        with socket.create_connection((host, int(port)), timeout=timeout_s):
            pass
    except OSError:
        time.sleep(min(_POLL_S, timeout_s))
        return False
    remaining_ms = max(1, int((deadline - time.monotonic()) * 1000))
    try:
        client = connected(
            KafkaAdminClient,
            bootstrap_servers=[brokers],
            bootstrap_timeout_ms=remaining_ms,
            request_timeout_ms=remaining_ms,
        )
    except KafkaError:
        return False
    try:
        return len(client.describe_cluster()["brokers"]) > 0
    except KafkaError:
        return False
    finally:
        client.close()


def _config(name: str, topics: Topics, replication: int) -> dict[str, str]:
    is_dead_letters = name == topics.dead_letters
    config = {
        "cleanup.policy": "delete",
        "retention.ms": str(_DEAD_LETTER_RETENTION_MS if is_dead_letters else _RETENTION_MS),
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
    }
    if name in topics.consumed():
        config[COMPRESSION] = UNPACKED
    if replication >= _SAFE_REPLICAS:
        config["min.insync.replicas"] = "2"
    return config


def _is_created(answer: Mapping[str, Any]) -> bool:
    if not answer["error_code"]:
        return True
    refusal = for_code(answer["error_code"])
    if refusal is TopicAlreadyExistsError:
        return False
    raise refusal(f"{answer['name']}: {answer.get('error_message') or refusal.description}")


def _exists(described: Mapping[str, Any]) -> bool:
    error = for_code(described["error_code"])
    if error is UnknownTopicOrPartitionError:
        return False
    if described["error_code"] and not issubclass(error, RetriableError):
        raise error(described["name"])
    return True


def _state(described: Mapping[str, Any], config: Mapping[str, str]) -> TopicState:
    partitions = described["partitions"]
    topic_id = described.get("topic_id")
    return TopicState(
        name=described["name"],
        topic_id=UUID(str(topic_id)) if topic_id else None,
        partitions=len(partitions),
        leaderless=tuple(
            sorted(each["partition_index"] for each in partitions if each["leader_id"] < 0)
        ),
        replicas=min((len(each["replica_nodes"]) for each in partitions), default=0),
        config=config,
    )
