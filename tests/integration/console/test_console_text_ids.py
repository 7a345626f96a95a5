"""A platform with text ids and some thousand jobs: who sees many of them gets answers in time."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from job_trigger_worker.domain.principals import Role
from tests.support import sql
from tests.support.console import serving
from tests.support.history import NOW, FrozenClock, writing
from tests.support.platform_types import IDS, redefine
from tests.support.postgres import PostgresServer

JOBS = 3_000
GROUPS = 5


@pytest.fixture(scope="module")
def browser(postgres: PostgresServer) -> Iterator[httpx.Client]:
    """A member's, who sees nine jobs in ten; a tenth of all fails."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    database = postgres.create(name)
    with writing(database) as (platform, history):
        groups = [platform.group(f"group-{number}") for number in range(GROUPS)]
        owner = platform.user("wang.fang", groups=groups)
        platform.user("li.wei", groups=groups)
        other = platform.user("somebody.else", groups=[platform.group("others")])
        first = platform.action_job(owner_id=owner)
        history.failed(first, slot=NOW - timedelta(minutes=20))
    sql.execute(
        database,
        f"""
        insert into awp_automcation_job
            (name, job_type, target_id, paramter, owner_id, enabled, schedule, timezone)
        select 'job-' || number, job_type, target_id, paramter,
            case when number % 10 = 0 then {other} else owner_id end, enabled, '0 3 * * *', 'UTC'
        from awp_automcation_job cross join generate_series(2, {JOBS}) as number;
        analyze;
        """,
    )
    for view, ids in IDS.items():
        if ids:
            redefine(database, view, {each: f"cast({each} as text)" for each in ids})
    with (
        serving(database, clock=FrozenClock()) as console,
        console.signed_in(Role.VIEWER, "li.wei") as signed_in,
    ):
        yield signed_in
    postgres.drop(name)


@pytest.mark.parametrize(
    "address",
    [
        "/jobs",
        "/jobs?status=trigger_failed",
        "/jobs?q=job-77",
        "/failures",
        "/history",
        "/api/v1/jobs",
        "/api/v1/jobs?group=1",
        "/api/v1/jobs?server=1",
        "/api/v1/jobs?q=job-77",
        "/api/v1/jobs/counts",
        "/api/v1/executions",
        "/api/v1/failures/causes/standing",
    ],
)
def test_who_sees_most_of_many_jobs_gets_an_answer(browser: httpx.Client, address: str) -> None:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text[:500]
