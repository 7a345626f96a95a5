"""arroyo's batching strategy, in front of *plain*'s work.

Tuned: batches of 1,000, offsets committed once a second; events through *plain*'s own librdkafka
producer.
"""

import os
import signal
from collections.abc import Mapping
from typing import Any

from arroyo.backends.kafka import KafkaConsumer, KafkaPayload
from arroyo.backends.kafka.configuration import build_kafka_consumer_configuration
from arroyo.commit import ONCE_PER_SECOND
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import (
    BatchStep,
    CommitOffsets,
    ProcessingStrategy,
    ProcessingStrategyFactory,
    RunTask,
)
from arroyo.types import Commit, Message, Partition, Topic

from job_trigger_worker.config import load
from tests.benchmarks.plain import BATCH, Delivered, Work

WITHIN_S = 0.2


class WorkFactory(ProcessingStrategyFactory[KafkaPayload]):
    """Batches, the work, the offsets."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def create_with_partitions(
        self, commit: Commit, partitions: Mapping[Partition, int]
    ) -> ProcessingStrategy[KafkaPayload]:
        """A chain for an assignment."""
        return BatchStep(BATCH, WITHIN_S, RunTask(self._handle, CommitOffsets(commit)))

    def _handle(self, message: Message[Any]) -> None:
        self._work.handle(
            [
                Delivered(each.partition.index, each.offset, each.payload.value)
                for each in message.payload
            ]
        )


def main() -> None:
    """Drain until SIGTERM."""
    settings = load()
    work = Work(settings)
    work.rest_beside()
    consumer = KafkaConsumer(
        build_kafka_consumer_configuration(
            {"max.poll.interval.ms": settings.max_poll_interval_ms},
            bootstrap_servers=[settings.kafka_brokers],
            group_id=settings.consumer_group,
            auto_offset_reset="earliest",
        )
    )
    processor = StreamProcessor(
        consumer, Topic(work.topics.triggers), WorkFactory(work), ONCE_PER_SECOND
    )
    signal.signal(signal.SIGTERM, lambda *_: processor.signal_shutdown())
    processor.run()
    os._exit(0)
