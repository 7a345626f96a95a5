"""Quix Streams with a sink, in front of *plain*'s work.

Tuned: raw bytes, a checkpoint (and so a batch) every 1,000 messages, no changelog; events through
*plain*'s own librdkafka producer.
"""

import os
import signal
import tempfile
from typing import Any

from quixstreams import Application
from quixstreams.sinks import BaseSink

from job_trigger_worker.config import Settings, load
from tests.benchmarks.plain import BATCH, Delivered, Work


class WorkSink(BaseSink):
    """Gathers what a checkpoint holds and does the work before its offsets are committed."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work
        self._batch: list[Delivered] = []

    def add(
        self,
        value: Any,
        key: Any,
        timestamp: int,
        headers: Any,
        topic: str,
        partition: int,
        offset: int,
    ) -> None:
        """Keep one."""
        self._batch.append(Delivered(partition, offset, value))

    def flush(self) -> None:
        """Do the work; what it raises ends the checkpoint without a commit."""
        batch, self._batch = self._batch, []
        if batch:
            self._work.handle(batch)


def application(settings: Settings, work: Work, folder: str) -> Application:
    """The application with its one stream."""
    app = Application(
        broker_address=settings.kafka_brokers,
        consumer_group=settings.consumer_group,
        auto_offset_reset="earliest",
        commit_every=BATCH,
        commit_interval=0.5,
        consumer_poll_timeout=0.2,
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=folder,
        loglevel="WARNING",
        consumer_extra_config={"max.poll.interval.ms": settings.max_poll_interval_ms},
    )
    topic = app.topic(work.topics.triggers, value_deserializer="bytes", key_deserializer="bytes")
    app.dataframe(topic).sink(WorkSink(work))
    return app


def main() -> None:
    """Drain until SIGTERM."""
    settings = load()
    work = Work(settings)
    work.rest_beside()
    with tempfile.TemporaryDirectory(prefix="quix-") as folder:
        app = application(settings, work, folder)
        signal.signal(signal.SIGTERM, lambda *_: app.stop())
        app.run()
    os._exit(0)
