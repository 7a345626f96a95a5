"""Reading a frozen part of a topic, without joining a group or moving anybody's offset.

Uses confluent-kafka and not kafka-python, because an audit reads everything that a topic holds:
librdkafka hands a message over in 2 to 5 µs, kafka-python in about 30. It is also what the worker
reads with, so what the audit cannot see the worker could not see either.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.errors import describe, first_error
from job_trigger_worker.kafka.message import delivery
from job_trigger_worker.kafka.read_errors import ERRORS
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_client
from job_trigger_worker.logs import logger

log = logger(__name__)

_CALL_S = 10.0
_SILENCE_S = 60.0
"""How long the brokers may say nothing before reading ends with an error."""
_BATCH = 5_000
_BATCH_WAIT_S = 0.05
_FETCH_WAIT_MS = 50
"""How long a broker may take to say that a log has ended."""

_REMEDY = "Check the brokers and the rights of this user; run the audit again."


@dataclass(slots=True)
class OffsetRange:
    """Offsets `first` to `last` of one partition, and how far they are read.

    `first` moves up when the log deletes its beginning meanwhile. `is_open` marks a window that
    goes to the end of the log as the brokers tell it with the first message. `began_at` and
    `began_ms` are the offset of the first message at or behind `first` and its timestamp
    (milliseconds since 1970). `unreadable` are ranges of offsets, first and last, that no client
    can unpack and that are accounted for: they are left out.

    A window that `ends_with_first` is read when its first message has been seen. Of such a one
    `fault` says why a client cannot hand that message over, and `is_beyond` that `first` lies
    behind the log's end; of every other both are errors.
    """

    partition: int
    first: int
    last: int
    is_open: bool = False
    unreadable: Sequence[tuple[int, int]] = ()
    position: int = 0
    began_at: int | None = None
    began_ms: int | None = None
    has_ended: bool = False
    ends_with_first: bool = False
    is_beyond: bool = False
    fault: str = ""

    def __post_init__(self) -> None:
        self.position = self.first

    @property
    def is_trimmed(self) -> bool:
        """True when the log has deleted its beginning."""
        return self.first > 0

    @property
    def is_read(self) -> bool:
        """True when everything up to `last`, or all that there is, lies behind us."""
        if self.ends_with_first and self.began_at is not None:
            return True
        return self.has_ended or self.position > self.last

    @property
    def is_cut(self) -> bool:
        """True when the log turned out to end before `last`."""
        return self.has_ended and self.position <= self.last

    def move_to(self, first: int) -> None:
        """Go on at the log's new beginning."""
        self.first = first
        self.position = max(self.position, first)
        self.began_at = self.began_ms = None

    def accept(self, message: Message) -> bool:
        """Note a message; False for one behind the window."""
        offset = message.offset() or 0
        self.position = max(self.position, offset + 1)
        if offset > self.last:
            return False
        if self.began_at is None:
            self.began_at, self.began_ms = offset, message.timestamp()[1]
        return True


