"""Whether a topic is still the one that it was (DESIGN section 6, step 3 of a taking)."""

from __future__ import annotations

import logging
from enum import Enum, auto

from worker.clock import Clock
from worker.errors import Transient
from worker.kafka.topic_ids import TopicDescription, TopicIds
from worker.kafka.unreadable import UnreadableBatches

log = logging.getLogger(__name__)


class Look(Enum):
    """What a look at the topic came to."""

    NONE = auto()
    SAME = auto()
    REPLACED = auto()


class TopicWatch:
    """Looks before every take and at every metadata interval. `topic` is None where there is none.

    `is_blind` while the brokers did not say, at the last look, which topic it is.
    """

    def __init__(
        self,
        name: str,
        *,
        topic_ids: TopicIds,
        unreadable: UnreadableBatches,
        clock: Clock,
        interval_s: float,
    ) -> None:
        self.topic: TopicDescription | None = None
        self.is_blind = False
        self._name = name
        self._topic_ids = topic_ids
        self._unreadable = unreadable
        self._clock = clock
        self._interval_s = interval_s
        self._looked_at = 0.0
        self._seen_id: str | None = None

    def look(self, *, is_taking: bool, is_in_doubt: bool) -> Look:
        """Look, if it is time to or either is true.

        Raises `Transient` where the brokers do not answer and `is_taking`, `Stop` for a topic that
        was made again and cannot be read.
        """
        now = self._clock.monotonic()
        is_due = is_taking or now - self._looked_at >= self._interval_s
        if not is_due and not is_in_doubt:
            return Look.NONE
        self._looked_at = now
        known = self.topic
        try:
            found = self._topic_ids.describe(self._name)
        except Transient as problem:
            if is_taking:
                raise
            self.is_blind = True
            log.warning("action=describe topic=%s reason=%s", self._name, problem)
            return Look.NONE
        self.is_blind = False
        self.topic = found
        if found is not None:
            if self._seen_id not in (None, found.topic_id):  # also after a while without any
                self._unreadable.looks_ahead = self._topic_ids.check_settings(found.name)
            self._seen_id = found.topic_id
        if known is None or (found is not None and found.topic_id == known.topic_id):
            return Look.SAME
        log.error(
            "action=topic_replaced topic=%s was=%s is=%s",
            self._name,
            known.topic_id,
            found.topic_id if found else "gone",
        )
        return Look.REPLACED

    def close(self) -> None:
        """Disconnect what asks for topic ids."""
        self._topic_ids.close()
