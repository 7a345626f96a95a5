"""Sends triggers for people who wait for an answer: connected when needed, and quick to give up."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from job_trigger_schemas import JobTrigger
from job_trigger_schemas.publisher import NotAcknowledged, TriggerPublisher
from job_trigger_worker.domain.signatures import Note
from job_trigger_worker.errors import BrokersAway, Transient
from job_trigger_worker.kafka import publisher as publishers
from job_trigger_worker.kafka.settings import KafkaSettings

SOURCE = "trigger-worker-console"
_TIMEOUT_S = 5.0


class LazyTriggerPublisher:
    """One publisher, made when the first trigger is sent, and made again after a failure.

    A process that sends rarely can so start and keep running while brokers are away. Threads may
    share one; `close` ends it.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._lock = Lock()
        self._publisher: TriggerPublisher | None = None

    def send(
        self,
        triggers: Sequence[JobTrigger],
        *,
        traceparent: str | None = None,
        note: Note | None = None,
    ) -> None:
        """Return when the brokers have all of them.

        Raises `BrokersAway` when they do not within 5 s (10 s where a connection has to be made
        first), `FatalError` when the trigger topic does not exist.
        """
        try:
            publisher = self._connected()
        except Transient as error:
            raise BrokersAway(error.message, remedy=error.remedy) from error
        try:
            publisher.publish(
                triggers, traceparent=traceparent, header_of=note.header if note else None
            )
        except NotAcknowledged as error:
            self._forget(publisher)
            raise BrokersAway(error.message, remedy=error.remedy) from error
        except Exception:
            self._forget(publisher)
            raise

    def close(self) -> None:
        """Disconnect."""
        with self._lock:
            publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    def _connected(self) -> TriggerPublisher:
        with self._lock:
            if self._publisher is None:
                self._publisher = publishers.connect(
                    self._kafka, source=SOURCE, timeout_s=_TIMEOUT_S
                )
            return self._publisher

    def _forget(self, publisher: TriggerPublisher) -> None:
        """Let a publisher go that has failed, unless another thread has done so already."""
        with self._lock:
            if self._publisher is not publisher:
                return
            self._publisher = None
        publisher.close()
