"""Producers that others use, each sending a few messages in its own way."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer
from kafka import KafkaProducer

from tests.support.kafka import ensure_jars, find_java

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
Message = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value and headers."""

_DEADLINE_S = 60


class Client(Protocol):
    """Sends messages to partition 0, in order, and waits until all are there.

    With `committed` they are one transaction, which ends so.
    """

    def __call__(
        self,
        address: str,
        topic: str,
        messages: Sequence[Message],
        *,
        codec: str = "none",
        committed: bool | None = None,
    ) -> None: ...


def kafka_python(
    address: str,
    topic: str,
    messages: Sequence[Message],
    *,
    codec: str = "none",
    committed: bool | None = None,
) -> None:
    name = {} if committed is None else {"transactional_id": f"tx-{uuid4()}"}
    producer = KafkaProducer(
        bootstrap_servers=address, compression_type=None if codec == "none" else codec, **name
    )
    try:
        if committed is not None:
            producer.init_transactions()
            producer.begin_transaction()
        sent = [
            producer.send(topic, value, key=key, headers=headers, partition=0)
            for key, value, headers in messages
        ]
        producer.flush()
        for each in sent:
            each.get(timeout=_DEADLINE_S)
        if committed is not None:
            (producer.commit_transaction if committed else producer.abort_transaction)()
    finally:
        producer.close()


def confluent_kafka(
    address: str,
    topic: str,
    messages: Sequence[Message],
    *,
    codec: str = "none",
    committed: bool | None = None,
) -> None:
    name = {} if committed is None else {"transactional.id": f"tx-{uuid4()}"}
    producer = Producer({"bootstrap.servers": address, "compression.type": codec, **name})
    if committed is not None:
        producer.init_transactions(_DEADLINE_S)
        producer.begin_transaction()
    for key, value, headers in messages:
        producer.produce(topic, value, key, 0, headers=list(headers))
    assert producer.flush(_DEADLINE_S) == 0
    if committed is not None:
        end: Callable[[float], None] = (
            producer.commit_transaction if committed else producer.abort_transaction
        )
        end(_DEADLINE_S)


def aiokafka(
    address: str,
    topic: str,
    messages: Sequence[Message],
    *,
    codec: str = "none",
    committed: bool | None = None,
) -> None:
    async def send() -> None:
        name = {} if committed is None else {"transactional_id": f"tx-{uuid4()}"}
        producer = AIOKafkaProducer(
            bootstrap_servers=address,
            compression_type=None if codec == "none" else codec,
            **name,
        )
        await producer.start()
        try:
            if committed is not None:
                await producer.begin_transaction()
            sent = [
                await producer.send(topic, value, key=key, partition=0, headers=headers)
                for key, value, headers in messages
            ]
            await producer.flush()
            await asyncio.gather(*sent)
            if committed is not None:
                end = producer.commit_transaction if committed else producer.abort_transaction
                await end()
        finally:
            await producer.stop()

    asyncio.run(asyncio.wait_for(send(), _DEADLINE_S))


CLIENTS: dict[str, Client] = {
    "kafka-python": kafka_python,
    "confluent-kafka": confluent_kafka,
    "aiokafka": aiokafka,
}


def java(tool: str, *arguments: str) -> subprocess.Popen[str]:
    """A tool of Kafka's own, started; `ended` waits for it."""
    return subprocess.Popen(
        [
            *(find_java().binary, "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *("-cp", f"{ensure_jars()}/*", f"org.apache.kafka.tools.{tool}", *arguments),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def ended(tool: subprocess.Popen[str], lines: str = "") -> str:
    """What a tool has said when it has read these lines and ended well."""
    try:
        said, complaints = tool.communicate(lines, timeout=_DEADLINE_S)
    finally:
        tool.kill()
    assert tool.returncode == 0, complaints[-2000:]
    return said
