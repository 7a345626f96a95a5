"""Intake on the real database, without a broker: statuses, and who may take what."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import text

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import FatalError
from job_trigger_worker.metrics import IntakeMetrics, Metrics
from job_trigger_worker.pipeline.status import StatusIntake
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.write import ledger
from tests.support import sql

REFUSES = "alter table awp_action_execution add check (message is distinct from 'refused')"


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    engine = make_engine(Settings(database_url=SecretStr(database)))
    opened = Session(engine)
    yield opened
    opened.close()
    engine.dispose()


@pytest.fixture
def claim(session: Session) -> Claim:
    return _take(session, "t", 0, "ours/1")


def _take(session: Session, topic_id: str, partition: int, owner: str) -> Claim:
    with session.transaction() as connection:
        return ledger.take(
            connection, topic="t", topic_id=topic_id, owner=owner, log_starts={partition: 0}
        )[partition]


def _statuses(refused: int, good: int) -> list[Delivery]:
    words = ["refused"] * refused + ["fine"] * good
    return [
        Delivery(
            0,
            offset,
            None,
            json.dumps(
                {
                    "execution_id": str(uuid4()),
                    "job_type": "action",
                    "status": "running",
                    "message": word,
                    "at": "2026-11-23T10:00:00Z",
                }
            ).encode(),
            (),
            0,
        )
        for offset, word in enumerate(words)
    ]


def test_statuses_that_the_database_refuses_are_isolated(
    database: str, session: Session, claim: Claim
) -> None:
    sql.execute(database, REFUSES)
    intake = StatusIntake(
        session=session,
        topics=Topics.under("awp"),
        metrics=IntakeMetrics(Metrics(CollectorRegistry()), "t"),
    )
    claims = {0: claim}

    handled = intake.write(intake.decide(_statuses(4, 20), claims), claims, ())

    assert handled.positions == {0: 23}
    assert sql.value(database, "select count(*) from awp_action_execution") == 20
    assert sql.value(database, "select count(*) from awp_dead_letter") == 4


def test_what_another_group_has_left_is_not_taken(database: str, session: Session) -> None:
    theirs = _take(session, "gone", 0, "theirs/1")
    left = _take(session, "gone", 1, "ours/1")
    row = "insert into awp_trigger_outbox (ledger_id, events, payload) values ({}, 1, '')"
    for claim in (theirs, left):
        sql.execute(database, row.format(claim.ledger_id))
    with session.transaction() as connection:
        ledger.release(connection, [left])

    with session.transaction() as connection:
        taken = ledger.take_orphans(
            connection, topic="t", topic_id="now", partitions=3, owner="ours/2"
        )

    assert [each.ledger_id for each in taken] == [left.ledger_id]
    owner = "select owner from awp_trigger_ledger where id = {}"
    assert sql.value(database, owner.format(theirs.ledger_id)) == "theirs/1"


def test_a_partition_of_another_group_stops_the_worker_until_it_is_released(
    session: Session,
) -> None:
    theirs = _take(session, "now", 0, "theirs/1")

    with pytest.raises(FatalError, match="belongs to consumer group 'theirs', not to 'ours'"):
        _take(session, "now", 0, "ours/1")

    with session.transaction() as connection:
        ledger.release(connection, [theirs])
    assert _take(session, "now", 0, "ours/1").epoch == theirs.epoch + 1


def test_a_statement_is_prepared_anew_on_a_new_session(session: Session, claim: Claim) -> None:
    intake_rows = _statuses(0, 1)
    intake = StatusIntake(
        session=session,
        topics=Topics.under("awp"),
        metrics=IntakeMetrics(Metrics(CollectorRegistry()), "t"),
    )
    claims = {0: claim}
    intake.write(intake.decide(intake_rows, claims), claims, ())
    with session.transaction() as connection:
        connection.execute(text("deallocate all"))
    session.close()
    after = {0: claim.at(0)}
    (again,) = _statuses(0, 1)

    handled = intake.write(intake.decide([again._replace(offset=1)], after), after, ())

    assert handled.positions == {0: 1}
