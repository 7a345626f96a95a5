"""Failure events as the worker sends them, and a stranger's program that reads them."""

import json
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from job_trigger_worker.embedded.child import Child
from tests.support.topics import Broker, produce_raw

EXAMPLE = json.loads(
    (
        Path(__file__).parents[2]
        / "schemas/examples/good/awp.job.trigger-failure.v1/two-findings.json"
    ).read_bytes()
)


def failure(job: int, **more: object) -> bytes:
    """The body of a failure of this job, with an event id that follows from it."""
    event_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"failure of {job}"))
    return json.dumps(EXAMPLE | {"job_id": str(job), "event_id": event_id} | more).encode()


def send(broker: Broker, topic: str, jobs: Sequence[int], *, partition: int = 0) -> None:
    """A failure of each job, in order, all in one partition."""
    messages = [(str(job), failure(job), None) for job in jobs]
    produce_raw(broker, topic, messages, partition=partition)


@contextmanager
def program(source: str, folder: Path) -> Iterator[Child]:
    """A program of somebody's, in a process of its own, killed at the end of the block."""
    path = folder / "program.py"
    path.write_text(source)
    child = Child([sys.executable, str(path)], folder / "program.log", cwd=folder)
    try:
        yield child
    finally:
        child.kill()
