"""Batches of a log as their headers tell them, without unpacking what they hold.

What librdkafka cannot unpack it does not show, so these bytes come by kafka-python, which hands out
an answer as it was sent. Only for what is the exception: a batch a request, some 10 ms with the
connection.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.errors import KafkaError, LeaderNotAvailableError, for_code
from kafka.net.compat import KafkaNetClient
from kafka.protocol.consumer import FetchRequest
from kafka.protocol.metadata import MetadataRequest

from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.logs import logger

log = logger(__name__)

_V2 = struct.Struct(">qiibIhiqq")
"""Base offset, length, leader epoch, magic, checksum, attributes, last offset's delta, first and
last timestamp: the part of the 61 bytes that says what a batch is."""
_OLD = struct.Struct(">qiib")
"""What the formats before begin with: offset (of a packed message, its last one's), length,
checksum, magic."""
_FORMAT_V2 = 2
_MOST_BYTES = 4096
"""A broker sends a first batch whole, however large it is."""
_METADATA_BY_NAME = 9
_FETCH_V2_BATCHES, _FETCH_BY_NAME = 4, 12
"""Versions of requests: batches of format v2 as they are, topics by name and not by id."""


@dataclass(frozen=True, slots=True)
class BatchRange:
    """Offsets, first and last, of one batch, and its newest message's milliseconds since 1970."""

    first: int
    last: int
    newest_ms: int


def batch_at(
    kafka: KafkaSettings, topic: str, partition: int, offset: int, *, timeout_s: float
) -> BatchRange | None:
    """The batch that holds `offset`, and None where its header makes no sense there.

    Raises `Transient` where the brokers do not answer or do not send it.
    """
    end, records = _read(kafka, topic, partition, offset, _MOST_BYTES, timeout_s)
    return header_of(records, offset, end)


def records_at(
    kafka: KafkaSettings, topic: str, partition: int, offset: int, *, most: int, timeout_s: float
) -> bytes:
    """About `most` bytes of a log from the batch with `offset` on, as they stand there.

    The first batch is whole, the last one may be cut off. Raises `Transient` as `batch_at` does.
    """
    return _read(kafka, topic, partition, offset, most, timeout_s)[1]


def _read(
    kafka: KafkaSettings, topic: str, partition: int, offset: int, most: int, timeout_s: float
) -> tuple[int, bytes]:
    timeout_ms = int(timeout_s * 1000)
    client = KafkaNetClient(**kafka.kafka_python(), request_timeout_ms=timeout_ms)
    try:
        client.get_broker_version(timeout_ms)
        leader = _leader(client, topic, partition, timeout_ms)
        return _fetched(client, leader, topic, partition, offset, most, timeout_ms)
    except KafkaError as error:
        raise Transient(
            f"The batch at offset {offset} of {topic} partition {partition} cannot be looked at: "
            f"{error}."
        ) from error
    finally:
        client.close()


def header_of(records: bytes, offset: int, end: int) -> BatchRange | None:
    """What the first batch of an answer says of itself; None where that cannot be.

    It has to hold `offset` and to end before `end`, the end of its log: a header is read also
    where a wrong checksum says that some of it is not as it was written.
    """
    if len(records) < _V2.size:
        return None
    first, _, _, magic = _OLD.unpack_from(records)
    if magic < _FORMAT_V2:
        last, newest_ms, first = first, 0, offset
    else:
        first, _, _, _, _, _, delta, _, newest_ms = _V2.unpack_from(records)
        last = first + delta
    return BatchRange(first, last, newest_ms) if first <= offset <= last < end else None


def _leader(client: KafkaNetClient, topic: str, partition: int, timeout_ms: int) -> int:
    asked = client.least_loaded_node(bootstrap_fallback=True)
    request = MetadataRequest(
        topics=[MetadataRequest.MetadataRequestTopic(name=topic)], max_version=_METADATA_BY_NAME
    )
    client.cluster.update_metadata(client.send_and_receive(asked, request, timeout_ms))
    leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
    if leader is None or leader < 0:
        raise LeaderNotAvailableError(f"partition {partition} of {topic} has no leader")
    return int(leader)


def _fetched(
    client: KafkaNetClient,
    leader: int,
    topic: str,
    partition: int,
    offset: int,
    most: int,
    timeout_ms: int,
) -> tuple[int, bytes]:
    """The end of the log, and the bytes that it holds from the batch with `offset` on."""
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=most,
        isolation_level=0,
        session_epoch=-1,
        topics=[
            FetchRequest.FetchTopic(
                topic=topic,
                partitions=[
                    FetchRequest.FetchTopic.FetchPartition(
                        partition=partition, fetch_offset=offset, partition_max_bytes=most
                    )
                ],
            )
        ],
        min_version=_FETCH_V2_BATCHES,
        max_version=_FETCH_BY_NAME,
    )
    answer = client.send_and_receive(leader, request, timeout_ms)
    ((found,),) = [each.partitions for each in answer.responses]
    if found.error_code:
        raise for_code(found.error_code)(f"{topic} partition {partition}")
    return int(found.high_watermark), bytes(found.records or b"")
