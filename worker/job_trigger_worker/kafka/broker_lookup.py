"""What brokers are asked before partitions are taken, in a thread beside the loop.

Each answer is a round trip, or as long as a call may take where a broker is away: those who have
work do not wait for it. It has clients of its own: a consumer's questions stand behind its fetches,
and a call of it in another thread behind its polls, which leave no room for anything else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.group_copy import GroupCopy
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.background import Background
from job_trigger_worker.kafka.group_offsets import GroupOffsets
from job_trigger_worker.kafka.read_errors import ReadError
from job_trigger_worker.kafka.topic_ids import TopicDescription, TopicIds
from job_trigger_worker.kafka.unreadable import UnreadableBatches
from job_trigger_worker.logs import logger

if TYPE_CHECKING:
    from job_trigger_worker.kafka.batch_headers import BatchRange

log = logger(__name__)

Answer = TypeVar("Answer")
Ahead = tuple[list[Delivery], ReadError] | None


@dataclass(frozen=True, slots=True)
class LookupResult:
    """What the brokers say of a topic, None where there is none, and of partitions of it.

    `copies` are the group's offsets, `bounds` the first offset of each log and the one after its
    last, `ranges` where batches end that are to be passed.
    `refusals` say why of others nothing is known.
    """

    topic: TopicDescription | None
    copies: Mapping[int, GroupCopy] = field(default_factory=dict)
    bounds: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    ranges: Mapping[int, BatchRange | None] = field(default_factory=dict)
    refusals: Mapping[int, str] = field(default_factory=dict)


class PendingLookup(Generic[Answer]):
    """A question under way, and the partitions that it is about."""

    def __init__(self, partitions: Collection[int], answer: Future[Answer]) -> None:
        self.partitions = set(partitions)
        self._answer = answer

    @property
    def is_answered(self) -> bool:
        """True when `answer` waits no more."""
        return self._answer.done()

    def answer(self) -> Answer:
        """What was found out, and what asking raised."""
        return self._answer.result()


class BrokerLookup:
    """Asks about one topic, one question after another."""

    def __init__(
        self, topic: str, topic_ids: TopicIds, group: GroupOffsets, unreadable: UnreadableBatches
    ) -> None:
        self._topic = topic
        self._group = group
        self._topic_ids = topic_ids
        self._unreadable = unreadable
        self._seen_id: str | None = None
        self._answers: Background[LookupResult] = Background(f"ask about {topic}")
        self._aheads: Background[dict[int, Ahead]] = Background(f"look ahead in {topic}")

    def ask(
        self, partitions: Collection[int], faults: Mapping[int, ReadError]
    ) -> PendingLookup[LookupResult]:
        """Which topic it is now, and what has to be known of these partitions to take them.

        `faults` are those of batches that are to be passed. The answer raises `Transient` where
        nobody answers, and `FatalError` for a right that is missing and a topic that cannot be
        read.
        """

        def ask() -> LookupResult:
            topic = self._topic_ids.describe(self._topic)
            if topic is None:
                return LookupResult(None)
            if self._seen_id not in (None, topic.topic_id):  # also after a while without any
                self._unreadable.looks_ahead = self._topic_ids.check_settings(topic.name)
            self._seen_id = topic.topic_id
            if not partitions:
                return LookupResult(topic)
            copies = self._group.read(topic.name, partitions)
            bounds, refusals = self._topic_ids.bounds(topic.name, partitions)
            known = {each: fault for each, fault in faults.items() if each in bounds}
            return LookupResult(
                topic,
                {each: copies[each] for each in bounds},
                bounds,
                dict(self._ranges(known)),
                refusals,
            )

        return PendingLookup(partitions, self._answers.start(ask))

    def look_ahead(self, claims: Mapping[int, Claim]) -> PendingLookup[dict[int, Ahead]]:
        """What follows soon after claims and must not be unpacked by the client; None elsewhere."""

        def look() -> dict[int, Ahead]:
            return {each: self._unreadable.ahead(claim) for each, claim in claims.items()}

        return PendingLookup(claims, self._aheads.start(look))

    def close(self) -> None:
        """End with the question that is being asked, and disconnect."""
        self._answers.close()
        self._aheads.close()
        self._topic_ids.close()
        self._group.close()

    def _ranges(self, faults: Mapping[int, ReadError]) -> list[tuple[int, BatchRange | None]]:
        """Of each batch that is to be passed; without those whose brokers do not show it."""
        found = []
        for partition, fault in faults.items():
            try:
                place = self._unreadable.range_at(self._topic, partition, fault)
            except Transient as problem:  # no reason to keep the other partitions waiting
                log.warning("range_unknown", topic=self._topic, reason=problem)
            else:
                found.append((partition, place))
        return found
