"""Every supported PostgreSQL: schema, roles, a batch, the console's reads, the proof, and back.

The embedded server is the newest; the rest of the suite runs on it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from job_trigger_worker.audit.run import run
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.migrations import prerequisites
from job_trigger_worker.storage.schema import revisions
from tests.support import older_postgres
from tests.support.brokerless import feeding
from tests.support.console import serving
from tests.support.platform import Platform
from tests.support.secured_postgres import SecuredPostgres
from tests.support.sql import execute, rows, value

ROLES = Path(__file__).parents[2] / "deploy" / "sql" / "roles.sql"
PAGES = (
    *("/jobs?status=trigger_failed", "/jobs?q=log", "/jobs/{job}", "/jobs/{job}/edit"),
    *("/history", "/history/3", "/failures", "/failures/causes", "/dead-letters"),
)


def test_the_suite_runs_on_the_oldest_and_the_newest_that_are_named(empty: str) -> None:
    assert min(older_postgres.VERSIONS) == prerequisites.OLDEST_SERVER
    assert max(older_postgres.VERSIONS) == prerequisites.NEWEST_SERVER - 1
    major = int(value(empty, "show server_version_num")) // 10_000
    assert prerequisites.OLDEST_SERVER <= major <= prerequisites.NEWEST_SERVER


@pytest.mark.parametrize(
    "other_major", sorted(older_postgres.VERSIONS), indirect=True, ids="PostgreSQL {}".format
)
def test_everything_works_on_each_version(other_major: SecuredPostgres) -> None:
    url = other_major.new_database()
    assert revisions.upgrade(url).warnings == ()
    execute(url, ROLES.read_text())
    with create_engine(url, poolclass=NullPool).begin() as connection:
        platform = Platform(connection)
        dead = platform.account(platform.server("db-08", "10.0.0.8", state="off"))
        jobs = [platform.action_job(), platform.workflow_job(), platform.action_job([dead])]
    with feeding(url) as feed:
        taker = feed.taker()
        claims = {0: taker.take(0)}
        batch = [_delivery(job, offset) for offset, job in enumerate([*jobs, 404])]
        taker.write(batch, claims)
        taker.write([_delivery(jobs[0], 4, batch[0].value), _delivery(jobs[2], 5)], claims)
    codes = (
        "select job_id, coalesce(trigger_code, 'passed'), duplicate_count from awp_job_execution"
    )
    assert rows(url, f"{codes} order by job_id, scheduled_at") == [
        (jobs[0], "passed", 1),
        (jobs[1], "passed", 0),
        (jobs[2], "server_powered_off", 0),
        (jobs[2], "server_powered_off", 0),
        (404, "job_not_found", 0),
    ]
    with serving(url) as console, console.signed_in(Role.ADMIN) as browser:
        answers = {
            page: browser.get(page.format(job=jobs[2], record=3)).status_code for page in PAGES
        }
    assert set(answers.values()) == {200}, answers
    settings = Settings(database_url=SecretStr(url))
    assert run(settings, is_offline=True, progress=lambda *_: None).closes
    assert revisions.downgrade(url, to="base").revision is None


def _delivery(job: int, offset: int, value: bytes | None = None) -> Delivery:
    body = {"job_id": str(job), "scheduled_at": datetime.now(UTC).isoformat(), "n": offset}
    return Delivery(0, offset, None, value or json.dumps(body).encode(), (), 0)
