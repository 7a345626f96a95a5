"""The publisher of `job_trigger_schemas` on the worker's own settings and errors."""

from __future__ import annotations

from job_trigger_schemas.errors import BrokersAway, JobTriggerError, TopicMissing
from job_trigger_schemas.publisher import Compression, TriggerPublisher
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka import connectivity
from job_trigger_worker.kafka.settings import KafkaSettings

_CONNECT_S = 10.0


def connect(
    kafka: KafkaSettings,
    *,
    compression: Compression | None = None,
    source: str = "common-job",
    timeout_s: float = 30.0,
) -> TriggerPublisher:
    """A publisher to the trigger topic; `source` is the CloudEvents source of what it sends.

    Raises `Transient` when no broker answers within 10 s (or `timeout_s`), `FatalError` when the
    topic does not exist, or the brokers do not let us in.
    """
    connectivity.check(kafka, min(timeout_s, _CONNECT_S))
    try:
        return TriggerPublisher(
            kafka.brokers,
            topic=kafka.topics.triggers,
            client_options=kafka.kafka_python(),
            compression=compression,
            source=source,
            timeout_s=timeout_s,
        )
    except BrokersAway as error:
        remedy = "Check TRIGGER_WORKER_KAFKA_BROKERS and that the brokers run."
        raise Transient(error.message, remedy=remedy) from error
    except TopicMissing as error:
        raise FatalError(
            error.message,
            remedy="Run `trigger-worker topics create`, or check TRIGGER_WORKER_TOPIC_PREFIX.",
        ) from error
    except JobTriggerError as error:
        raise FatalError(
            error.message, remedy="Correct the TRIGGER_WORKER_KAFKA_… settings, or grant the right."
        ) from error
