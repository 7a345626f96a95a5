"""Reads failures (kafka-python): for notifications, alerting, dashboards."""

from __future__ import annotations

import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from threading import Event
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import (
    CommitFailedError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
)
from kafka.structs import OffsetAndMetadata
from pydantic import ValidationError

from job_trigger_schemas import brokers as asked
from job_trigger_schemas.brokers import Options
from job_trigger_schemas.errors import BrokersAway, JobTriggerError
from job_trigger_schemas.explain import explain
from job_trigger_schemas.known_events import KnownEvents, RecentEvents
from job_trigger_schemas.reader_positions import Positions
from job_trigger_schemas.reader_problems import Outage, PositionLost, Problem, Unreadable
from job_trigger_schemas.topics import Topics
from job_trigger_schemas.trigger_failure import TriggerFailure

log = logging.getLogger(__name__)

TOPIC = Topics.under("awp").failures
_MOST_RECORDS = 500
_COMMIT_EVERY_S = 1.0
_LOOK_EVERY_S = 60.0
"""How often brokers are asked whether they are there, while nothing comes."""
_SESSION_MS = 10_000
"""How long the group waits for a reader that died, and so its next start for its partitions."""
_METADATA_MS = 5_000
"""How soon new partitions are read."""


class FailureReader:
    """Hands each failure to a handler, at least once, in the order of each job.

    A group that reads for the first time begins at the earliest failure that the topic has. The
    group's position is moved after the handler has returned, so a failure whose handler raised, or
    whose process died, comes again; an `event_id` that was handled does not. Several readers of a
    group share the partitions. Not for several threads, but for `stop`.

    A topic that is deleted and made again is read from its beginning, and `PositionLost` is told. A
    reader that runs sees that by the topic's id within about five seconds; until then failures of
    the new topic may come before older ones of it. One that did not run begins at the beginning,
    too, but does not tell: brokers forget a group's position with its topic. Where brokers give no
    ids (Kafka before 2.8), only a topic that is shorter than the old position is seen. Usage::

        from job_trigger_schemas.failure_reader import FailureReader
        from job_trigger_schemas.known_events import KnownEventsFile

        known = KnownEventsFile("alerting.db")
        with FailureReader("127.0.0.1:9092", group="alerting", known=known) as reader:
            reader.run(lambda failure: alert(failure.cause, failure.message))
    """

    def __init__(
        self,
        brokers: str,
        *,
        group: str,
        topic: str = TOPIC,
        known: KnownEvents | None = None,
        on_problem: Callable[[Problem], object] | None = None,
        max_handling_s: float = 60.0,
        timeout_s: float = 10.0,
        client_options: Options | None = None,
    ) -> None:
        """Connect to brokers (host:port, comma-separated), as a member of a consumer group.

        `known` says what was handled (default: in memory, so a restart knows nothing of it).
        Problems that do not end the reader are logged at ERROR and handed to `on_problem`. A
        handler that takes longer than `max_handling_s` loses its partitions to the other readers.
        `client_options` are keyword arguments of kafka-python (TLS, SASL). Raises `BrokersAway`
        when no broker answers within `timeout_s`, `TopicMissing`, and `NotAuthorized`.
        """
        self._topic = topic
        self._known = RecentEvents() if known is None else known
        self._on_problem = on_problem
        self._batch_s = max_handling_s / 3
        self._timeout_s = timeout_s
        self._client = asked.options(brokers, client_options)
        self._stopping = Event()
        self._positions = Positions()
        self._committed_at = self._looked_at = time.monotonic()
        self._has_outage = False
        partitions = asked.require_topic(self._client, topic, timeout_s=timeout_s)
        timeout_ms = int(timeout_s * 1000)
        with asked.errors_of_ours(self._client, timeout_s):
            self._consumer = asked.connected(
                KafkaConsumer,
                **{
                    "session_timeout_ms": _SESSION_MS,
                    "metadata_max_age_ms": _METADATA_MS,
                    **self._client,
                },
                group_id=group,
                auto_offset_reset="none",  # so that what was deleted unread is told
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                max_poll_interval_ms=int(max_handling_s * 1000),
                bootstrap_timeout_ms=timeout_ms,
            )
        self._consumer.subscribe([topic], listener=self._positions)
        self._get_to_know(partitions.led)
        self._topic_id = asked.topic_id(self._consumer, topic)

    def _get_to_know(self, partitions: tuple[int, ...]) -> None:
        """Have the client know the partitions: who joins without that gives nobody any."""
        places = [TopicPartition(self._topic, each) for each in partitions]
        try:
            with asked.errors_of_ours(self._client, self._timeout_s):
                self._consumer.beginning_offsets(places, timeout_ms=int(self._timeout_s * 1000))
        except JobTriggerError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the group, so that others go on at once."""
        self._consumer.close(timeout_ms=int(self._timeout_s * 1000))

    def stop(self) -> None:
        """Have `run` return after the failure in hand; for signal handlers and other threads."""
        self._stopping.set()

    def run(self, handler: Callable[[TriggerFailure], object]) -> None:
        """Hand over what comes, until `stop`.

        What the handler raises is raised here; that failure comes again. Raises `NotAuthorized` and
        `TopicMissing` when a person has to act; an outage of the brokers is waited for.
        """
        while not self._stopping.is_set():
            self.read(handler)

    def read(self, handler: Callable[[TriggerFailure], object], *, wait_s: float = 1.0) -> int:
        """Hand over what is there, waiting up to `wait_s` for the first; answers how many.

        Known ones are not handed over, and not counted. Raises what `run` raises.
        """
        pending = deque(self._fetch(wait_s))
        ends_at = time.monotonic() + self._batch_s
        handed = 0
        try:
            while pending and not self._stopping.is_set() and time.monotonic() < ends_at:
                handed += self._take(pending[0], handler)
                self._note_position(pending.popleft())
                if time.monotonic() - self._committed_at >= _COMMIT_EVERY_S and not self._commit():
                    return handed  # another reader has what is left
        finally:
            self._go_back(pending)
            self._commit()
        return handed

    def _take(self, record: Any, handler: Callable[[TriggerFailure], object]) -> int:
        try:
            failure = TriggerFailure.model_validate_json(record.value or b"")
        except ValidationError as error:
            self._tell(
                Unreadable(
                    record.topic, record.partition, record.offset, explain(error), record.value
                )
            )
            return 0
        if failure.event_id in self._known:
            return 0
        answer = handler(failure)
        if inspect.iscoroutine(answer):
            answer.close()
            raise TypeError("The handler is `async def`, so it has not run: give a plain function.")
        self._known.add(failure.event_id)
        return 1

    def _note_position(self, record: Any) -> None:
        self._positions.note(TopicPartition(record.topic, record.partition), record.offset + 1)

    def _fetch(self, wait_s: float) -> list[Any]:
        """The next records, those of a partition in their order; none where there is a problem."""
        try:
            with asked.errors_of_ours(self._client, self._timeout_s):
                self._see_whether_made_again()
                fetched = self._poll(wait_s)
                records = [record for of_partition in fetched.values() for record in of_partition]
                if self._positions.unseen:  # after a rebalance; fetched again when all is clear
                    self._go_back(records)
                    records = []
                    self._look_at_committed()
            if records:
                self._looked_at = time.monotonic()
                self._has_outage = False
            else:
                self._look()
        except BrokersAway as error:
            self._tell_outage(error.message)
            return []
        return records

    def _poll(self, wait_s: float) -> dict[TopicPartition, list[Any]]:
        try:
            fetched: dict[TopicPartition, list[Any]] = self._consumer.poll(
                timeout_ms=int(wait_s * 1000), max_records=_MOST_RECORDS
            )
        except NoOffsetForPartitionError as error:  # the group has never read there
            self._consumer.seek_to_beginning(*error.args[0])
        except OffsetOutOfRangeError as error:
            self._lose(error.args[0])
        except LogTruncationError as error:  # an election that was not clean
            places = error.divergent_offsets
            self._lose({place: self._consumer.position(place) for place in places})
        else:
            return fetched
        return {}

    def _lose(self, positions: Mapping[TopicPartition, int]) -> None:
        """Start again where these positions are gone, or everywhere if the topic is another."""
        if self._positions.unseen:
            return  # may be positions in another topic: looked at first, and lost again if not
        asked.refresh(self._consumer, self._timeout_s)
        if not self._see_whether_made_again():
            self._begin_again(positions)

    def _see_whether_made_again(self) -> bool:
        """Start again everywhere if the positions are of an earlier topic of that name."""
        topic_id = asked.topic_id(self._consumer, self._topic)
        if topic_id in ("", self._topic_id):
            return False
        if self._topic_id:
            self._positions.settle()
            if ours := self._consumer.assignment():
                self._consumer.seek_to_beginning(*ours)
            self._begin_again(self._positions.known)
        self._topic_id = topic_id
        return True

    def _look_at_committed(self) -> None:
        """For partitions new to us, find out which topic the group's positions belong to."""
        places = set(self._positions.unseen)
        lost: dict[TopicPartition, int] = {}
        for place in places:
            found = self._consumer.committed(
                place, metadata=True, timeout_ms=int(self._timeout_s * 1000)
            )
            if found is None:
                continue
            self._positions.known[place] = found.offset
            if found.metadata and self._topic_id and found.metadata != self._topic_id:
                lost[place] = found.offset
        if lost:
            self._begin_again(lost)
        self._positions.keep(self._consumer.assignment())
        self._positions.unseen.difference_update(places)

    def _begin_again(self, positions: Mapping[TopicPartition, int]) -> None:
        there = asked.partitions(self._consumer, self._topic)
        places = [place for place in positions if place.partition in there]
        begins = {}
        if places:
            begins = self._consumer.beginning_offsets(
                places, timeout_ms=int(self._timeout_s * 1000)
            )
        for place, position in tuple(positions.items()):
            begins_at = begins.get(place, 0)
            self._tell(PositionLost(place.topic, place.partition, position, begins_at))
            if place in self._consumer.assignment():
                self._consumer.seek(place, begins_at)
                self._positions.note(place, begins_at)
            else:
                self._positions.known.pop(place, None)

    def _look(self) -> None:
        """Now and then ask whether the brokers are there: a consumer says nothing of it."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        found = asked.require_topic(self._client, self._topic, timeout_s=self._timeout_s)
        if found.leaderless:
            which = ", ".join(map(str, found.leaderless))
            self._tell_outage(f"Of {self._topic} these partitions have no leader: {which}.")
        else:
            self._has_outage = False

    def _commit(self) -> bool:
        """Move the group's position behind what is handled; False where the group has gone on."""
        positions = self._positions.uncommitted()
        if not positions:
            return True
        self._committed_at = time.monotonic()
        offsets = {
            place: OffsetAndMetadata(position, self._topic_id, -1)
            for place, position in positions.items()
        }
        try:
            with asked.errors_of_ours(self._client, self._timeout_s):
                self._consumer.commit(offsets, timeout_ms=int(self._timeout_s * 1000))
        except BrokersAway as error:
            self._tell_outage(error.message)
            return True  # tried again with what is handled next
        except (CommitFailedError, RebalanceInProgressError) as error:
            log.warning("action=commit_failed reason=%s", error)
            has_committed = False
        else:
            has_committed = True
        self._positions.settle()
        return has_committed

    def _go_back(self, pending: Iterable[Any]) -> None:
        """What was fetched and not handled is fetched again."""
        firsts: dict[TopicPartition, int] = {}
        for record in pending:
            firsts.setdefault(TopicPartition(record.topic, record.partition), record.offset)
        for place in firsts.keys() & self._consumer.assignment():
            self._consumer.seek(place, firsts[place])

    def _tell_outage(self, reason: str) -> None:
        """Once an outage."""
        if not self._has_outage:
            self._has_outage = True
            self._tell(Outage(reason))

    def _tell(self, problem: Problem) -> None:
        log.error("action=%s reason=%s", type(problem).__name__.lower(), problem)
        if self._on_problem is not None:
            self._on_problem(problem)
