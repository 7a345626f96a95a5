"""Batches of messages made by hand, as no client of ours would make them, and sent as they are."""

import struct
import time

import cramjam
from kafka.net.compat import KafkaNetClient
from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.producer import ProduceRequest
from kafka.record.util import calc_crc32c

from tests.support.kafka import KafkaNode
from tests.support.topics import Broker

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_ANSWER_MS = 20_000
_NOT_LEADER, _AGAIN_S = 6, 0.1
_AFTER_EPOCH = struct.calcsize(">qii")
_CRC = struct.calcsize(">qiib")
_ATTRIBUTES = struct.calcsize(">qiibI")


def varint(number: int) -> bytes:
    """A zigzag variable-length number, as records have them."""
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number & ~0x7F:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def record(value: bytes, place: int = 0, key: bytes | None = None) -> bytes:
    """One record of a batch, uncompressed."""
    keyed = varint(-1) if key is None else varint(len(key)) + key
    body = b"\0" + varint(0) + varint(place) + keyed + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def batch(*bodies: bytes, codec: str = "none", packed: bytes | None = None) -> bytes:
    """A batch of format v2 with the right checksum; `packed` is what the codec made of its records.

    Its messages are of this moment.
    """
    count, at_ms = len(bodies), time.time_ns() // 1_000_000
    records = b"".join(record(body, place) for place, body in enumerate(bodies))
    records = records if packed is None else packed
    after_crc = struct.pack(">hiqqqhii", CODECS[codec], count - 1, at_ms, at_ms, -1, -1, -1, count)
    after_crc += records
    crc = struct.pack(">I", calc_crc32c(after_crc))
    after_length = struct.pack(">ib", -1, 2) + crc + after_crc
    return struct.pack(">qi", 0, len(after_length)) + after_length


def zstd_of_unknown_size(body: bytes) -> bytes:
    """A batch's one record, packed into a frame that does not say how large it is.

    librdkafka then tries sizes up to what it takes at most (its issue 5260).
    """
    packer = cramjam.zstd.Compressor()
    packer.compress(record(body))
    return bytes(packer.finish())


def produce(broker: Broker, topic: str, raw: bytes, *, partition: int = 0) -> int:
    """Send a batch as it is; the offset of its first message. AssertionError if refused."""
    client = KafkaNetClient(bootstrap_servers=broker.address.split(","), client_id="by-hand")
    try:
        client.get_broker_version(_ANSWER_MS)
        leader = _leader(client, topic, partition)
        request = ProduceRequest(
            transactional_id=None,
            acks=-1,
            timeout_ms=_ANSWER_MS,
            topic_data=[
                ProduceRequest.TopicProduceData(
                    name=topic,
                    partition_data=[
                        ProduceRequest.TopicProduceData.PartitionProduceData(
                            index=partition, records=raw
                        )
                    ],
                )
            ],
            max_version=12,
        )
        end = time.monotonic() + _ANSWER_MS / 1000
        while True:
            answer = client.send_and_receive(leader, request, _ANSWER_MS)
            (one,) = answer.responses[0].partition_responses
            if one.error_code != _NOT_LEADER or time.monotonic() > end:
                break
            time.sleep(_AGAIN_S)  # of a new topic it hears later than those who say that it leads
        assert one.error_code == 0, f"{topic} refused a batch: {one.error_code} {one.error_message}"
        return int(one.base_offset)
    finally:
        client.close()


def _leader(client: KafkaNetClient, topic: str, partition: int) -> int:
    node = client.least_loaded_node(bootstrap_fallback=True)
    request = MetadataRequest(
        topics=[MetadataRequest.MetadataRequestTopic(name=topic)], max_version=9
    )
    answer = client.send_and_receive(node, request, _ANSWER_MS)
    (found,) = answer.topics
    return next(int(p.leader_id) for p in found.partitions if p.partition_index == partition)


def spoil(node: KafkaNode, topic: str, raw: bytes, *, partition: int = 0, becomes: bytes) -> None:
    """Write other bytes of the same length over a batch that a node holds.

    The node's page cache is the file, so the next fetch brings what stands there now. Offset and
    epoch, which the broker has given, stay.
    """
    assert len(raw) == len(becomes)
    (segment,) = (node.folder / "data" / f"{topic}-{partition}").glob("*.log")
    held = segment.read_bytes()
    place = held.index(raw[_AFTER_EPOCH:])
    with segment.open("r+b") as file:
        file.seek(place)
        file.write(becomes[_AFTER_EPOCH:])


def with_codec(raw: bytes, number: int) -> bytes:
    """The same batch, said to be packed by a codec of that number; its checksum is right."""
    after_crc = raw[_ATTRIBUTES : _ATTRIBUTES + 1] + bytes([number]) + raw[_ATTRIBUTES + 2 :]
    crc = struct.pack(">I", calc_crc32c(after_crc))
    return raw[:_CRC] + crc + after_crc


def with_a_bit_changed(raw: bytes) -> bytes:
    """The same batch with another last bit but one, and the checksum that it had."""
    return raw[:-2] + bytes([raw[-2] ^ 1]) + raw[-1:]
