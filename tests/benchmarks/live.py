"""`python -m tests.benchmarks.live`: what people who watch failures cost the worker.

A worker drains a backlog on real Kafka while a console stands beside it, with and without viewers
of the live page, in rounds that alternate. Prints a table, or with --json one object.
"""

import argparse
import json
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from urllib.parse import urlsplit

import psutil

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.embedded.child import free_port
from job_trigger_worker.errors import TriggerWorkerError
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.write import sign_ins
from job_trigger_worker.storage.write.sign_ins import Session
from tests.benchmarks.contest import PARTITIONS
from tests.benchmarks.draining import PRODUCT, cpu_s, drain
from tests.benchmarks.stage import Stage, built
from tests.benchmarks.triggers import Sent, backlog, send
from tests.support import services
from tests.support.sql import execute, value
from tests.support.topics import Broker
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

PAGE = "/failures/stream?span=24h"
ALL = "/api/v1/failures/stream"
START_S = 30.0
TARGETS_A_JOB = 1.5


@dataclass(frozen=True, slots=True)
class Beside:
    """One drain with a console beside it; memory in MB, `console_cpu` as a share of one core."""

    viewers: int
    per_s: float
    failures_per_s: float
    rss_before_mb: float
    rss_most_mb: float
    console_cpu: float
    events_a_viewer: float
    sent_mb: float


class Watchers:
    """Open streams, read by one thread that looks at nothing but how much came."""

    def __init__(self, address: str, path: str, tokens: Sequence[str]) -> None:
        self.events = self.bytes = self.ended = 0
        where = urlsplit(address)
        self._selector = selectors.DefaultSelector()
        self._sockets = []
        for token in tokens:
            opened = socket.create_connection((where.hostname or "", where.port or 0), 30)
            opened.sendall(
                f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
                f"Cookie: awp-session={token}\r\n\r\n".encode()
            )
            answer = opened.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
            opened.setblocking(False)
            self._selector.register(opened, selectors.EVENT_READ)
            self._sockets.append(opened)
        self._stopping = Event()
        self._thread = Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._selector.select(0.2):
                opened = key.fileobj
                assert isinstance(opened, socket.socket)
                came = opened.recv(262_144)
                self.bytes += len(came)
                self.events += came.count(b"\nevent: ")
                if not came:
                    self.ended += 1
                    self._selector.unregister(opened)

    def close(self) -> None:
        """Leave."""
        self._stopping.set()
        self._thread.join()
        for opened in self._sockets:
            opened.close()
        self._selector.close()


def measure(
    stage: Stage, broker: Broker, triggers: Sequence[Sent], *, viewers: int, off: int, path: str
) -> Beside:
    """Drain with so many viewers beside, on a platform where so many of 1,000 servers are off."""
    with stage.set(broker, partitions=PARTITIONS) as made, ExitStack() as stack:
        settings = made.model_copy(update={"console_listen": f"127.0.0.1:{free_port()}"})
        database = settings.database_url.get_secret_value()
        execute(
            database,
            f"update awp_server set state = case when id <= {off} then 'off' else 'on' end",
        )
        topics = Topics.under(settings.topic_prefix)
        send(settings.kafka_brokers, topics.triggers, triggers)
        console, address = stack.enter_context(_console(settings, stage))
        watchers = Watchers(address, path, _signed_in(settings, viewers))
        stack.callback(watchers.close)
        before_mb = console.memory_info().rss / 1e6
        most = stack.enter_context(_most(console))
        began, used = time.monotonic(), cpu_s(console)
        found = drain(settings, PRODUCT, stage.folder / "live.log", total=len(triggers))
        took_s, used = time.monotonic() - began, cpu_s(console) - used
        failures = value(
            database, "select count(*) from awp_job_execution where trigger_status = 2"
        )
        assert not watchers.ended, f"{watchers.ended} of {viewers} streams have ended"
        return Beside(
            viewers=viewers,
            per_s=found.per_s,
            failures_per_s=found.per_s * failures / len(triggers),
            rss_before_mb=before_mb,
            rss_most_mb=most[0] / 1e6,
            console_cpu=used / took_s,
            events_a_viewer=watchers.events / max(viewers, 1),
            sent_mb=watchers.bytes / 1e6,
        )


