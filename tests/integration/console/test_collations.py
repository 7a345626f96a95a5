"""A platform whose columns compare without regard to case: PostgreSQL with ICU, as systems have it.

Through the real intake. What each trigger has to become is written by hand.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.storage.schema import revisions
from tests.support import services, sql
from tests.support.brokerless import BrokerlessIntake, feeding
from tests.support.platform import Platform
from tests.support.platform_types import IDS, redefine
from tests.support.secured_postgres import SecuredPostgres, running_secured

ANY_CASE = """
    create collation any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)
"""


@pytest.fixture(scope="module")
def secured_postgres() -> Iterator[SecuredPostgres]:
    with running_secured(Path(services.secured_postgres_choice().detail)) as server:
        yield server


@pytest.fixture
def database(secured_postgres: SecuredPostgres) -> str:
    """A database whose jobs stand on accounts, servers and types in a collation of their own."""
    database = secured_postgres.new_database()
    revisions.upgrade(database)
    sql.execute(database, ANY_CASE)
    return database


@pytest.fixture
def feed(database: str) -> Iterator[BrokerlessIntake]:
    with feeding(database) as feed:
        yield feed


def _jobs(feed: BrokerlessIntake) -> list[int]:
    """Three jobs, each on a server of its own, whose ids are 1 to 3."""
    with feed.engine.begin() as connection:
        platform = Platform(connection)
        targets = [platform.target(f"db-{n}", f"10.0.0.{n}") for n in (1, 2, 3)]
        assert [server for server, *_ in targets] == [1, 2, 3]
        return [platform.action_job([target]) for target in targets]


def _codes(feed: BrokerlessIntake, jobs: list[int]) -> list[str]:
    """What became of one trigger of each job, in one batch."""
    now = datetime.now(UTC).isoformat()
    deliveries = [
        Delivery(
            0,
            place,
            None,
            json.dumps({"job_id": str(job_id), "scheduled_at": now}).encode(),
            (),
            0,
        )
        for place, job_id in enumerate(jobs)
    ]
    taker = feed.taker()
    taker.write(deliveries, {0: taker.take(0)})
    rows = feed.rows(
        "select job_id, coalesce(trigger_code, 'passed') as code from awp_job_execution"
    )
    codes = {row["job_id"]: row["code"] for row in rows}
    return [codes[job_id] for job_id in jobs]


ACCOUNT = "case server_id when 2 then 'DEPLOY' else account end collate any_case"
RAISES = "case when server_id = 1 then (1 / (server_id - 1))::text else name end"


@pytest.mark.parametrize("raises", [False, True], ids=["all can be read", "a row raises"])
def test_an_account_in_another_case_is_not_found_and_the_others_go_on(
    database: str, feed: BrokerlessIntake, raises: bool
) -> None:
    jobs = _jobs(feed)
    redefine(database, "preflight_account", {"account": ACCOUNT})
    if raises:
        redefine(database, "preflight_server", {"name": RAISES})
    first = "internal_error" if raises else "passed"
    assert _codes(feed, jobs) == [first, "account_not_found", "passed"]


def test_a_word_in_another_case_means_what_it_says(database: str, feed: BrokerlessIntake) -> None:
    jobs = _jobs(feed)
    state = "case server_id when 1 then 'OFFLINE' when 2 then ' Off ' else 'ON' end"
    redefine(database, "preflight_server", {"state": f"{state} collate any_case"})
    redefine(database, "preflight_job", {"job_type": "upper(job_type) collate any_case"})
    redefine(database, "preflight_automation", {"job_type": "initcap(job_type) collate any_case"})
    redefine(
        database,
        "preflight_grant",
        {
            "job_type": "upper(job_type) collate any_case",
            "principal_kind": "upper(principal_kind) collate any_case",
        },
    )
    assert _codes(feed, jobs) == ["server_offline", "server_powered_off", "passed"]


def test_ids_may_be_texts_of_such_a_column(database: str, feed: BrokerlessIntake) -> None:
    jobs = _jobs(feed)
    for view, columns in IDS.items():
        if view.startswith("preflight_"):
            redefine(database, view, {each: f"{each}::text collate any_case" for each in columns})
    assert _codes(feed, jobs) == ["passed", "passed", "passed"]
