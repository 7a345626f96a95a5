"""What the settings of a topic that we read mean, for the start and for `topics check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

POLICY = "cleanup.policy"
COMPRESSION = "compression.type"
LARGEST = "max.message.bytes"

UNPACKED = "uncompressed"
"""The value of `COMPRESSION` with which brokers unpack what they are sent, and refuse a batch that
is larger than `LARGEST` then. With any other a batch is unpacked by whoever reads it: gzip by a
factor of up to a thousand, lz4 of 255, zstd up to the 100 MB that our client takes."""

LEAST_INCOMING_BYTES = 272 * 1024
"""A trigger's body of 256 KiB with key and headers."""

MOST_INCOMING_BYTES = 4 * 1024 * 1024
"""A batch as our loop takes it: each partition may have one of the largest in memory."""


@dataclass(frozen=True, slots=True)
class TopicProblem:
    """One thing wrong with one topic. An `error` loses or stops triggers; a `warning` may."""

    topic: str
    severity: Literal["error", "warning"]
    problem: str
    remedy: str


def compaction_problem(topic: str, settings: Mapping[str, str]) -> Iterator[TopicProblem]:
    """An error where the log deletes messages that have a successor with the same key."""
    policy = settings.get(POLICY, "")
    if "compact" in policy:
        yield TopicProblem(
            topic,
            "error",
            f"{POLICY} is {policy}: compaction deletes all but the newest message of a job.",
            f"Set {POLICY}=delete on {topic}.",
        )


def size_problems(topic: str, settings: Mapping[str, str]) -> Iterator[TopicProblem]:
    """A warning where one batch may take more memory than a worker should need."""
    packing = settings.get(COMPRESSION)
    if packing is not None and packing != UNPACKED:
        yield TopicProblem(
            topic,
            "warning",
            f"{COMPRESSION} is {packing}: a small batch may unpack to hundreds of megabytes in "
            "each worker, or to more than a worker has.",
            f"Set {COMPRESSION}={UNPACKED} on {topic}: then the brokers refuse such a batch.",
        )
    most = settings.get(LARGEST)
    if most is not None and int(most) > MOST_INCOMING_BYTES:
        yield TopicProblem(
            topic,
            "warning",
            f"{LARGEST} is {int(most):,}; of every partition a worker may have to hold so much.",
            f"Set {LARGEST} to {MOST_INCOMING_BYTES} or less on {topic}; a trigger has at most "
            f"{LEAST_INCOMING_BYTES:,} bytes, and a batch of librdkafka 1,000,000.",
        )
