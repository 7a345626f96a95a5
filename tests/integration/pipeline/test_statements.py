"""A constant number of statements a batch, whatever its size (a counter, not a clock)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import BatchResult
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.write import ledger
from tests.support.intakes import make_intake
from tests.support.platform import Platform
from tests.support.statements import saying

READS = 7
WRITES = 3  # records, jobs, ledger; the outbox and its deletes make five
CHANGES = ("insert", "update", "delete")


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    with create_engine(database).begin() as connection:
        platform = Platform(connection)
        fine = platform.target()
        for number in range(1, 1001):
            targets = [fine] if number % 10 else [(9_999, "deploy")]
            platform.action_job(targets, id=number)
    engine = make_engine(Settings(database_url=SecretStr(database)))
    yield engine
    engine.dispose()


def test_batches_of_1_100_and_1000_take_the_same_number_of_statements(engine: Engine) -> None:
    session = Session(engine)
    intake = make_intake(session, Topics.under("awp"))
    with session.transaction() as connection:
        claim = ledger.take(connection, topic="t", topic_id="i", owner="g/1", log_starts={0: 0})[0]
    with session.snapshot():  # opened: what that costs is no batch's
        pass
    counts = []
    handled = BatchResult((), {0: -1})
    for size in (1, 100, 1000):
        said: list[str] = []
        batch = _batch(first=handled.positions[0] + 1, size=size)
        with saying(engine, partial(_note_word, said)):
            decided = intake.decide(batch, {0: claim})
            handled = intake.write(decided, {0: claim}, handled.rows)
        claim = claim.at(handled.positions[0])
        counts.append((said.count("select"), sum(said.count(word) for word in CHANGES)))
    session.close()

    first, *others = counts
    assert first == (READS, WRITES + 1)  # nothing published yet that could be deleted
    assert others == [(READS, WRITES + 2)] * 2


def _batch(first: int, size: int) -> list[Delivery]:
    now = datetime.now(UTC).isoformat()
    return [
        Delivery(
            0,
            first + number,
            None,
            json.dumps({"job_id": number + 1, "scheduled_at": now, "n": first}).encode(),
            (),
            0,
        )
        for number in range(size)
    ]


def _note_word(said: list[str], statement: str) -> None:
    said.append(statement.split(maxsplit=1)[0])
