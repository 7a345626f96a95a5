"""Looks at the next part of a log before the client unpacks it.

On a topic whose brokers leave unpacking to readers, a batch of 0.3 MB may need a gigabyte of our
client, which has no limit for it and unpacks before it hands over anything that came with it. So at
each taking of such a topic the next mebibyte is counted through here, a piece at a time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import lz4.frame
import zstandard
from kafka.errors import KafkaError
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords

from job_trigger_worker.domain.delivery import Delivery, Headers
from job_trigger_worker.kafka.batch_headers import records_at
from job_trigger_worker.kafka.read_errors import TRIES, ReadError
from job_trigger_worker.kafka.settings import KafkaSettings

MOST_UNPACKED_BYTES = 64 * 1024 * 1024
"""What a batch may unpack to: sixteen times of what our loop takes at once."""

_FAR_BYTES = 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_FORMAT_V2 = 2
_HEADER_BYTES = 61
_LENGTH = struct.Struct(">8xi")
_OF_CODEC = {1: "gzip", 3: "lz4", 4: "zstd"}
"""Those without a bound that matters: snappy packs to a twentieth at the most."""


def guard_against_inflation(
    kafka: KafkaSettings, topic: str, partition: int, offset: int, *, timeout_s: float
) -> tuple[list[Delivery], ReadError] | None:
    """A batch that unpacks to too much within the next mebibyte, and what is readable before it.

    None where there is no such batch, or where what comes before it belongs to a transaction, of
    which only the client knows whether it was aborted. Raises `Transient` when the brokers do not
    answer.
    """
    records = records_at(kafka, topic, partition, offset, most=_FAR_BYTES, timeout_s=timeout_s)
    before: list[DefaultRecordBatch] = []
    for part in _parts(records):
        batch = MemoryRecords(part).next_batch()
        if batch is None or batch.magic < _FORMAT_V2:
            return None
        if _unpacks_to_too_much(batch.compression_type, part[_HEADER_BYTES:]):
            words = f"it unpacks to more than {MOST_UNPACKED_BYTES:,} bytes"
            read = _read(before, partition, offset)
            return (
                None
                if read is None
                else (read, ReadError(max(batch.base_offset, offset), words, TRIES))
            )
        before.append(batch)
    return None


def _read(batches: list[DefaultRecordBatch], partition: int, offset: int) -> list[Delivery] | None:
    """What these hold from an offset on; None where only the client may say what can be read."""
    found: list[Delivery] = []
    try:
        for batch in batches:
            if batch.is_transactional or not batch.validate_crc():
                return None
            found += [
                Delivery(partition, each.offset, each.key, each.value, _told(each), each.timestamp)
                for each in _lenient(batch)
                if each.offset >= offset
            ]
    except (KafkaError, ValueError, IndexError):  # another fault stands before this one
        return None
    return found


class _Lenient(bytearray):
    """Bytes of which a name that is not UTF-8 can be read all the same, with U+FFFD in it."""

    def __getitem__(self, place: Any) -> Any:
        """As that of `bytearray`; a part is lenient, too."""
        found = super().__getitem__(place)
        return _Lenient(found) if isinstance(found, bytearray) else found

    def decode(self, *_: str) -> str:
        """Text from any bytes."""
        return super().decode("utf-8", "replace")


def _lenient(batch: DefaultRecordBatch) -> DefaultRecordBatch:
    """The batch, unpacked, such that no name of a header makes it raise.

    Or whoever puts one in front of what unpacks to too much would have our client unpack that.
    """
    batch._maybe_uncompress()  # noqa: SLF001
    batch._buffer = _Lenient(batch._buffer)  # noqa: SLF001
    return batch


def _told(record: DefaultRecord) -> Headers:
    """A record's headers; none where a name is not UTF-8, as the client has it."""
    return () if any("\ufffd" in name for name, _ in record.headers) else record.headers


def _parts(records: bytes) -> Iterator[bytes]:
    """The whole batches, each by itself."""
    start = 0
    while len(records) - start >= _HEADER_BYTES:
        (length,) = _LENGTH.unpack_from(records, start)
        end = start + _LENGTH.size + length
        if length <= 0 or end > len(records):
            return
        yield records[start:end]
        start = end


def _unpacks_to_too_much(codec: int, packed: bytes) -> bool:
    """False also for what cannot be unpacked: the client says that itself."""
    name = _OF_CODEC.get(codec)
    if name is None:
        return False
    size = 0
    try:
        for piece in _UNPACKING[name](packed):
            size += len(piece)
            if size > MOST_UNPACKED_BYTES:
                return True
    except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError):
        return False
    return False


def _gzip(packed: bytes) -> Iterator[bytes]:
    unpacking = zlib.decompressobj(wbits=31)
    while packed and not unpacking.eof:
        yield unpacking.decompress(packed, _PIECE_BYTES)
        packed = unpacking.unconsumed_tail


def _zstd(packed: bytes) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
        while piece := reader.read(_PIECE_BYTES):
            yield piece


def _lz4(packed: bytes) -> Iterator[bytes]:
    unpacking = lz4.frame.LZ4FrameDecompressor()
    while not unpacking.eof:
        piece = unpacking.decompress(packed, max_length=_PIECE_BYTES)
        packed = b""
        if not piece and unpacking.needs_input:
            return
        yield piece


_UNPACKING: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _gzip,
    "lz4": _lz4,
    "zstd": _zstd,
}
