"""A worker is killed in the midst of a backlog, and another one takes over at once."""

import time
from contextlib import ExitStack
from dataclasses import dataclass

from job_trigger_worker.domain.topics import Topics
from tests.benchmarks.draining import POLL_S, POSITION, PRODUCT, RECORDS, count_events
from tests.benchmarks.stage import Stage
from tests.benchmarks.triggers import backlog, send
from tests.support.sql import session, value
from tests.support.topics import Broker
from tests.support.worker import WorkerProcess

PARTITIONS = 6
KILL_SHARE = 0.4
LAST_S = 300.0


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Seconds from the kill until the next trigger is recorded, and until all are.

    The group waits `session_timeout_s` for the dead one, which is most of the former. `repeats` is
    how many events were published twice, and `backlog` how many triggers waited when it died.
    """

    resumed_s: float
    caught_up_s: float
    session_timeout_s: float
    backlog: int
    repeats: int

    def as_json(self) -> dict[str, float]:
        """Rounded to what the figures are worth."""
        return {name: round(getattr(self, name), 1) for name in self.__slots__}


def measure(stage: Stage, broker: Broker, *, triggers: int, session_timeout_s: int) -> CatchUp:
    """Kill a worker (SIGKILL) on its way through so many triggers. All must have their record."""
    with ExitStack() as stack:
        made = stack.enter_context(stage.set(broker, partitions=PARTITIONS))
        settings = made.model_copy(update={"session_timeout_ms": session_timeout_s * 1000})
        topics = Topics.under(settings.topic_prefix)
        url = settings.database_url.get_secret_value()
        opened = stack.enter_context(session(url, application="bench"))
        opened.autocommit = True

        def reach(position: float) -> tuple[float, int]:
            deadline = time.monotonic() + LAST_S
            while True:
                with opened.cursor() as cursor:
                    cursor.execute(POSITION, (topics.triggers,))
                    ((found,),) = cursor.fetchall()
                if found >= position:
                    return time.monotonic(), found
                assert time.monotonic() < deadline, f"the worker stands at {found:,}"
                time.sleep(POLL_S)

        send(settings.kafka_brokers, topics.triggers, backlog(triggers))
        first = WorkerProcess(settings, stage.folder / "crash-1.log", program=PRODUCT, wait=False)
        stack.callback(first.kill)
        reach(triggers * KILL_SHARE)
        first.kill()
        killed_at, (_, stands_at) = time.monotonic(), reach(0)
        second = WorkerProcess(settings, stage.folder / "crash-2.log", program=PRODUCT, wait=False)
        stack.callback(second.stop)
        resumed_at, _ = reach(stands_at + 1)
        caught_up_at, _ = reach(triggers)
        assert value(url, RECORDS) == triggers, "triggers are without a record"
        events = count_events(settings.kafka_brokers, topics, triggers * 2, quiet_s=3)
    return CatchUp(
        resumed_s=resumed_at - killed_at,
        caught_up_s=caught_up_at - killed_at,
        session_timeout_s=session_timeout_s,
        backlog=triggers - stands_at,
        repeats=events - triggers,
    )
