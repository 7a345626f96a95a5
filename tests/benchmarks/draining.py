"""One contender drains a backlog; everything is measured from outside of its process."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2.extensions
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.embedded.child import last_lines
from tests.support.sql import session, value
from tests.support.worker import WorkerProcess

ROOT = Path(__file__).parents[2]
_PATH = os.pathsep.join(str(ROOT / each) for each in ("", "worker", "schemas"))
PRODUCT = "from job_trigger_worker.cli import main; main()"
BEGIN_SHARE = 0.1
POLL_S = 0.025
START_S = 40.0
STALL_S = 60.0
QUIET_S = 20.0
LISTED_S = 10.0

RECORDS = "select count(*) from awp_job_execution"
POSITION = (
    "select coalesce(sum(last_offset + 1), 0)::bigint from awp_trigger_ledger where topic = %s"
)


@dataclass(frozen=True, slots=True)
class Drain:
    """How fast it was, and what a trigger cost the contender's process in CPU time.

    `spent` is what a meter counted a trigger, `rss_mb` the most memory that the process had.
    """

    per_s: float
    cpu_us: float
    spent: Mapping[str, float] = field(default_factory=dict)
    rss_mb: float = 0.0


Meter = Callable[[], Mapping[str, float]]
"""Reads counters that only grow."""


def drain(
    settings: Settings,
    program: str,
    log: Path,
    *,
    total: int,
    meter: Meter = dict,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
) -> Drain:
    """Start a contender before a full topic and measure it from a tenth of the way to the end.

    So its start, its join and its first batches do not count. Checks afterwards that every trigger
    has its record and its event. Raises AssertionError with the log's end when it stops getting on.
    """
    database = settings.database_url.get_secret_value()
    there = value(database, RECORDS)
    topics = Topics.under(settings.topic_prefix)
    with ExitStack() as stack:
        opened = stack.enter_context(session(database, application="bench"))
        opened.autocommit = True
        process = WorkerProcess(
            settings,
            log,
            program=program,
            env={"PYTHONPATH": _PATH, **(env or {})},
            wait=False,
            python=python,
        )
        stack.callback(process.kill)
        measured = _watch(opened, process, topics.triggers, total, meter)
        _settle(database, process)
        status = process.stop()
        assert status == 0, f"the contender ended with {status}:\n{last_lines(log)}"
    _check(settings, topics, total, there)
    return measured


def _watch(
    opened: psycopg2.extensions.connection,
    process: WorkerProcess,
    topic: str,
    total: int,
    meter: Meter,
) -> Drain:
    usage = psutil.Process(process.child.pid)
    began: tuple[float, int, float, Mapping[str, float]] | None = None
    reached, moved_at = 0, time.monotonic()
    while True:
        status = process.child.exit_status()
        assert status is None, f"the contender ended with {status}:\n{last_lines(process.log)}"
        position = _one(opened, POSITION, topic)
        now = time.monotonic()
        if position > reached:
            reached, moved_at = position, now
        patience = STALL_S if reached else START_S
        assert now - moved_at < patience, (
            f"the contender stands at {reached} of {total}:\n{last_lines(process.log)}"
        )
        if began is None and position >= total * BEGIN_SHARE:
            began = now, position, cpu_s(usage), meter()
        if began is not None and position >= total:
            share = total - began[1]
            assert share > total / 2, f"too fast to be measured: {total} triggers are too few"
            cost_s = cpu_s(usage) - began[2]
            spent = {name: (most - began[3][name]) / share for name, most in meter().items()}
            rss_mb = most_memory_mb(process.child.pid)
            return Drain(share / (now - began[0]), cost_s * 1e6 / share, spent, rss_mb)
        time.sleep(POLL_S)


def _settle(database: str, process: WorkerProcess) -> None:
    """Wait until it has published everything."""
    deadline = time.monotonic() + QUIET_S
    while value(database, "select exists (select from awp_trigger_outbox)"):
        assert time.monotonic() < deadline, f"the outbox stays filled:\n{last_lines(process.log)}"
        time.sleep(POLL_S)


def _check(settings: Settings, topics: Topics, total: int, there: int) -> None:
    database = settings.database_url.get_secret_value()
    records = value(database, RECORDS) - there
    shown = value(database, "select count(*) from awp_automcation_job where trigger_status > 0")
    assert records == total, f"{total} triggers became {records} records"
    assert shown > 0, "no job shows its newest record"
    events = count_events(settings.kafka_brokers, topics, total)
    assert events == total, f"{total} triggers became {events} events"


def count_events(brokers: str, topics: Topics, wanted: int, *, quiet_s: float = QUIET_S) -> int:
    """How many events the outgoing topics hold, counted by reading them.

    Reads on until it has seen as many as are wanted and nothing more comes, or none for `quiet_s`.
    End offsets will not do: the embedded broker reports the first offset of the last batch.
    """
    reader = Consumer({"bootstrap.servers": brokers, "group.id": "bench", "log_level": 3})
    try:
        listed = reader.list_topics(timeout=LISTED_S).topics
        reader.assign(
            [
                TopicPartition(topic, partition, OFFSET_BEGINNING)
                for topic in topics.outcomes()
                for partition in listed[topic].partitions
            ]
        )
        count = 0
        deadline = time.monotonic() + quiet_s
        while count < wanted and time.monotonic() < deadline:
            if came := _good(reader.consume(10_000, 0.5)):
                count += came
                deadline = time.monotonic() + quiet_s
        return count + _good(reader.consume(10_000, 0.5))
    finally:
        reader.close()


def _good(messages: list[Message]) -> int:
    return sum(message.error() is None for message in messages)


def most_memory_mb(pid: int) -> float:
    """The most resident memory that a process has had so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    (most,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(most) * 1024 / 1e6


def cpu_s(process: psutil.Process) -> float:
    """What all of its threads have used, user and system."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _one(opened: psycopg2.extensions.connection, query: str, *values: object) -> Any:
    with opened.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
    return row[0] if row else None
