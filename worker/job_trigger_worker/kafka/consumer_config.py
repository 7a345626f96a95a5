"""The librdkafka settings of a consumer that is a member of our group."""

from __future__ import annotations

from typing import Any

from job_trigger_worker.config import Settings
from job_trigger_worker.kafka.settings import KafkaSettings

_LONGEST_CALL_S = 5.0


def consumer_config(kafka: KafkaSettings, settings: Settings, topic: str) -> dict[str, Any]:
    """Membership by polling alone, offsets by our own hand, and memory that is bounded."""
    # A process has a member for each topic that it reads.
    named = (
        {"group.instance.id": f"{settings.group_instance_id}.{topic}"}
        if settings.group_instance_id
        else {}
    )
    return {
        **named,
        **kafka.confluent(),
        "group.id": settings.consumer_group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "check.crcs": True,
        "enable.partition.eof": True,
        "partition.assignment.strategy": "cooperative-sticky",
        "max.poll.interval.ms": settings.max_poll_interval_ms,
        **session_of(settings),
        "topic.metadata.refresh.interval.ms": settings.metadata_interval_ms,
        "metadata.max.age.ms": max(settings.metadata_interval_ms * 3, 5_000),
        "fetch.wait.max.ms": settings.fetch_wait_ms,
        "socket.timeout.ms": min(60_000, settings.max_poll_interval_ms // 4),
        # Together these bound the memory of any backlog without starving the loop.
        "queued.min.messages": 1000,
        "queued.max.messages.kbytes": 4096,
        "fetch.queue.backoff.ms": 20,
        # Compressed bytes: a whole answer is unpacked, a larger message still arrives.
        "max.partition.fetch.bytes": 64 * 1024,
        "reconnect.backoff.max.ms": 2000,
        "log_level": 2,  # its errors come to `error_cb` too
    }


def call_deadline_s(settings: Settings) -> float:
    """How long a single call to a broker may take: several fit between two polls."""
    return min(_LONGEST_CALL_S, settings.max_poll_interval_ms / 4000)


def session_of(settings: Settings) -> dict[str, int]:
    """How long the group waits for us, and how often we tell it that we are there.

    librdkafka wants a session within the poll interval, and several heartbeats within a session.
    """
    session_ms = min(settings.session_timeout_ms, settings.max_poll_interval_ms)
    return {
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": max(session_ms // 10, 300),
    }
