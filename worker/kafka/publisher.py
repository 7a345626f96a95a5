"""Sends triggers (kafka-python): the class for common-job, and for everybody who fires a job."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.future import Future

from job_trigger_schemas import JobTrigger
from job_trigger_schemas.cloudevents import TYPE_JOB_TRIGGER, headers
from worker.domain.counting import counted
from worker.domain.signatures import Note
from worker.domain.trigger import schedule_key
from worker.errors import Transient
from worker.kafka.admin import TopicAdmin, no_answer
from worker.kafka.settings import KafkaSettings

Compression = Literal["gzip", "snappy", "lz4", "zstd"]

_BATCH_BYTES = 131_072
_LINGER_MS = 2
_CONNECT_S = 10.0
_GRACE_S = 1.0
"""So that the client's own verdict, which knows why, comes before ours."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Published:
    """A trigger that the brokers acknowledged, and where it stands."""

    trigger: JobTrigger
    partition: int
    offset: int


class NotAcknowledged(Transient):
    """Triggers that may or may not have arrived: send the same ones again.

    The worker recognises a repeat by job and slot, or job and `trigger_id`, and counts it.
    """

    def __init__(
        self, failed: Sequence[JobTrigger], published: Sequence[Published], reason: str
    ) -> None:
        self.failed = tuple(failed)
        self.published = tuple(published)
        named = ", ".join(describe(each) for each in self.failed[:_NAMED])
        more = f" and {len(self.failed) - _NAMED:,} more" if len(self.failed) > _NAMED else ""
        were = counted(len(failed) + len(published), "trigger was", "triggers were")
        super().__init__(
            f"{len(self.failed):,} of {were} not acknowledged ({reason}): {named}{more}.",
            remedy="Send these again; a trigger that did arrive is recognised as a repeat.",
        )


class TriggerPublisher:
    """Publishes triggers so that none is lost on the way.

    Acknowledged by all in-sync replicas, without repeats of the client's own, in order for each job
    (key: job id, murmur2). Threads may share one. Usage::

        from datetime import UTC, datetime
        from job_trigger_schemas import JobTrigger
        from worker.config import load
        from worker.kafka.publisher import NotAcknowledged, TriggerPublisher
        from worker.kafka.settings import KafkaSettings

        with TriggerPublisher(KafkaSettings.of(load(kafka_brokers="127.0.0.1:9092"))) as publisher:
            slot = datetime(2026, 11, 20, 8, 0, tzinfo=UTC).isoformat()
            trigger = JobTrigger(job_id="17", scheduled_at=slot)
            try:
                publisher.publish([trigger])
            except NotAcknowledged as error:
                keep_for_later(error.failed)
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        compression: Compression | None = None,
        source: str = "common-job",
        timeout_s: float = 30.0,
    ) -> None:
        """Connect. `source` is the CloudEvents source of what is sent.

        Raises `Transient` when no broker answers within 10 s (or `timeout_s`), `Stop` when the
        trigger topic does not exist.
        """
        self._topic = kafka.topics.triggers
        self._source = source
        self._timeout_s = timeout_s
        connect_s = min(timeout_s, _CONNECT_S)
        with TopicAdmin(kafka, timeout_s=connect_s) as admin:
            admin.require(self._topic)
        timeout_ms = int(timeout_s * 1000)
        try:
            self._producer = KafkaProducer(
                **kafka.kafka_python(),
                acks="all",
                enable_idempotence=True,  # said, so that a conflicting setting is an error
                compression_type=compression,
                batch_size=_BATCH_BYTES,
                linger_ms=_LINGER_MS,
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=int(connect_s * 1000),
                max_block_ms=timeout_ms,
                delivery_timeout_ms=timeout_ms,
                request_timeout_ms=max(1, min(timeout_ms - _LINGER_MS, 10_000)),
            )
        except KafkaError as error:
            raise no_answer(kafka.brokers, connect_s, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect, within the deadline; nothing is under way after `publish` has returned."""
        self._producer.close(timeout=self._timeout_s)

    def publish(
        self,
        triggers: Iterable[JobTrigger],
        *,
        traceparent: str | None = None,
        note: Note | None = None,
    ) -> list[Published]:
        """Send triggers and return when each is acknowledged, in the order given.

        Holds all of them in memory: give a few thousand at a time. `traceparent` (W3C Trace
        Context) goes with each, and so does a reference to the console's `note`. Raises
        `NotAcknowledged` with what failed and what did not, within about the deadline.
        """
        asked = list(triggers)
        deadline = time.monotonic() + self._timeout_s + _GRACE_S
        sent: list[Future] = []
        reason = ""
        try:
            for trigger in asked:
                sent.append(self._send(trigger, traceparent, note))  # noqa: PERF401 - keeps what was sent
        except KafkaError as error:  # no metadata, or the buffer stayed full
            reason = str(error)
        published: list[Published] = []
        failed: list[JobTrigger] = []
        for trigger, future in zip(asked, sent, strict=False):
            try:
                answer = future.get(timeout=max(0.0, deadline - time.monotonic()))
            except KafkaError as error:
                failed.append(trigger)
                reason = reason or str(error)
            else:
                published.append(Published(trigger, answer.partition, answer.offset))
        failed += asked[len(sent) :]
        if failed:
            raise NotAcknowledged(failed, published, reason)
        return published

    def _send(self, trigger: JobTrigger, traceparent: str | None, note: Note | None) -> Future:
        body = trigger.model_dump_json(exclude_none=True).encode()
        pairs = headers(
            event_type=TYPE_JOB_TRIGGER,
            event_id=str(trigger.trigger_id or _derived_id(trigger)),
            time=trigger.fired_at.isoformat(),
            source=self._source,
            traceparent=traceparent,
        )
        if note is not None:
            pairs.append(note.header(body))
        return self._producer.send(
            self._topic, value=body, key=str(trigger.job_id).encode(), headers=pairs
        )


def describe(trigger: JobTrigger) -> str:
    """A trigger by name: its job and slot."""
    return f"job {trigger.job_id} at {trigger.scheduled_at.isoformat()}"


def _derived_id(trigger: JobTrigger) -> str:
    return str(schedule_key(trigger.job_id, trigger.scheduled_at))
