"""Topic administration: create the six topics, check that they are fit for use."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, TopicDescription

from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka import connectivity
from job_trigger_worker.kafka.errors import describe, first_error
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_admin
from job_trigger_worker.kafka.topic_settings import COMPRESSION, UNPACKED

Answer = TypeVar("Answer")

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
_GRACE_S = 1.0
"""So that the client's own answer, which knows why, comes before ours."""

_AWAY = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001  # librdkafka's own codes begin with _
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
    }
)
_TOO_FEW_BROKERS = (
    "Give `topics create --replication N` at most as many replicas as there are brokers."
)


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is. `config` holds what the broker reports; what is missing is unknown."""

    name: str
    topic_id: str
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
        connectivity.check(settings, timeout_s)
        self._admin = _client(settings.confluent())
        try:
            self.broker_count()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        close_admin(self._admin)

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
        wanted = [
            NewTopic(
                name,
                num_partitions=partitions,
                replication_factor=replication,
                config=_config(name, topics, replication),
            )
            for name in topics.all()
        ]
        with self._errors_of_ours():
            asked = self._admin.create_topics(
                wanted, operation_timeout=self._timeout_s, request_timeout=self._timeout_s
            )
        is_new = {name: self._is_done(name, made, _EXISTS) for name, made in asked.items()}
        states = self._with_leaders(topics.all())
        return [
            CreatedTopic(name=name, is_new=is_new[name], partitions=states[name].partitions)
            for name in topics.all()
        ]

    def describe(self, names: tuple[str, ...]) -> dict[str, TopicState]:
        """The state of each topic that exists, by name, in the order of `names`."""
        found = self._described(names)
        configs = self._configs(found)
        return {name: _state(found[name], configs.get(name, {})) for name in found}

    def require(self, name: str) -> None:
        """Return when the topic exists; raises `FatalError` that says how to make it otherwise."""
        if not self._described((name,)):
            raise FatalError(
                f"The topic {name} does not exist at {self._brokers}.",
                remedy="Run `trigger-worker topics create`, or check TRIGGER_WORKER_TOPIC_PREFIX.",
            )

    def delete(self, names: tuple[str, ...]) -> None:
        """Delete topics and return when they are gone; one that does not exist is no error."""
        with self._errors_of_ours():
            asked = self._admin.delete_topics(
                list(names), operation_timeout=self._timeout_s, request_timeout=self._timeout_s
            )
        for name, gone in asked.items():
            self._is_done(name, gone, _MISSING)
        deadline = time.monotonic() + self._timeout_s
        while self._described(names):
            if time.monotonic() > deadline:
                raise Transient(f"{self._brokers} have not deleted {', '.join(names)} yet.")
            time.sleep(_POLL_S)

    def broker_count(self) -> int:
        """How many brokers the cluster has."""
        with self._errors_of_ours():
            asked = self._admin.describe_cluster(request_timeout=self._timeout_s)
            return len(self._answer(asked).nodes)

    def _described(self, names: Iterable[str]) -> dict[str, TopicDescription]:
        """The topics that exist, in the order of `names`."""
        found = {}
        with self._errors_of_ours():
            asked = self._admin.describe_topics(
                TopicCollection(list(names)), request_timeout=self._timeout_s
            )
        for name, answer in asked.items():
            with self._errors_of_ours(name):
                try:
                    found[name] = self._answer(answer)
                except KafkaException as error:
                    if first_error(error).code() != _MISSING:
                        raise
        return found

    def _configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The settings that the brokers tell; an older broker, or one that refuses, tells none."""
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        configs = {}
        if resources:
            asked = self._admin.describe_configs(resources, request_timeout=self._timeout_s)
            for resource, answer in asked.items():
                try:
                    entries = self._answer(answer)
                except (KafkaException, TooLate):
                    continue
                known = {key: each.value for key, each in entries.items()}
                configs[resource.name] = {k: v for k, v in known.items() if v is not None}
        return configs

    def _with_leaders(self, names: tuple[str, ...]) -> dict[str, TopicState]:
        """The state of topics that were created; the broker asked may hear of them last."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            states = self.describe(names)
            missing = [name for name in names if name not in states or states[name].leaderless]
            if not missing:
                return states
            if time.monotonic() > deadline:
                raise Transient(
                    f"{self._brokers} do not serve {', '.join(missing)} yet, which was created."
                )
            time.sleep(_POLL_S)

    def _is_done(self, topic: str, asked: Future[None], harmless: int) -> bool:
        """True when it was done now, False where there was nothing to do."""
        with self._errors_of_ours(topic):
            try:
                self._answer(asked)
            except KafkaException as error:
                if first_error(error).code() != harmless:
                    raise
                return False
        return True

    def _answer(self, asked: Future[Answer]) -> Answer:
        return asked.result(timeout=self._timeout_s + _GRACE_S)

    @contextmanager
    def _errors_of_ours(self, topic: str = "") -> Iterator[None]:
        """Raise what the brokers say as ours, and for which topic they say it."""
        try:
            yield
        except TooLate as late:
            raise self._no_answer("no answer") from late
        except KafkaException as failure:
            error = first_error(failure)
            if error.retriable() or error.code() in _AWAY:
                raise self._no_answer(describe(error)) from failure
            raise FatalError(
                f"The brokers at {self._brokers} refused: {f'{topic}: ' if topic else ''}"
                f"{describe(error)}.",
                remedy=_TOO_FEW_BROKERS
                if error.code() == KafkaError.INVALID_REPLICATION_FACTOR
                else "Check the rights of this user and the values given.",
            ) from failure

    def _no_answer(self, reason: str) -> Transient:
        return Transient(
            f"No answer from the brokers at {self._brokers} within {self._timeout_s:.0f} s "
            f"({reason}).",
            remedy="Check TRIGGER_WORKER_KAFKA_BROKERS and that the brokers run.",
        )


_EXISTS = KafkaError.TOPIC_ALREADY_EXISTS
_MISSING = KafkaError.UNKNOWN_TOPIC_OR_PART


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
    remaining_s = max(0.01, deadline - time.monotonic())
    admin = _client({"bootstrap.servers": brokers})
    try:
        asked = admin.describe_cluster(request_timeout=remaining_s)
        return len(asked.result(timeout=remaining_s).nodes) > 0
    except (KafkaException, TooLate):
        return False
    finally:
        close_admin(admin)


def _client(config: Mapping[str, Any]) -> AdminClient:
    """A client that keeps its complaints to itself: each call says what is wrong."""
    quiet = {**config, "log_level": 0, "error_cb": lambda _: None}
    return AdminClient(quiet, logger=logging.getLogger(__name__))


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


def _state(described: TopicDescription, config: Mapping[str, str]) -> TopicState:
    partitions = described.partitions
    return TopicState(
        name=described.name,
        topic_id=str(described.topic_id),
        partitions=len(partitions),
        leaderless=tuple(
            sorted(each.id for each in partitions if each.leader is None or each.leader.id < 0)
        ),
        replicas=min((len(each.replicas) for each in partitions), default=0),
        config=config,
    )
