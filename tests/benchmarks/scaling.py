"""One, two and three workers on one backlog: what a trigger costs when others are beside.

On a machine that has no core left, more workers are no faster; what is shown is that a trigger
costs as much CPU time as before, so that on more cores the throughput adds up.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from tests.benchmarks.cost import family_cpu_s
from tests.benchmarks.draining import BEGIN_SHARE, POLL_S, POSITION, PRODUCT, cpu_s
from tests.benchmarks.stage import Stage
from tests.benchmarks.triggers import backlog, send
from tests.support.sql import session
from tests.support.topics import Broker
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

PARTITIONS = 6
JOIN_S = 60.0
LAST_S = 300.0


@dataclass(frozen=True, slots=True)
class Scaled:
    """Triggers a second of all workers, and the CPU time of all of them and of PostgreSQL, each."""

    per_s: float
    client_us: float
    server_us: float

    def as_json(self) -> dict[str, float]:
        """Rounded to what the figures are worth."""
        return {name: round(getattr(self, name), 1) for name in self.__slots__}


def measure(stage: Stage, broker: Broker, *, workers: int, triggers: int) -> Scaled:
    """So many workers share the partitions, then the backlog comes, and they drain it."""
    with ExitStack() as stack:
        settings = stack.enter_context(stage.set(broker, partitions=PARTITIONS))
        topic = Topics.under(settings.topic_prefix).triggers
        processes = [_start(stack, stage, settings, place) for place in range(workers)]
        wait_until(
            lambda: (
                sorted(each.partitions(topic) for each in processes)
                == [PARTITIONS // workers] * workers
            ),
            JOIN_S,
            f"{workers} workers with {PARTITIONS // workers} partitions each",
        )
        url = settings.database_url.get_secret_value()
        opened = stack.enter_context(session(url, application="bench"))
        opened.autocommit = True
        usages = [psutil.Process(each.child.pid) for each in processes]

        def read() -> Mapping[str, float]:
            with opened.cursor() as cursor:
                cursor.execute(POSITION, (topic,))
                ((position,),) = cursor.fetchall()
            return {
                "position": float(position),
                "at": time.monotonic(),
                "client": sum(map(cpu_s, usages)),
                "server": family_cpu_s(stage.postgres.pid or 0),
            }

        send(settings.kafka_brokers, topic, backlog(triggers))
        first = _reach(read, triggers * BEGIN_SHARE)
        last = _reach(read, triggers)
    share = last["position"] - first["position"]
    return Scaled(
        per_s=share / (last["at"] - first["at"]),
        client_us=(last["client"] - first["client"]) * 1e6 / share,
        server_us=(last["server"] - first["server"]) * 1e6 / share,
    )


def _start(stack: ExitStack, stage: Stage, settings: Settings, place: int) -> WorkerProcess:
    log = stage.folder / f"scaling-{place}.log"
    process = WorkerProcess(settings, log, program=PRODUCT)
    stack.callback(process.stop)
    return process


def _reach(read: Callable[[], Mapping[str, float]], position: float) -> Mapping[str, float]:
    """The counters as soon as the workers are there."""
    deadline = time.monotonic() + LAST_S
    while (found := read())["position"] < position:
        assert time.monotonic() < deadline, f"the workers stand at {found['position']:,.0f}"
        time.sleep(POLL_S)
    return found
