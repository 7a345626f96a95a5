"""What waits on a topic behind a position: how many messages, and since when.

Offsets alone do not say it: transactions leave gaps, also at a log's end, and the embedded broker
tells the end too low. So each partition is read from its position to the first message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.offset_range import OffsetRange, OffsetRangeReader

MOST_COUNTED = 5_000
"""Messages that are counted one by one; a larger backlog is told by its offsets."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A partition beside a position in it.

    `messages` wait behind the position, at most so many where not `is_exact`; `sent_ms` is when the
    first of them was sent, by its producer's clock or the broker's, None where it does not say.
    `fault` is why a client cannot hand that one over.

    The log begins at `first`: if that is above the position, it has deleted what lies between.
    `end` is the next offset that it will give, as the brokers list it; `is_cut` says that this is
    truly before the position.
    """

    partition: int
    position: int
    first: int
    end: int
    messages: int = 0
    is_exact: bool = True
    sent_ms: int | None = None
    fault: str = ""
    is_cut: bool = False


def count_unread(
    reader: OffsetRangeReader, topic: str, positions: Mapping[int, int | None]
) -> list[Unread]:
    """Each partition of a topic from the next offset on that is to be read; None: its beginning.

    Raises `Transient` when the brokers do not answer.
    """
    bounds = {partition: reader.bounds(topic, partition) for partition in positions}
    windows = []
    for partition, position in positions.items():
        first, end = bounds[partition]
        begin = first if position is None else max(position, first)
        windows.append(
            OffsetRange(partition, begin, max(begin, end - 1), is_open=True, ends_with_first=True)
        )
    for _ in reader.read(topic, windows):
        pass  # what is read is noted in the windows
    counted = _count(reader, topic, windows)
    return [
        _unread(window, positions[window.partition], bounds[window.partition], counted)
        for window in windows
    ]


def _unread(
    window: OffsetRange, position: int | None, bounds: tuple[int, int], counted: dict[int, int]
) -> Unread:
    place, (first, end) = window.partition, bounds
    begin = first if position is None else position
    return Unread(
        partition=place,
        position=begin,
        first=window.first if window.first > begin else first,
        end=end,
        messages=counted.get(place, _span(window)),
        is_exact=place in counted or window.began_at is None,
        sent_ms=window.began_ms,
        fault=window.fault,
        is_cut=window.is_beyond,
    )


def _span(window: OffsetRange) -> int:
    return 0 if window.began_at is None else max(1, window.last + 1 - window.began_at)


def _count(reader: OffsetRangeReader, topic: str, windows: list[OffsetRange]) -> dict[int, int]:
    """How many messages there are, by partition, where these are few; nothing otherwise."""
    waiting = [window for window in windows if window.began_at is not None and not window.fault]
    if sum(map(_span, waiting)) > MOST_COUNTED:
        return {}
    again = [OffsetRange(each.partition, each.began_at or 0, each.last) for each in waiting]
    counted = dict.fromkeys((each.partition for each in again), 0)
    try:
        for batch in reader.read(topic, again):
            for message in batch:
                counted[message.partition] += 1
    except Transient:  # a batch among them that no client can unpack: its offsets tell enough
        return {}
    return counted
