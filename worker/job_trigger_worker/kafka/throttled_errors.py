"""What librdkafka complains about, in our log, without the flood that it makes of an outage."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError

from job_trigger_worker.kafka.errors import describe
from job_trigger_worker.logs import Logger

_QUIET_S = 10.0


class ThrottledErrorLog:
    """Logs each kind of error at most once in 10 s: a broker that is away is 20 errors a second."""

    def __init__(self, log: Logger, client: str) -> None:
        self._log = log
        self._client = client
        self._said_at: dict[int, float] = {}

    def note(self, error: KafkaError) -> None:
        """Say it, unless it has just been said."""
        now = time.monotonic()
        if now - self._said_at.get(error.code(), -_QUIET_S) >= _QUIET_S:
            self._said_at[error.code()] = now
            self._log.warning("broker_error", client=self._client, error=describe(error))
