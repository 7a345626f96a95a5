"""What a trigger costs everybody: the worker, PostgreSQL, the broker, the log and the disks."""

import secrets
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Any

import psutil
import psycopg2.extensions

from job_trigger_worker.domain.topics import Topics
from tests.benchmarks.draining import BEGIN_SHARE, PRODUCT, Meter, cpu_s, drain
from tests.benchmarks.stage import Stage
from tests.benchmarks.triggers import backlog, send
from tests.support.kafka import KafkaNode
from tests.support.sql import session
from tests.support.wire import counted

PARTITIONS = 6
COUNTED_SHARE = 10
PAGE_IMAGES = """
    select cast(coalesce(sum(fpi_size), 0) as float8)
    from pg_get_wal_stats(cast(%s as pg_lsn), cast(%s as pg_lsn))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """A trigger's share: CPU in µs, statements, and bytes; `per_s` is what one worker drains.

    `wal_bytes` is without `page_bytes`, the pages that PostgreSQL logs whole after a checkpoint.
    `trigger_bytes` and `event_bytes` are what the broker keeps in its log, compressed by the
    clients; `record_bytes` is the table of records with its indexes, where it was measured.
    """

    per_s: float
    client_us: float
    server_us: float
    broker_us: float
    statements: float
    wal_bytes: float
    page_bytes: float
    trigger_bytes: float
    event_bytes: float
    record_bytes: float

    def as_json(self) -> dict[str, float]:
        """Rounded to what the figures are worth."""
        return {
            name: round(getattr(self, name), 3 if name == "statements" else 1)
            for name in (each.name for each in fields(self))
        }


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    names = [each.name for each in fields(Cost)]
    return Cost(**{name: statistics.median(getattr(c, name) for c in costs) for name in names})


def measure(stage: Stage, node: KafkaNode, url: str, *, triggers: int, jobs: int) -> Cost:
    """Drain so many triggers on a database that is there, after a checkpoint; it keeps the records.

    Statements are counted on a tenth of them in a drain of its own, because the pass-through that
    counts them takes CPU time.
    """
    statements = _statements(stage, node, url, triggers=triggers // COUNTED_SHARE, jobs=jobs)
    with ExitStack() as stack:
        settings = stack.enter_context(stage.beside(url, node, partitions=PARTITIONS))
        opened = stack.enter_context(session(url, application="meter"))
        opened.autocommit = True
        topics = Topics.under(settings.topic_prefix)
        send(settings.kafka_brokers, topics.triggers, _fresh(triggers, jobs))
        trigger_bytes = _log_bytes(node, topics.triggers)
        size = _size(opened)
        opened.cursor().execute("create extension if not exists pg_walinspect")
        opened.cursor().execute("checkpoint")
        places: list[str] = []
        drained = drain(
            settings,
            PRODUCT,
            stage.folder / "cost.log",
            total=triggers,
            meter=_meter(stage, node, opened, places),
        )
        images = _value(opened, PAGE_IMAGES, *places) / (triggers * (1 - BEGIN_SHARE))
        return Cost(
            per_s=drained.per_s,
            client_us=drained.cpu_us,
            server_us=drained.spent["server_us"],
            broker_us=drained.spent["broker_us"],
            statements=statements,
            wal_bytes=drained.spent["wal_bytes"] - images,
            page_bytes=images,
            trigger_bytes=trigger_bytes / triggers,
            event_bytes=sum(_log_bytes(node, topic) for topic in topics.outcomes()) / triggers,
            record_bytes=(_size(opened) - size) / triggers,
        )


def _statements(stage: Stage, node: KafkaNode, url: str, *, triggers: int, jobs: int) -> float:
    with counted(url) as wire, stage.beside(wire.url, node, partitions=PARTITIONS) as settings:
        topics = Topics.under(settings.topic_prefix)
        send(settings.kafka_brokers, topics.triggers, _fresh(triggers, jobs))

        def meter() -> Mapping[str, float]:
            return {"statements": wire.traffic.statements}

        log = stage.folder / "cost.log"
        return drain(settings, PRODUCT, log, total=triggers, meter=meter).spent["statements"]


def _fresh(count: int, jobs: int) -> list[tuple[bytes, bytes]]:
    """Triggers of slots that no other run has used."""
    return backlog(count, jobs=jobs, microsecond=1 + secrets.randbelow(999_999))


def _meter(
    stage: Stage, node: KafkaNode, opened: psycopg2.extensions.connection, places: list[str]
) -> Meter:
    """Counters of everybody but the worker; `places` gets the ends of the log that was written."""

    def read() -> Mapping[str, float]:
        place = _value(opened, "select pg_current_wal_insert_lsn()")
        places.append(place)
        return {
            "server_us": family_cpu_s(stage.postgres.pid or 0) * 1e6,
            "broker_us": cpu_s(psutil.Process(node.pid)) * 1e6,
            "wal_bytes": float(_value(opened, "select cast(%s as pg_lsn) - '0/0'", place)),
        }

    return read


def family_cpu_s(pid: int) -> float:
    """CPU time of a process and of all that it has started, those that have ended too."""
    parent = psutil.Process(pid)
    times = parent.cpu_times()
    spent = times.user + times.system + times.children_user + times.children_system
    return float(spent) + sum(map(cpu_s, parent.children()))


def _log_bytes(node: KafkaNode, topic: str) -> int:
    """What the broker keeps of a topic, without its indexes."""
    found = (node.folder / "data").glob(f"{topic}-*/*.log")
    return sum(path.stat().st_size for path in found)


def _size(opened: psycopg2.extensions.connection) -> int:
    return int(_value(opened, "select pg_total_relation_size('awp_job_execution')"))


def _value(opened: psycopg2.extensions.connection, query: str, *values: object) -> Any:
    with opened.cursor() as cursor:
        cursor.execute(query, values or None)
        ((found,),) = cursor.fetchall()
    return found
