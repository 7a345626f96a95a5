"""FastStream's batch subscriber on librdkafka, in front of *plain*'s work.

Tuned: no parsing of headers and no dependency injection for what nobody reads, raw messages as the
batch, events through *plain*'s own librdkafka producer (FastStream's makes a future an event).
"""

import asyncio
import os
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from faststream.confluent.message import KafkaMessage

from job_trigger_worker.config import Settings, load
from tests.benchmarks.plain import BATCH, Delivered, Work


class RawBatch:
    """Messages as librdkafka gave them."""

    async def parse(self, messages: Any, original: Any) -> KafkaMessage:
        """The whole batch, so that FastStream can acknowledge it or seek back to its beginning."""
        parsed = await original(messages[-1:])
        parsed.raw_message = parsed.body = messages
        return parsed

    async def decode(self, message: KafkaMessage) -> Any:
        """The batch, in the form that the work takes."""
        return [Delivered(m.partition(), m.offset(), m.value()) for m in message.body]


def application(settings: Settings, work: Work) -> FastStream:
    """The application with its one subscriber."""
    raw = RawBatch()
    broker = KafkaBroker(settings.kafka_brokers, logger=None, apply_types=False)

    @broker.subscriber(
        work.topics.triggers,
        group_id=settings.consumer_group,
        batch=True,
        max_records=BATCH,
        polling_interval=0.2,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        max_poll_interval_ms=settings.max_poll_interval_ms,
        parser=raw.parse,
        decoder=raw.decode,
    )
    async def handle(batch: list[Delivered]) -> None:
        work.handle(batch)

    return FastStream(broker, logger=None)


def main() -> None:
    """Drain until SIGTERM."""
    settings = load()
    work = Work(settings)
    work.rest_beside()
    asyncio.run(application(settings, work).run())
    os._exit(0)
