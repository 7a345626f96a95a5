"""Sends triggers (kafka-python): for common-job, and for everybody who fires a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.future import Future

from job_trigger_schemas import brokers as asked
from job_trigger_schemas.brokers import Options
from job_trigger_schemas.cloudevents import TYPE_JOB_TRIGGER, headers
from job_trigger_schemas.errors import JobTriggerError
from job_trigger_schemas.identity import execution_id
from job_trigger_schemas.job_trigger import JobTrigger
from job_trigger_schemas.topics import Topics

Compression = Literal["gzip", "snappy", "lz4", "zstd"]

HeaderOf = Callable[[bytes], tuple[str, bytes]]
"""A header of one's own for a message with this body, such as a signature."""

TOPIC = Topics.under("awp").triggers
_BATCH_BYTES = 131_072
_LINGER_MS = 2
_CONNECT_S = 10.0
_GRACE_S = 1.0
"""So that the client's own verdict, which knows why, comes before ours."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Published:
    """A trigger that the brokers acknowledged, and its place in the topic."""

    trigger: JobTrigger
    partition: int
    offset: int


class NotAcknowledged(JobTriggerError):
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
        total = len(failed) + len(published)
        were = f"{total:,} {'trigger was' if total == 1 else 'triggers were'}"
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
        from job_trigger_schemas.publisher import NotAcknowledged, TriggerPublisher

        with TriggerPublisher("127.0.0.1:9092") as publisher:
            slot = datetime(2026, 11, 20, 8, 0, tzinfo=UTC).isoformat()
            trigger = JobTrigger(job_id="17", scheduled_at=slot)
            try:
                publisher.publish([trigger])
            except NotAcknowledged as error:
                keep_for_later(error.failed)
    """

    def __init__(
        self,
        brokers: str,
        *,
        topic: str = TOPIC,
        client_options: Options | None = None,
        compression: Compression | None = None,
        source: str = "common-job",
        timeout_s: float = 30.0,
    ) -> None:
        """Connect to brokers (host:port, comma-separated).

        `client_options` are keyword arguments of kafka-python (TLS, SASL); `source` is the
        CloudEvents source of what is sent. Raises `BrokersAway` when no broker answers within 10 s
        (or `timeout_s`), `TopicMissing`, and `NotAuthorized`.
        """
        self._topic = topic
        self._source = source
        self._timeout_s = timeout_s
        connect_s = min(timeout_s, _CONNECT_S)
        client = asked.options(brokers, client_options)
        asked.require_topic(client, topic, timeout_s=connect_s)
        timeout_ms = int(timeout_s * 1000)
        with asked.errors_of_ours(client, connect_s):
            self._producer = asked.connected(
                KafkaProducer,
                **client,
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
        header_of: HeaderOf | None = None,
    ) -> list[Published]:
        """Send triggers and return when each is acknowledged, in the order given.

        Holds all of them in memory: give a few thousand at a time. `traceparent` (W3C Trace
        Context) goes with each, and so does the header that `header_of` makes of its body. Raises
        `NotAcknowledged` with what failed and what did not, within about the deadline.
        """
        wanted = list(triggers)
        deadline = time.monotonic() + self._timeout_s + _GRACE_S
        sent: list[Future] = []
        reason = ""
        try:
            for trigger in wanted:
                sent.append(self._send(trigger, traceparent, header_of))  # noqa: PERF401 - keeps what was sent
        except KafkaError as error:  # no metadata, or the buffer stayed full
            reason = str(error)
        published: list[Published] = []
        failed: list[JobTrigger] = []
        for trigger, future in zip(wanted, sent, strict=False):
            try:
                answer = future.get(timeout=max(0.0, deadline - time.monotonic()))
            except KafkaError as error:
                failed.append(trigger)
                reason = reason or str(error)
            else:
                published.append(Published(trigger, answer.partition, answer.offset))
        failed += wanted[len(sent) :]
        if failed:
            raise NotAcknowledged(failed, published, reason)
        return published

    def _send(
        self, trigger: JobTrigger, traceparent: str | None, header_of: HeaderOf | None
    ) -> Future:
        body = trigger.model_dump_json(exclude_none=True).encode()
        pairs = headers(
            event_type=TYPE_JOB_TRIGGER,
            event_id=str(trigger.trigger_id or execution_id(trigger)),
            time=trigger.fired_at.isoformat(),
            source=self._source,
            traceparent=traceparent,
        )
        if header_of is not None:
            pairs.append(header_of(body))
        return self._producer.send(
            self._topic, value=body, key=str(trigger.job_id).encode(), headers=pairs
        )


def describe(trigger: JobTrigger) -> str:
    """A trigger by name: its job and slot."""
    return f"job {trigger.job_id} at {trigger.scheduled_at.isoformat()}"
