"""No read goes through a large table from end to end: the plans, on filled tables."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from job_trigger_worker.domain.read_models import (
    EVERYTHING,
    AsOf,
    JobFilter,
    JobSort,
    RecordFilter,
    Scope,
    Status,
)
from job_trigger_worker.storage.read import executions, failure_feed, failures, jobs, scope
from job_trigger_worker.storage.read.id_lookup import find
from tests.support.postgres import PostgresServer
from tests.support.sql import session

LARGE = {
    "awp_job_execution",
    "awp_automcation_job",
    "awp_action_execution",
    "awp_workflow_execution",
}
NOW = datetime.now(UTC)
AS_OF = AsOf(NOW)
GROUP = Scope((7,))
FILL = """
    insert into awp_user (id, login, name) select n, 'u' || n, 'u' from generate_series(1, 2000) n;
    insert into awp_user_group_member select n, n % 120 from generate_series(1, 2000) n;
    insert into awp_automcation_job (id, name, job_type, target_id, owner_id)
    select n, 'job-' || n, case n % 2 when 0 then 'action' else 'workflow' end, 1, 1 + n % 2000
    from generate_series(1, 40000) n;
    insert into awp_job_execution (job_id, job_type, execution_id, idempotency_key, trigger_id,
        trigger_kind, scheduled_at, decided_at, trigger_status, trigger_code, causes, findings)
    select 1 + n % 40000, case n % 2 when 1 then 'action' else 'workflow' end,
        id, case when n % 500 > 0 then id end, gen_random_uuid(), 'schedule', at, at,
        case n % 20 when 0 then 2 else 1 end,
        case n % 20 when 0 then 'server_not_found' end,
        case n % 20 when 0 then array['server_not_found:server=' || n / 20 % 300] end, '[]'
    from (select n, gen_random_uuid() as id, now() - (60000 - n) * interval '1 minute' as at
          from generate_series(1, 60000) n) as made;
    insert into awp_action_execution (execution_id, status)
    select execution_id, 'succeeded' from awp_job_execution
    where job_type = 'action' and trigger_status = 1;
    insert into awp_workflow_execution (execution_id, status)
    select execution_id, 'succeeded' from awp_job_execution
    where job_type = 'workflow' and trigger_status = 1;
    update awp_automcation_job j set trigger_status = r.trigger_status, last_execution_id = r.id,
        last_scheduled_at = r.scheduled_at
    from awp_job_execution r where r.job_id = j.id and r.id > 20000;
"""

Read = Callable[[Connection], object]


def list_jobs(scope: Scope = EVERYTHING, sort: JobSort = JobSort.TROUBLE, **wanted: Any) -> Read:
    def read(connection: Connection) -> object:
        page = jobs.list_jobs(connection, scope, AS_OF, wanted=JobFilter(**wanted), sort=sort)
        return page.next and jobs.list_jobs(
            connection, scope, AS_OF, wanted=JobFilter(**wanted), sort=sort, after=page.next
        )

    return read


def list_records(scope: Scope = EVERYTHING, **wanted: Any) -> Read:
    def read(connection: Connection) -> object:
        meant = RecordFilter(**wanted)
        page = executions.list_records(connection, scope, AS_OF, wanted=meant)
        return page.next and executions.list_records(
            connection, scope, AS_OF, wanted=meant, after=page.next
        )

    return read


DAY: dict[str, Any] = {"since": NOW - timedelta(days=9), "until": NOW - timedelta(days=8)}
READS: dict[str, Read] = {
    **{f"jobs by {sort}": list_jobs(sort=sort) for sort in JobSort},
    "jobs by prefix": list_jobs(name_prefix="job-77"),
    "jobs of an owner": list_jobs(owner_id=77),
    "jobs that failed": list_jobs(status=Status.TRIGGER_FAILED),
    "jobs of a cause": list_jobs(cause="server_not_found:server=7"),
    "jobs seen": list_jobs(GROUP),
    "a job": lambda c: jobs.get_job(c, EVERYTHING, AS_OF, 77),
    "outcomes": lambda c: jobs.last_outcomes(c, EVERYTHING, AS_OF, range(1, 51)),
    "records": list_records(),
    "records of a job": list_records(job_id=77),
    "records that failed": list_records(status=Status.TRIGGER_FAILED),
    "records of a code": list_records(code="server_not_found"),
    "records of a cause": list_records(cause="server_not_found:server=7"),
    "records of a day": list_records(**DAY),
    "failures of a day": list_records(status=Status.TRIGGER_FAILED, **DAY),
    "records of a trigger": list_records(trigger_id=uuid.UUID(int=7)),
    "records of an owner": list_records(job=JobFilter(owner_id=77)),
    "records seen": list_records(GROUP),
    "a record": lambda c: executions.get_record(c, EVERYTHING, AS_OF, 777),
    "an execution": lambda c: executions.get_record_of_execution(
        c, EVERYTHING, AS_OF, uuid.UUID(int=7)
    ),
    "causes of a day": lambda c: failures.by_cause(c, EVERYTHING, **DAY),
    "jobs of one cause": lambda c: failures.jobs_of_cause(
        c, EVERYTHING, "server_not_found:server=7"
    ),
    "bars": lambda c: failures.by_time(c, EVERYTHING, step_s=3600, **DAY),
    "newest failures": lambda c: failure_feed.newest_failures(c, EVERYTHING, AS_OF),
    "failures after": lambda c: failure_feed.failures_after(c, EVERYTHING, AS_OF, 59_000),
    "groups of jobs": lambda c: scope.groups_of(c, range(1, 300)),
    "what a number names": lambda c: find(c, EVERYTHING, "777"),
    "what a uuid names": lambda c: find(c, EVERYTHING, str(uuid.UUID(int=7))),
}


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    """40,000 jobs and 60,000 records."""
    url = postgres.create("t_plans")
    with session(url) as filling:
        filling.autocommit = True
        with filling.cursor() as cursor:
            cursor.execute(FILL)
            cursor.execute("vacuum analyze")
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()
    postgres.drop("t_plans")


@pytest.mark.parametrize("name", READS)
def test_no_large_table_is_read_from_end_to_end(
    engine: Engine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As small a part of these tables as the real ones are of tables that deserve the word.
    monkeypatch.setattr("job_trigger_worker.storage.read.job_pages.RECENT", 200)
    said: list[tuple[str, Any]] = []

    def hear(*call: Any) -> None:
        said.append((call[2], call[3]))

    event.listen(engine, "before_cursor_execute", hear)
    with engine.connect() as connection:
        READS[name](connection)
    event.remove(engine, "before_cursor_execute", hear)
    assert said
    with engine.connect() as connection:
        cursor: Any = connection.connection.cursor()
        for statement, values in said:
            cursor.execute(f"explain (format json) {statement}", values)
            (((plan,),),) = [cursor.fetchall()]
            scanned = set(scans(plan[0]["Plan"]))
            assert not scanned, f"{scanned} by\n{statement}\n{json.dumps(plan)[:4000]}"


def scans(plan: dict[str, Any], *, is_cut: bool = False) -> Iterator[str]:
    """The large tables that a plan scans; not where a limit above ends the scan after some rows."""
    is_cut = is_cut or plan["Node Type"] == "Limit"
    if plan["Node Type"] == "Seq Scan" and plan["Relation Name"] in LARGE and not is_cut:
        yield plan["Relation Name"]
    for child in plan.get("Plans", ()):
        yield from scans(child, is_cut=is_cut and plan["Node Type"] != "Sort")
