"""A platform whose jobs pass and fail in known ways, triggers for them, and a judge."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from tests.support import services
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.platform import Platform
from tests.support.topics import Broker
from tests.support.worker import WorkerProcess, running

Start = Callable[..., WorkerProcess]


@pytest.fixture
def brief() -> dict[str, int]:
    """Settings of a worker that the group misses soon, where the broker allows it."""
    is_ours = services.kafka_choice().source is services.Source.MAVEN
    return {"session_timeout_ms": 2000 if is_ours else 6000}


@pytest.fixture
def jobs(database: str) -> list[int]:
    """Twelve jobs: six actions and three workflows that pass, three actions on a dead server."""
    engine = create_engine(database, poolclass=NullPool)
    with engine.begin() as connection:
        platform = Platform(connection)
        dead = platform.account(platform.server("db-08", "10.0.0.8", state="off"))
        made: list[int] = []
        for _ in range(3):
            made += [platform.action_job(), platform.action_job(), platform.workflow_job()]
            made.append(platform.action_job([dead]))
        return made


@pytest.fixture
def load(broker: Broker, topics: Topics, jobs: list[int]) -> Load:
    return Load(broker, topics.triggers, jobs)


@pytest.fixture
def judge(broker: Broker, topics: Topics, database: str, jobs: list[int]) -> Judge:
    verdicts = {job: "server_powered_off" if job in jobs[3::4] else None for job in jobs}
    return Judge(broker, topics, database, verdicts)


@pytest.fixture
def start(
    settings: Settings,
    topics: Topics,  # noqa: ARG001 - torn down after the workers
    tmp_path: Path,
) -> Iterator[Start]:
    """Starts workers, each with a log of its own; ends in order those that still run.

    They end before their topics do.

    Arguments are those of `WorkerProcess`; `settings` names what is to differ.
    """
    with ExitStack() as stack:
        count = 0

        def started(changes: dict[str, Any] | None = None, **more: Any) -> WorkerProcess:
            nonlocal count
            count += 1
            log = tmp_path / f"worker-{count}.log"
            own = settings.model_copy(update=changes or {})
            worker: AbstractContextManager[WorkerProcess] = running(own, log, **more)
            return stack.enter_context(worker)

        yield started
