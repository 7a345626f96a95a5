"""What a batch costs, in counters that no clock and no other load can move.

A batch is what `Intake` does with it: the snapshot of the inventory, the decision, and the one
transaction with the outbox row of the batch before deleted in it. The server is the test's own:
nothing but the batch writes, and no page is logged whole.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2.extensions
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import BatchResult, Claim
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.embedded.postgres import EmbeddedPostgres
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.schema import revisions
from job_trigger_worker.storage.write import ledger
from tests.support import costs, postgres
from tests.support.intakes import make_intake
from tests.support.platform import Platform
from tests.support.sql import session
from tests.support.wire import counted

LIMITS = Path(__file__).with_name("costs.toml")
SIZES = (1, 100, 1000)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUIET = ("autovacuum = off", "checkpoint_timeout = '1d'", "max_wal_size = '4GB'")
WRITTEN = """
    select pg_current_wal_insert_lsn() - '0/0', sum(n_tup_ins + n_tup_upd + n_tup_del)
    from pg_stat_user_tables
"""


class _Noon:
    """A clock that stands: every time in a record or event has the same length."""

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def database() -> Iterator[str]:
    """A server of its own: 1,000 jobs, one in ten on a server that is gone, and nobody else."""
    with postgres.folder() as place:
        server = EmbeddedPostgres(place, fsync=False)
        try:
            url = server.start().url
            revisions.upgrade(url)
            with create_engine(url).begin() as connection:
                _fill(Platform(connection))
            with session(url) as opened:
                opened.autocommit = True
                for setting in QUIET:
                    opened.cursor().execute(f"alter system set {setting}")
                opened.cursor().execute("select pg_reload_conf()")
                opened.cursor().execute("vacuum (freeze, analyze)")
                opened.cursor().execute("checkpoint")
            yield url
        finally:
            server.stop()


def test_a_batch_costs_no_more_than_its_limits(database: str) -> None:
    measured: defaultdict[str, dict[int, int]] = defaultdict(dict)
    with counted(database) as wire, session(database) as observer:
        observer.autocommit = True
        worker = _Worker(wire.url)
        worker.handle(max(SIZES))  # every job has been run once, every statement is prepared
        for size in SIZES:
            worker.handle(size)  # what the next batch deletes is as large as itself
            (wal, rows), said_before = _written(worker, observer), wire.traffic
            handled = worker.handle(size)
            traffic = wire.traffic - said_before
            wal_after, rows_after = _written(worker, observer)
            measured["statements"][size] = traffic.statements
            measured["round_trips"][size] = traffic.round_trips
            measured["sent_bytes"][size] = traffic.sent_bytes
            measured["wal_bytes"][size] = wal_after - wal
            measured["rows"][size] = rows_after - rows
            measured["event_bytes"][size] = _event_bytes(handled)
        worker.close()

    said = costs.complaints(measured, costs.load(LIMITS))
    assert not said, "\n".join([*said, f"measured: {json.dumps(measured)}", f"limits: {LIMITS}"])


class _Worker:
    """Decides and writes batch after batch of one partition."""

    def __init__(self, url: str) -> None:
        self.session = Session(make_engine(Settings(database_url=SecretStr(url))))
        self._intake = make_intake(self.session, Topics.under("awp"), clock=_Noon())
        with self.session.transaction() as connection:
            self._claim: Claim = ledger.take(
                connection, topic="t", topic_id="i", owner="g/1", log_starts={0: 0}
            )[0]
        self._handled = BatchResult((), {0: -1})
        self._batches = 0

    def handle(self, size: int) -> BatchResult:
        """The next batch: the first jobs, each with a slot that it did not have before."""
        slot = NOON - timedelta(minutes=30) + timedelta(seconds=self._batches)
        first = self._handled.positions[0] + 1
        batch = [_delivery(first + place, place + 1, slot) for place in range(size)]
        decided = self._intake.decide(batch, {0: self._claim})
        self._handled = self._intake.write(decided, {0: self._claim}, self._handled.rows)
        self._claim = self._claim.at(self._handled.positions[0])
        self._batches += 1
        return self._handled

    def close(self) -> None:
        self.session.close()


def _delivery(offset: int, job_id: int, slot: datetime) -> Delivery:
    body = json.dumps({"job_id": job_id, "scheduled_at": slot.isoformat()}).encode()
    return Delivery(0, offset, None, body, (), 0)


def _fill(platform: Platform) -> None:
    fine = platform.target()
    for number in range(1, max(SIZES) + 1):
        targets = [fine] if number % 10 else [(9_999, "deploy")]
        platform.action_job(targets, id=number)


def _written(worker: _Worker, observer: psycopg2.extensions.connection) -> tuple[int, int]:
    """The position in the WAL, and all rows ever written, as the server counts them."""
    with worker.session.transaction() as connection:
        connection.execute(text("select pg_stat_force_next_flush()"))
    with observer.cursor() as cursor:
        cursor.execute(WRITTEN)
        row: Any = cursor.fetchone()
    return int(row[0]), int(row[1])


def _event_bytes(handled: BatchResult) -> int:
    """Key, headers and value of every event that leaves, before the client compresses them."""
    return sum(
        len(event.key or b"")
        + len(event.value or b"")
        + sum(_size(name) + _size(content or b"") for name, content in event.headers)
        for row in handled.rows
        for event in row.events
    )


def _size(content: str | bytes) -> int:
    return len(content.encode() if isinstance(content, str) else content)
