"""How much memory a worker takes with a large backlog before it."""

import time
from dataclasses import dataclass

import psutil

from job_trigger_worker.domain.topics import Topics
from tests.benchmarks.draining import POSITION, PRODUCT
from tests.benchmarks.stage import Stage
from tests.benchmarks.triggers import send, small
from tests.support.sql import session
from tests.support.topics import Broker
from tests.support.worker import WorkerProcess

PARTITIONS = 12
SAMPLE_S = 0.1


@dataclass(frozen=True, slots=True)
class Memory:
    """The most that was seen, and how many triggers were drained meanwhile."""

    rss_mb: float
    drained: int


def measure(stage: Stage, broker: Broker, *, waiting: int, seconds: float) -> Memory:
    """Start a worker before so many small triggers and watch it for a while."""
    with stage.set(broker, partitions=PARTITIONS) as settings:
        topics = Topics.under(settings.topic_prefix)
        send(broker.address, topics.triggers, small(waiting))
        process = WorkerProcess(settings, stage.folder / "memory.log", program=PRODUCT)
        try:
            usage = psutil.Process(process.child.pid)
            most = 0
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                most = max(most, usage.memory_info().rss)
                time.sleep(SAMPLE_S)
            with session(settings.database_url.get_secret_value()) as opened:
                cursor = opened.cursor()
                cursor.execute(POSITION, (topics.triggers,))
                ((drained,),) = cursor.fetchall()
        finally:
            process.stop()
    assert drained, f"the worker drained nothing within {seconds:g} s"
    return Memory(most / 1e6, int(drained))