@contextmanager
def _console(settings: Settings, stage: Stage) -> Iterator[tuple[psutil.Process, str]]:
    log = stage.folder / "console.log"
    process = WorkerProcess(settings, log, command="console", program=PRODUCT, wait=False)
    address = f"http://{settings.console_listen}"
    try:
        wait_until(lambda: _answers(settings.console_listen), START_S, f"a console; see {log}")
        yield psutil.Process(process.child.pid), address
    finally:
        status = process.stop()
    assert status == 0, f"the console ended with {status}"


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as tried:
        return tried.connect_ex((host, int(port))) == 0


def _signed_in(settings: Settings, count: int) -> list[str]:
    """Sessions of so many admins, who see every failure."""
    pool, now, tokens = Pool(settings), datetime.now(UTC), []
    with pool.transaction() as connection:
        for number in range(count):
            login = f"viewer-{number}"
            session = Session(login, login, "admin", "link", "")
            ends_at = now + timedelta(hours=1)
            sign_ins.begin(connection, login, session, now=now, ends_at=ends_at)
            tokens.append(login)
    pool.close()
    return tokens


@contextmanager
def _most(process: psutil.Process) -> Iterator[list[int]]:
    """The most resident memory of a process within the block, in bytes."""
    most, over = [0], Event()

    def look() -> None:
        while not over.wait(0.2):
            most[0] = max(most[0], process.memory_info().rss)

    thread = Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def main(arguments: Sequence[str]) -> int:
    """Measure, then report."""
    asked = _parse(arguments)
    path = ALL if asked.all else PAGE
    triggers = backlog(asked.triggers)
    held: list[dict[int, Beside]] = []
    with built() as stage, services.running_node(is_for_speed=True) as node:
        warm = measure(stage, node, triggers[: len(triggers) // 3], viewers=0, off=20, path=path)
        _say(f"warms up at {warm.per_s:,.0f}/s, which does not count")
        off = max(1, round(asked.failures / warm.per_s * 1_000 / TARGETS_A_JOB))
        for number in range(asked.rounds):
            done = {}
            for viewers in (0, asked.viewers)[:: -1 if number % 2 else 1]:
                it = measure(stage, node, triggers, viewers=viewers, off=off, path=path)
                done[viewers] = it
                _say(
                    f"{number + 1}/{asked.rounds} {viewers:4} viewers {it.per_s:8,.0f}/s, "
                    f"{it.failures_per_s:4.0f} failures/s, console {it.rss_before_mb:.0f} to "
                    f"{it.rss_most_mb:.0f} MB, {it.console_cpu:4.0%} of a core, "
                    f"{it.events_a_viewer:.0f} events each, {it.sent_mb:.1f} MB"
                )
            held.append(done)
    ratios = [each[asked.viewers].per_s / each[0].per_s for each in held]
    ratio = statistics.median(ratios)
    if asked.json:
        rounds = [[asdict(each) for each in done.values()] for done in held]
        sys.stdout.write(json.dumps({"ratio": ratio, "ratios": ratios, "rounds": rounds}) + "\n")
    else:
        said = ", ".join(f"{each:.3f}" for each in ratios)
        sys.stdout.write(
            f"With {asked.viewers} viewers the worker's throughput is {ratio:.3f} of what it is "
            f"without ({said}).\n"
        )
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-live", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--triggers", type=int, default=200_000, help="backlog to drain")
    parser.add_argument("--rounds", type=int, default=4, help="interleaved rounds")
    parser.add_argument("--viewers", type=int, default=200, help="how many watch")
    parser.add_argument("--failures", type=int, default=500, help="failures a second, about")
    parser.add_argument("--all", action="store_true", help="the API's stream, not the page's")
    return parser.parse_args(arguments)


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (AssertionError, TriggerWorkerError) as reason:
        sys.exit(f"Not everything could be measured: {reason}")
