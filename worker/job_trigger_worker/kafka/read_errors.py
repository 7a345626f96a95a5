"""The errors of librdkafka about a batch that it has fetched and cannot read."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import KafkaError

ERRORS = frozenset(
    {
        KafkaError._BAD_MSG,  # noqa: SLF001  # librdkafka's own codes begin with _
        KafkaError._BAD_COMPRESSION,  # noqa: SLF001
        KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001
        KafkaError._UNDERFLOW,  # noqa: SLF001
        KafkaError._PARTIAL,  # noqa: SLF001
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
    }
)
"""A wrong checksum, an unknown codec, more bytes than the client takes, and what makes no sense."""

TRIES = 3
"""An error that comes so often at the same offset is the batch's, and not the network's."""


@dataclass(frozen=True, slots=True)
class ReadError:
    """Why the message at an offset cannot be read, and how often in a row the client said so."""

    offset: int
    reason: str
    times: int = 1