class OffsetRangeReader:
    """Reads windows of topics; a context manager.

    `group` is only a name that the client must have: it is never joined, and needs no right.
    Raises `Transient` when the brokers do not answer.
    """

    def __init__(self, kafka: KafkaSettings, group: str) -> None:
        self._consumer = Consumer(
            {
                **kafka.confluent(),
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "check.crcs": True,
                "queued.max.messages.kbytes": 16_384,
                "fetch.wait.max.ms": _FETCH_WAIT_MS,
                "fetch.queue.backoff.ms": 20,
                "log_level": 3,
            },
            logger=logging.getLogger(__name__),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        close_client("reader of topics", self._consumer.close)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Offset of the first message that the log holds, and of the next to come."""
        try:
            found = self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=_CALL_S
            )
        except KafkaException as error:
            raise Transient(
                f"The bounds of {topic} partition {partition} cannot be read: "
                f"{describe(first_error(error))}.",
                remedy=_REMEDY,
            ) from error
        if found is None:
            raise Transient(
                f"The brokers do not answer for {topic} partition {partition}.", remedy=_REMEDY
            )
        return found

    def windows(self, topic: str, partitions: int) -> list[OffsetRange]:
        """Everything that a topic holds at this moment, and perhaps a little more."""
        return [
            OffsetRange(partition, first, end - 1, is_open=True)
            for partition in range(partitions)
            for first, end in [self.bounds(topic, partition)]
        ]

    def read(self, topic: str, windows: Iterable[OffsetRange]) -> Iterator[list[Delivery]]:
        """The messages of these windows as our code sees them; see `read_messages`."""
        for batch in self.read_messages(topic, windows):
            yield list(map(delivery, batch))

    def read_messages(self, topic: str, windows: Iterable[OffsetRange]) -> Iterator[list[Message]]:
        """The messages of these windows, in batches; each window has been read at the end.

        They are as the client gives them, which costs a third of what a `Delivery` does. Judged by
        position alone: aborted transactions and commit markers take offsets and are no messages.
        What the log deletes meanwhile is left out, and `OffsetRange.first` says so.
        """
        open_ = {window.partition: window for window in windows if not window.is_read}
        if not open_:
            return
        self._consumer.incremental_assign(
            [TopicPartition(topic, window.partition, window.first) for window in open_.values()]
        )
        heard = time.monotonic()
        try:
            while open_:
                messages = self._consumer.consume(_BATCH, _BATCH_WAIT_S)
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() - heard > _SILENCE_S:
                    raise Transient(
                        f"The brokers sent nothing of {topic} for {_SILENCE_S:.0f} s; "
                        f"{len(open_)} partitions are not read.",
                        remedy="Run the audit again when they answer.",
                    )
                batch = list(self._accept(topic, messages, open_))
                if batch:
                    yield batch
                self._leave(topic, open_)
        except KafkaException as error:
            raise Transient(
                f"{topic} cannot be read: {describe(first_error(error))}.", remedy=_REMEDY
            ) from error
        finally:
            if open_:
                self._consumer.incremental_unassign([TopicPartition(topic, p) for p in open_])

    def _accept(
        self, topic: str, messages: Sequence[Message], open_: dict[int, OffsetRange]
    ) -> Iterator[Message]:
        passed: set[int | None] = set()
        for message in messages:
            partition = message.partition()
            if partition in passed:
                continue  # said of a batch that is passed by now
            window = open_.get(-1 if partition is None else partition)
            error = message.error()
            if error is not None:
                self._look_at(topic, message, error, window)
                if error.code() in ERRORS:
                    passed.add(partition)
                continue
            if window is None:
                continue
            if window.is_open:
                self._close(topic, window)
            if window.accept(message):
                yield message

    def _close(self, topic: str, window: OffsetRange) -> None:
        """Let a window end where the log ended when its first message was fetched.

        The embedded broker lists the end of a log as the beginning of its last batch, plus one; it
        tells the truth with what is fetched.
        """
        place = TopicPartition(topic, window.partition)
        known = self._consumer.get_watermark_offsets(place, cached=True)
        if known is not None:
            window.last = max(window.last, known[1] - 1)
        window.is_open = False

    def _look_at(
        self, topic: str, message: Message, error: KafkaError, window: OffsetRange | None
    ) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own codes begin with _
            if window is not None:
                window.position = max(window.position, message.offset() or 0)
                window.has_ended = True
        elif code == KafkaError._AUTO_OFFSET_RESET and window is not None:  # noqa: SLF001
            first, _ = self.bounds(topic, window.partition)
            if first <= window.position and window.ends_with_first:
                window.is_beyond = window.has_ended = True
            elif first <= window.position:
                raise Transient(
                    f"{topic} partition {window.partition} no longer holds offset "
                    f"{window.position}: the brokers lost its end, or made it again.",
                    remedy="Run the audit again.",
                )
            else:
                window.move_to(first)
                self._go_on(topic, window)
        elif code == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return  # of a group that is never joined: reading goes on without it
        elif window is not None and window.ends_with_first and code in ERRORS:
            window.began_at, window.fault = window.position, describe(error)
        elif window is not None and code in ERRORS:
            self._pass(topic, window, message.offset() or 0, error)
        else:
            raise Transient(
                f"{topic} cannot be read: {describe(error)}.",
                remedy=_REMEDY,
            )

    def _pass(self, topic: str, window: OffsetRange, offset: int, error: KafkaError) -> None:
        """Go on behind a batch that cannot be unpacked, if somebody has accounted for it."""
        last = next((last for first, last in window.unreadable if first <= offset <= last), None)
        if last is None:
            raise Transient(
                f"{topic} partition {window.partition} cannot be read at offset {offset}: "
                f"{describe(error)}.",
                remedy="The worker passes such a batch and keeps a dead letter of it; run the "
                "audit again when it has.",
            )
        window.position = last + 1
        self._go_on(topic, window)

    def _go_on(self, topic: str, window: OffsetRange) -> None:
        """A partition in the state of an error cannot be sought; assigned anew it goes on."""
        self._consumer.incremental_unassign([TopicPartition(topic, window.partition)])
        self._consumer.incremental_assign(
            [TopicPartition(topic, window.partition, window.position)]
        )

    def _leave(self, topic: str, open_: dict[int, OffsetRange]) -> None:
        read = [window.partition for window in open_.values() if window.is_read]
        if read:
            self._consumer.incremental_unassign([TopicPartition(topic, p) for p in read])
        for partition in read:
            del open_[partition]
