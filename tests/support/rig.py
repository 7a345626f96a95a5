"""What a test of the whole pipeline does: fill a platform, fire triggers, look at what came."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from tests.support.platform import Platform
from tests.support.sql import session
from tests.support.topics import Broker, Collector, Header, Received, produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

RECORDED_S = 20.0


@dataclass(frozen=True)
class Rig:
    """A running worker with everything around it. `admin` is the database for its owner."""

    broker: Broker
    topics: Topics
    admin: str
    settings: Settings
    worker: WorkerProcess
    shared: dict[str, int] = field(default_factory=dict)
    collectors: dict[str, Collector] = field(default_factory=dict)

    @contextmanager
    def platform(self) -> Iterator[Platform]:
        """A platform to fill, committed at the end."""
        with create_engine(self.admin, poolclass=NullPool).begin() as connection:
            yield Platform(connection, self.shared)

    def fire(self, *bodies: object, headers: Sequence[Header] = ()) -> list[tuple[int, int]]:
        """Send triggers (a dict is JSON, bytes are as they are), keyed by job id if there is one.

        Returns partition and offset of each.
        """
        return produce_raw(
            self.broker,
            self.topics.triggers,
            [(_key(body), _bytes(body), list(headers)) for body in bodies],
        )

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of a query as dicts; `%s` stands for each of `values`."""
        with session(self.admin) as opened, opened, opened.cursor() as cursor:
            cursor.execute(query, values)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def records(self, job_id: int, count: int = 1) -> list[dict[str, Any]]:
        """The records of a job in the order of their slots, once there are at least `count`."""
        return wait_until(
            lambda: _enough(
                self.rows(
                    "select * from awp_job_execution where job_id = %s order by scheduled_at, id",
                    job_id,
                ),
                count,
            ),
            RECORDED_S,
            f"{count} records of job {job_id}",
        )

    def record(self, job_id: int) -> dict[str, Any]:
        """The one record of a job."""
        (found,) = self.records(job_id)
        return found

    def event(self, topic: str, execution_id: object) -> Received:
        """The one event of an execution on a topic."""
        found = wait_until(
            lambda: [
                message
                for message in self.collector(topic).look()
                if str(execution_id).encode() in (message.value or b"")
            ],
            RECORDED_S,
            f"an event of execution {execution_id} on {topic}",
        )
        (event,) = found
        return event

    def collector(self, topic: str) -> Collector:
        """What came on a topic so far, kept between tests."""
        if topic not in self.collectors:
            self.collectors[topic] = Collector(self.broker, topic)
        return self.collectors[topic]

    def close(self) -> None:
        """End the collectors' connections."""
        for collector in self.collectors.values():
            collector.close()

    def settle(self) -> None:
        """Wait until everything sent is accounted for and published."""
        wait_until(
            lambda: not self.rows("select from awp_trigger_outbox"), RECORDED_S, "an empty outbox"
        )


def trigger(job_id: object, **fields: object) -> dict[str, object]:
    """A scheduled trigger of this moment; None leaves a field out."""
    body = {"job_id": job_id, "scheduled_at": at(), "fired_at": at()} | fields
    return {name: value for name, value in body.items() if value is not None}


def at(seconds: float = 0) -> str:
    """Now and `seconds`, as RFC 3339."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")


def _enough(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return rows if len(rows) >= count else []


def _bytes(body: object) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


def _key(body: object) -> str | None:
    return str(body["job_id"]) if isinstance(body, dict) and "job_id" in body else None
