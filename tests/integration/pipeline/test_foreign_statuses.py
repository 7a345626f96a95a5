"""Statuses that contradict each other, or are of runs that nobody knows; without a broker."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.metrics import IntakeMetrics, Metrics
from job_trigger_worker.pipeline.status import StatusIntake
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import ledger
from job_trigger_worker.storage.write import runs as executions
from tests.support import sql
from tests.support.brokerless import TOPICS, BrokerlessIntake, feeding
from tests.support.platform import Platform

Report = tuple[str, str]
"""A run, and the word for where it stands."""


@pytest.fixture
def feed(database: str) -> Iterator[BrokerlessIntake]:
    with feeding(database) as feed:
        yield feed


class Statuses:
    """The status topic's partition, and the worker that owns it."""

    def __init__(self, feed: BrokerlessIntake) -> None:
        self.registry = CollectorRegistry()
        self._session = Session(feed.engine)
        self._intake = StatusIntake(
            session=self._session,
            topics=TOPICS,
            metrics=IntakeMetrics(Metrics(self.registry), TOPICS.statuses),
        )
        with self._session.transaction() as connection:
            self._claim: Claim = ledger.take(
                connection,
                topic=TOPICS.statuses,
                topic_id="id",
                owner="ours/1",
                log_starts={0: 0},
            )[0]

    def report(self, *reports: Report, job_type: str = "action") -> None:
        """One batch."""
        first = self._claim.last_offset + 1
        batch = [
            Delivery(0, first + n, None, _body(run, word, job_type), (), 0)
            for n, (run, word) in enumerate(reports)
        ]
        claims = {0: self._claim}
        self._intake.write(self._intake.decide(batch, claims), claims, ())
        self._claim = self._claim.at(batch[-1].offset)

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def statuses(feed: BrokerlessIntake) -> Iterator[Statuses]:
    opened = Statuses(feed)
    yield opened
    opened.close()


def _body(run: str, word: str, job_type: str) -> bytes:
    at = datetime.now(UTC).isoformat()
    fields = {"execution_id": run, "job_type": job_type, "status": word, "at": at}
    return json.dumps(fields | {"message": f"it {word}"}).encode()


def dispatched(feed: BrokerlessIntake) -> str:
    """The execution of a record of ours."""
    with feed.engine.begin() as connection:
        Platform(connection).action_job(id=1)
    taker = feed.taker()
    body = {"job_id": 1, "scheduled_at": datetime.now(UTC).isoformat()}
    taker.write([Delivery(0, 0, None, json.dumps(body).encode(), (), 0)], {0: taker.take(0)})
    return str(feed.rows("select execution_id from awp_job_execution")[0]["execution_id"])


def history(feed: BrokerlessIntake, run: str) -> dict[str, Any]:
    (row,) = feed.rows("select * from awp_action_execution where execution_id = :run", run=run)
    return row


def contradictions(feed: BrokerlessIntake) -> Sequence[dict[str, Any]]:
    return feed.rows("select * from awp_execution_contradiction")


def test_a_second_end_that_differs_is_counted_and_the_first_one_stands(
    feed: BrokerlessIntake, statuses: Statuses
) -> None:
    run = dispatched(feed)

    statuses.report((run, "succeeded"))  # forged: nothing has run yet
    statuses.report((run, "accepted"), (run, "running"))
    statuses.report((run, "failed"))
    statuses.report((run, "failed"), (run, "succeeded"), (run, "cancelled"))

    assert history(feed, run)["status"] == "succeeded"
    (found,) = contradictions(feed)
    assert (str(found["execution_id"]), found["ends"], found["status"]) == (run, 3, "cancelled")
    assert statuses.registry.get_sample_value("trigger_worker_contradicted_ends_total") == 3


def test_two_ends_in_one_batch_contradict_each_other_too(
    feed: BrokerlessIntake, statuses: Statuses
) -> None:
    run = dispatched(feed)

    statuses.report((run, "running"), (run, "failed"), (run, "failed"), (run, "succeeded"))

    assert history(feed, run)["status"] == "failed"
    (found,) = contradictions(feed)
    assert (found["ends"], found["status"], found["message"]) == (1, "succeeded", "it succeeded")


def test_an_end_that_is_told_again_contradicts_nothing(
    feed: BrokerlessIntake, statuses: Statuses
) -> None:
    run = dispatched(feed)

    statuses.report((run, "succeeded"))
    statuses.report((run, "succeeded"), (run, "running"))

    assert contradictions(feed) == []


def test_runs_that_nobody_knows_are_kept_up_to_a_limit_and_the_oldest_go(
    feed: BrokerlessIntake, statuses: Statuses
) -> None:
    known = dispatched(feed)
    runs = [str(uuid4()) for _ in range(executions.MOST_UNKNOWN + 1_500)]

    statuses.report((runs[0], "accepted"), (known, "accepted"))
    for first in range(1, len(runs), 1_000):
        statuses.report(*[(run, "running") for run in runs[first : first + 1_000]])

    kept = {str(row["execution_id"]) for row in feed.rows("select * from awp_action_execution")}
    assert len(kept) == executions.MOST_UNKNOWN + 1
    assert kept >= {known, *runs[2_001:]}  # of a batch all are as old as each other
    metric = statuses.registry.get_sample_value
    assert metric("trigger_worker_unknown_executions_total", {"what": "kept"}) == len(runs)
    assert metric("trigger_worker_unknown_executions_total", {"what": "swept"}) == 1_500


def test_what_was_unknown_for_long_goes_and_what_has_a_record_by_now_stays(
    feed: BrokerlessIntake, statuses: Statuses
) -> None:
    foreign, early, fresh = (str(uuid4()) for _ in range(3))
    statuses.report((foreign, "running"), (early, "succeeded"))
    with feed.engine.begin() as connection:
        connection.exec_driver_sql(
            "update awp_unknown_execution set seen_at = now() - interval '8 days';"
            "insert into awp_job_execution (job_id, execution_id, job_type) "
            f"values (1, '{early}', 'action')"
        )

    statuses.report((fresh, "running"))

    kept = {str(row["execution_id"]) for row in feed.rows("select * from awp_action_execution")}
    assert kept == {early, fresh}
    assert [str(r["execution_id"]) for r in feed.rows("select * from awp_unknown_execution")] == [
        fresh
    ]


def test_a_locked_run_that_is_to_be_forgotten_is_in_no_statuss_way(
    feed: BrokerlessIntake, statuses: Statuses, database: str
) -> None:
    locked, fresh, next_one = (str(uuid4()) for _ in range(3))
    statuses.report((locked, "running"))
    sql.execute(database, "update awp_unknown_execution set seen_at = now() - interval '8 days'")
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute("select from awp_action_execution for update")
        statuses.report((fresh, "running"))
        person.rollback()
    assert len(feed.rows("select from awp_action_execution")) == 2

    statuses.report((next_one, "running"))
    kept = {str(row["execution_id"]) for row in feed.rows("select * from awp_action_execution")}
    assert kept == {fresh, next_one}


def test_a_run_of_the_platforms_own_is_not_unknown(
    feed: BrokerlessIntake, statuses: Statuses
) -> None:
    mine = str(uuid4())
    with feed.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into awp_job_execution (job_id, execution_id, job_type) "
            f"values (1, '{mine}', 'workflow')"
        )

    statuses.report((mine, "succeeded"), job_type="workflow")

    assert feed.rows("select from awp_unknown_execution") == []
    assert len(feed.rows("select from awp_workflow_execution")) == 1
