"""Creates the changelog's topic, because Faust would create it with one replica."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.errors import describe
from job_trigger_worker.kafka.shutdown import close_admin
from job_trigger_worker.logs import logger

log = logger(__name__)

_ASK_S = 2.0
"""A process that is told to end waits for the question that is under way."""

_MAKE_S = 10.0
_CREATED_S = 15.0
_POLL_S = 0.05
_BROKER_DEFAULT = -1
_CONFIG = {
    "cleanup.policy": "compact,delete",
    "retention.ms": str(2 * 3_600_000),
    "segment.ms": str(10 * 60_000),
}
"""Twice the longest window: what is older is not needed, and a start reads all of it."""


class Changelog:
    """A topic with as many partitions as the failure topic, and the brokers' default of replicas.

    Every call ends within about 30 s. Raises `Transient` when no broker answers, `FatalError` when
    they refuse. `confluent` is librdkafka's configuration.
    """

    def __init__(self, confluent: Mapping[str, Any], name: str) -> None:
        config = {**confluent, "log_level": 0, "error_cb": self._hear}
        self._admin = AdminClient(config, logger=logging.getLogger(__name__))
        self._name = name
        self._heard: KafkaError | None = None

    def close(self) -> None:
        """Disconnect, within 2 s."""
        close_admin(self._admin)

    def partitions(self, topic: str) -> int | None:
        """How many partitions a topic has, None where it does not exist."""
        asked = self._admin.describe_topics(TopicCollection([topic]), request_timeout=_ASK_S)
        try:
            return len(asked[topic].result(timeout=2 * _ASK_S).partitions)
        except KafkaException as error:
            if _code(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise self._refused(error, topic) from error
        except TimeoutError:
            raise Transient(f"The brokers do not describe {topic} in time.") from None

    def ensure(self, partitions: int) -> None:
        """Make the topic, or make it wider, and return when it is there."""
        found = self.partitions(self._name)
        if found is None:
            topic = NewTopic(
                self._name,
                num_partitions=partitions,
                replication_factor=_BROKER_DEFAULT,
                config=_CONFIG,
            )
            made = self._admin.create_topics([topic], request_timeout=_MAKE_S)
            self._wait_for(made[self._name], KafkaError.TOPIC_ALREADY_EXISTS)
        elif found < partitions:
            wider = NewPartitions(self._name, partitions)
            made = self._admin.create_partitions([wider], request_timeout=_MAKE_S)
            self._wait_for(made[self._name], KafkaError.INVALID_PARTITIONS)
        elif found > partitions:
            raise FatalError(
                f"The topic {self._name} has {found} partitions, the failure topic {partitions}.",
                remedy=f"The failure topic was made again: delete {self._name}, it holds counts "
                "of the last hour only.",
            )
        deadline = time.monotonic() + _CREATED_S
        while self.partitions(self._name) != partitions:
            if time.monotonic() > deadline:
                raise Transient(f"The topic {self._name} is made, and the brokers do not show it.")
            time.sleep(_POLL_S)

    def _hear(self, error: KafkaError) -> None:
        """What is wrong with the connections; a request itself only says that it timed out."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._heard = error

    def _wait_for(self, made: Future[None], harmless: int) -> None:
        try:
            made.result(timeout=2 * _MAKE_S)
        except KafkaException as error:
            if _code(error) != harmless:  # another process made it at the same time
                raise self._refused(error, self._name) from error
        except TimeoutError:
            raise Transient(f"The brokers do not make {self._name} in time.") from None

    def _refused(self, error: KafkaException, topic: str) -> Transient | FatalError:
        self._heard = None
        self._admin.poll(0)  # has `_hear` called
        if self._heard is not None and self._heard.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001
            return FatalError(
                f"The brokers do not let us in: {describe(self._heard)}.",
                remedy="Check TRIGGER_WORKER_KAFKA_USERNAME, …_PASSWORD and …_SASL_MECHANISM.",
            )
        reason = describe(self._heard or error.args[0])
        if error.args[0].retriable() or _code(error) in _AWAY:
            return Transient(f"The brokers do not answer: {reason}.")
        if topic != self._name:
            return FatalError(
                f"The streams may not read {topic}: {reason}.",
                remedy="Grant their principal READ on the topic (deploy/acls.md).",
            )
        return FatalError(
            f"The brokers refused the changelog {self._name}: {reason}.",
            remedy="Allow this user to create and describe it, or make it with the failure topic's "
            "number of partitions and cleanup.policy=compact,delete.",
        )


_AWAY = frozenset(
    {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT}  # noqa: SLF001
)


def _code(error: KafkaException) -> int:
    return int(error.args[0].code())
