"""A Faust agent with `take`, in front of *plain*'s work.

Tuned: raw keys and values, no web server, large fetches and buffers; events through *plain*'s own
librdkafka producer (Faust's is aiokafka's, which costs more).
"""

import asyncio
import os
import signal
import tempfile
from typing import Any

import faust

from job_trigger_worker.config import Settings, load
from tests.benchmarks.plain import BATCH, Delivered, Work

WITHIN_S = 0.2


def application(settings: Settings, work: Work, folder: str) -> faust.App:
    """The application with its one agent."""
    app = faust.App(
        settings.consumer_group,
        broker=f"kafka://{settings.kafka_brokers}",
        store="memory://",
        datadir=folder,
        autodiscover=False,
        worker_redirect_stdouts=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=2 * BATCH,
        stream_buffer_maxsize=8 * BATCH,
        stream_wait_empty=False,
        stream_publish_on_commit=False,
    )
    source = app.topic(
        work.topics.triggers, key_serializer="raw", value_serializer="raw", internal=False
    )

    async def handle(stream: Any) -> None:
        async for events in stream.take_events(BATCH, within=WITHIN_S):
            work.handle([Delivered(e.message.partition, e.message.offset, e.value) for e in events])

    app.agent(source)(handle)
    return app


async def _run(settings: Settings, work: Work, folder: str) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    app = application(settings, work, folder)
    await app.start()
    await stopping.wait()
    await app.stop()


def main() -> None:
    """Drain until SIGTERM."""
    settings = load()
    work = Work(settings)
    work.rest_beside()
    with tempfile.TemporaryDirectory(prefix="faust-") as folder:
        asyncio.run(_run(settings, work, folder))
    os._exit(0)
