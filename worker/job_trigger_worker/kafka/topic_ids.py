"""The id of a topic, and where its logs begin and end.

A topic deleted and made again has the same name and another id.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from typing import Any, Self

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    OffsetSpec,
)

from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka import connectivity
from job_trigger_worker.kafka.errors import (
    REFUSALS,
    REMEDY,
    SIGN_IN,
    describe,
    first_error,
    may_not_read,
)
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import CLOSE_S, close_admin
from job_trigger_worker.kafka.topic_settings import (
    COMPRESSION,
    UNPACKED,
    compaction_problem,
    size_problems,
)
from job_trigger_worker.logs import logger

log = logger(__name__)

_ENDS: tuple[Any, ...] = (OffsetSpec.earliest(), OffsetSpec.latest())  # type: ignore[no-untyped-call]

_SILENCE = "no answer"


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic as the brokers know it now."""

    name: str
    topic_id: str
    partitions: int


class TopicIds:
    """Asks the brokers about topics; an answer takes `deadline_s` at most. A context manager.

    librdkafka asks the broker that it once heard to be the controller, and goes on asking it when
    it is dead: after a question without an answer the next one is another client's.
    """

    def __init__(self, kafka: KafkaSettings, deadline_s: float = 5.0) -> None:
        self._kafka = kafka
        self._deadline_s = deadline_s
        self._brokers = kafka.brokers
        self._complaint: KafkaError | None = None
        self._config = {**kafka.confluent(), "log_level": 2, "error_cb": self._note}
        self._admin = self._connected()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect, within the deadline."""
        close_admin(self._admin, min(CLOSE_S, self._deadline_s))

    def describe(self, topic: str) -> TopicDescription | None:
        """The topic of that name, None where there is none.

        Raises `Transient` without brokers, `FatalError` when they refuse us.
        """
        self._complaint = None
        asked = self._admin.describe_topics(
            TopicCollection([topic]), request_timeout=self._deadline_s
        )
        try:
            found = asked[topic].result(timeout=self._deadline_s + 1)
        except Late:  # a process that was frozen meanwhile
            self._connect_anew()
            raise Transient(f"The brokers did not describe {topic} in time.") from None
        except KafkaException as error:
            cause = first_error(error)
            if cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            self._admin.poll(0)  # runs `_note`
            reason = self._complaint or cause
            self._connect_anew()
            if SIGN_IN in {cause.code(), reason.code()}:
                connectivity.check(self._kafka, self._deadline_s)
            elif {cause.code(), reason.code()} & REFUSALS:
                raise FatalError(
                    f"The brokers at {self._brokers} do not let us see {topic}: "
                    f"{describe(reason)}.",
                    remedy=REMEDY,
                ) from error
            raise Transient(
                f"The brokers at {self._brokers} do not describe {topic}: {describe(reason)}."
            ) from error
        return TopicDescription(topic, str(found.topic_id), len(found.partitions))

    def bounds(
        self, topic: str, partitions: Iterable[int]
    ) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
        """Offset of the first message that each log still holds, and the one after its last.

        And why they are not known of others, by partition. Not asked by a consumer: its questions
        stand behind the fetch that a broker may hold for half a second. The embedded broker names
        the last batch's first message as the end: a position beyond it is beyond the log only if
        the broker refuses it, too (`PartitionFlow.out_of_range`). Raises `FatalError` when they
        refuse us.

        librdkafka (2.16) gives what no leader has told as a negative offset, and no error; and it
        goes on asking under the epoch of a leader that is gone. So after a question that is not
        answered for every partition the next one is another client's.
        """
        places = [TopicPartition(topic, partition) for partition in partitions]
        asked = [
            self._admin.list_offsets(
                dict.fromkeys(places, each),
                isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=self._deadline_s,
            )
            for each in _ENDS
            if places
        ]
        bounds: dict[int, tuple[int, int]] = {}
        reasons: dict[int, str] = {}
        for place in places:
            try:
                first, end = (
                    each[place].result(timeout=self._deadline_s + 1).offset for each in asked
                )
            except Late:
                reason = _SILENCE
            except KafkaException as failure:
                error = first_error(failure)
                if error.code() in REFUSALS:
                    raise may_not_read(topic, error) from failure
                reason = describe(error)
            else:
                if min(first, end) >= 0:
                    bounds[place.partition] = first, end
                    continue
                reason = _SILENCE
            reasons[place.partition] = (
                f"The bounds of partition {place.partition} of {topic} cannot be read: {reason}."
            )
        if reasons:
            self._connect_anew()
        return bounds, reasons

    def check_settings(self, topic: str) -> bool:
        """Hold the settings of a topic that we read against what reading it needs.

        Returns whether the brokers leave it to readers to unpack what they are sent.
        Raises `FatalError` for compaction, which deletes triggers before they are read; warns,
        loudly, of what may cost a worker more memory than it has, and where the brokers do not
        tell.
        """
        settings = self._settings(topic)
        if settings is None:
            return False
        for problem in compaction_problem(topic, settings):
            raise FatalError(f"{topic} cannot be read: {problem.problem}", remedy=problem.remedy)
        for problem in size_problems(topic, settings):
            log.warning(
                "topic_settings", topic=topic, problem=problem.problem, remedy=problem.remedy
            )
        return settings.get(COMPRESSION, UNPACKED) != UNPACKED

    def compaction(self, topic: str) -> str | None:
        """What a topic's compaction deletes, in a sentence; empty without, None if unknown."""
        settings = self._settings(topic)
        if settings is None:
            return None
        return " ".join(problem.problem for problem in compaction_problem(topic, settings))

    def _settings(self, topic: str) -> dict[str, str] | None:
        """The settings of a topic; None, with a warning, where the brokers do not tell them."""
        asked = self._admin.describe_configs(
            [ConfigResource(ConfigResource.Type.TOPIC, topic)], request_timeout=self._deadline_s
        )
        try:
            (told,) = [each.result(timeout=self._deadline_s + 1) for each in asked.values()]
        except (Late, KafkaException) as error:
            is_refused = isinstance(error, KafkaException)
            log.warning(
                "topic_settings_unknown",
                topic=topic,
                reason=describe(first_error(error)) if is_refused else "no answer",
                remedy="grant DESCRIBE_CONFIGS (deploy/acls.md), or run topics check",
            )
            return None
        return {name: each.value for name, each in told.items() if each.value is not None}

    def _connect_anew(self) -> None:
        self.close()
        self._admin = self._connected()

    def _connected(self) -> AdminClient:
        return AdminClient(self._config, logger=logging.getLogger(__name__))

    def _note(self, error: KafkaError) -> None:
        self._complaint = error
