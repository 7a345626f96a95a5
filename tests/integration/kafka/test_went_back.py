"""A database that went back under a worker that runs: the worker remembers what was committed.

On the embedded broker, whose groups keep no word about a database.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from tests.support import sql
from tests.support.rig import at, trigger
from tests.support.topics import Broker, produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import running

pytestmark = [
    pytest.mark.parametrize("broker", ["embedded"], indirect=True),
    pytest.mark.parametrize("topics", [1], indirect=True),
]
SETTLED_S = 30.0
GOES_BACK = """
    delete from awp_job_execution where origin_offset > 9;
    update awp_trigger_ledger set last_offset = 9, deliveries = 10, records = 10, events = 10,
        published = 10
    where deliveries = 20;
"""
EPOCHS = {
    "an epoch ago": "update awp_trigger_ledger set epoch = epoch - 1 where deliveries = 10",
    "within the epoch": "",
}


@pytest.fixture
def fire(broker: Broker, topics: Topics) -> Callable[[int, int], None]:
    """Sends triggers of a job that does not exist, numbers from the first up to the last."""

    def send(first: int, last: int) -> None:
        bodies = [trigger(404, scheduled_at=at(n)) for n in range(first, last)]
        produce_raw(broker, topics.triggers, [("1", json.dumps(body), None) for body in bodies])

    return send


@pytest.mark.parametrize("since", EPOCHS)
def test_a_worker_that_runs_says_what_its_database_forgot(
    settings: Settings, database: str, fire: Callable[[int, int], None], tmp_path: Path, since: str
) -> None:
    settled = "select (select count(*) from awp_job_execution),"
    settled += " (select count(*) from awp_trigger_outbox)"
    with running(settings, tmp_path / "worker.log") as worker:
        fire(0, 20)
        wait_until(lambda: sql.rows(database, settled) == [(20, 0)], SETTLED_S, "20 records")
        ids = sql.rows(database, "select execution_id from awp_job_execution order by id")
        sql.execute(database, GOES_BACK + EPOCHS[since])
        fire(20, 21)
        wait_until(lambda: sql.rows(database, settled) == [(21, 0)], SETTLED_S, "21 records")

    assert 'partition=0 first=10 last=19 message="the database has forgotten' in worker.words()
    rewound = "select rewound::text from awp_trigger_ledger where deliveries > 0"
    assert sql.rows(database, rewound) == [("{[10,20)}",)]
    again = sql.rows(database, "select execution_id from awp_job_execution order by origin_offset")
    assert again[:20] == ids
