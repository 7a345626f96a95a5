"""Whether a topic is still the one that it was (design 6.3, step 2)."""

from __future__ import annotations

from job_trigger_worker.clock import Clock
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.topic_ids import TopicDescription
from job_trigger_worker.logs import logger

log = logger(__name__)


class TopicIdentity:
    """What the brokers said of a topic last. `topic` is None where there is none.

    They are asked before every take and at every metadata interval. `lacks_metadata` while they did
    not say, the last time, which topic it is.
    """

    def __init__(self, name: str, clock: Clock, interval_s: float) -> None:
        self.topic: TopicDescription | None = None
        self.lacks_metadata = False
        self._name = name
        self._clock = clock
        self._interval_s = interval_s
        self._asked_at = float("-inf")

    @property
    def is_due(self) -> bool:
        """True when it is time to ask."""
        return self._clock.monotonic() - self._asked_at >= self._interval_s

    def ask(self) -> None:
        """Note that it is being asked."""
        self._asked_at = self._clock.monotonic()

    def learn(self, found: TopicDescription | None) -> bool:
        """Note an answer; True if the topic is no longer the same one."""
        known, self.topic, self.lacks_metadata = self.topic, found, False
        if known is None or (found is not None and found.topic_id == known.topic_id):
            return False
        log.error(
            "topic_replaced",
            topic=self._name,
            was=known.topic_id,
            found=found.topic_id if found else "gone",
        )
        return True

    def fail(self, problem: Transient) -> None:
        """Note that nobody answered."""
        self.lacks_metadata = True
        log.warning("topic_not_described", topic=self._name, reason=problem)
