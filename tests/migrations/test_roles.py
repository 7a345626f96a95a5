from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2.errors
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from job_trigger_worker.domain.read_models import (
    EVERYTHING,
    JobFilter,
    JobSort,
    RecordFilter,
    Scope,
    Status,
)
from job_trigger_worker.storage.read import executions, failure_feed, failures, jobs
from job_trigger_worker.storage.read.id_lookup import find
from job_trigger_worker.storage.write import changes, job_edits
from job_trigger_worker.storage.write.job_edits import Column
from tests.support.postgres import PostgresServer
from tests.support.records import AS_OF
from tests.support.sql import execute, rows, value

ROLES = Path(__file__).parents[2] / "deploy" / "sql" / "roles.sql"
WRITER, CONSOLE, READER = "trigger_worker", "trigger_console", "trigger_reader"

PLATFORM = """
    insert into awp_automcation_job (id, name, job_type) values (5, 'nightly', 'action');
    insert into awp_server (id, name) values (7, 'db-07');
"""
RECORD = """
    insert into awp_job_execution (job_id, idempotency_key, trigger_status)
    values (5, '6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21', 1)
    on conflict (idempotency_key) do nothing returning id
"""
LEDGER = """
    insert into awp_trigger_ledger as l (topic, topic_id, "partition", epoch, owner)
    values ('t', 'i', 0, 1, 'g/1')
    on conflict (topic, topic_id, "partition") do update
    set epoch = l.epoch + 1, owner = excluded.owner
"""
HISTORY = """
    insert into awp_action_execution (execution_id, status)
    values ('6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21', 'running')
    on conflict (execution_id) do update set status = excluded.status, ended_at = now()
"""
DAILY_WORK = """
    update awp_job_execution set duplicate_count = duplicate_count + 1 where job_id = 5;
    update awp_job_execution set trigger_status = 2, trigger_code = 'parameter_invalid',
        trigger_message = 'too large', findings = '[]', causes = '{}' where job_id = 5;
    update awp_automcation_job set trigger_status = 2, trigger_message = 'x',
        last_execution_id = 1, last_scheduled_at = now(), failing_since = now(),
        consecutive_failures = consecutive_failures + 1 where id = 5 and xmax = '0';
    select from awp_automcation_job where id = 5 for no key update skip locked;
    insert into awp_job_reprojection (job_id) values (5);
    select from awp_job_reprojection for update skip locked;
    delete from awp_job_reprojection;
    insert into awp_trigger_outbox (ledger_id, events, payload) values (1, 1, '\\x01');
    update awp_trigger_outbox set payload = '\\x02' where id = 1;
    delete from awp_trigger_outbox where id = 1;
    insert into awp_dead_letter (ledger_id, origin_offset, reason, headers)
    values (1, 3, 'not_json', '\\x90');
    update awp_dead_letter set replayed_at = now() where id = 1;
    update awp_trigger_ledger set last_offset = 9, deliveries = 1, records = 1, applied = 1,
        duplicates = 1, redeliveries = 1, dead_letters = 1, events = 1, published = 1,
        log_end = 9, lost = '{[1,2)}', rewound = '{[1,2)}',
        updated_at = now() where id = 1;
    insert into awp_acknowledgement (kind, ledger_id, ranges, acknowledged_by, reason)
    values ('lost', 1, '{[1,2)}', 'li', 'a test');
    insert into awp_unknown_execution (execution_id, job_type)
    values ('6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21', 'action');
    insert into awp_execution_contradiction as c (execution_id, ends, status)
    values ('6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21', 1, 'failed')
    on conflict (execution_id) do update set ends = c.ends + excluded.ends;
    delete from awp_execution_contradiction;
    delete from awp_unknown_execution;
    delete from awp_action_execution
"""
VIEWS = (
    "preflight_job",
    "preflight_server",
    "preflight_account",
    "preflight_credential",
    "preflight_owner",
    "preflight_automation",
    "preflight_grant",
)


@pytest.fixture(scope="module")
def granted(postgres: PostgresServer) -> Iterator[str]:
    """A database with the two roles, which are gone afterwards if they were not there before."""
    url = postgres.create("t_roles")
    there = "select rolname from pg_roles where rolname like 'trigger\\_%'"
    before = {name for (name,) in rows(url, there)}
    execute(url, PLATFORM)
    execute(url, ROLES.read_text())
    yield url
    for role in {WRITER, CONSOLE, READER} - before:
        execute(url, f"drop owned by {role}; drop role {role}")
    postgres.drop("t_roles")


def test_the_worker_may_do_what_it_does(granted: str) -> None:
    for view in VIEWS:
        execute(granted, f"select * from {view}", role=WRITER)
    assert execute(granted, LEDGER, role=WRITER) == 1
    assert execute(granted, LEDGER, role=WRITER) == 1
    assert execute(granted, RECORD, role=WRITER) == 1
    assert execute(granted, RECORD, role=WRITER) == 0
    assert execute(granted, HISTORY, role=WRITER) == 1
    assert execute(granted, HISTORY, role=WRITER) == 1
    for statement in DAILY_WORK.split(";"):
        assert execute(granted, statement, role=WRITER) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "delete from awp_job_execution",
        "truncate awp_job_execution",
        "update awp_job_execution set job_id = 6",
        "update awp_job_execution set execution_id = null",
        "update awp_job_execution set idempotency_key = null",
        "update awp_job_execution set decided_at = now()",
        "update awp_automcation_job set name = 'x'",
        "update awp_automcation_job set enabled = true",
        "update awp_automcation_job set paramter = null",
        "insert into awp_automcation_job (name, job_type) values ('x', 'action')",
        "delete from awp_automcation_job",
        "select paramter from awp_automcation_job",
        "update console_job_write set name = 'x'",
        "select * from awp_server",
        "update awp_server set state = 'off'",
        "insert into awp_automation_grant values ('user', 1, 'action', 1)",
        "insert into preflight_server (name) values ('x')",
        "delete from awp_trigger_ledger",
        "update awp_trigger_ledger set topic_id = 'x'",
        "delete from awp_dead_letter",
        "update awp_dead_letter set value = null",
        "insert into awp_trigger_note (login, triggers) values ('x', 1)",
        "delete from awp_trigger_note",
        "update awp_trigger_revision set version_num = '0001'",
        "create table mine (id int)",
    ],
)
def test_the_worker_may_do_nothing_else(granted: str, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(granted, statement, role=WRITER)


SESSION = """
    insert into awp_console_session
        (token_hash, login, name, role, source, stamp, created_at, seen_at, ends_at)
    values ('\\x01', 'li', 'Li', 'viewer', 'file', '', now(), now(), now())
"""
CHANGE = """
    insert into awp_console_change (login, object_kind, object_id, action)
    values ('li', 'job', '5', 'run')
"""


def test_the_console_may_do_what_it_does(granted: str) -> None:
    for view in (*VIEWS, "console_job", "console_member", "awp_job_execution", "awp_dead_letter"):
        execute(granted, f"select * from {view}", role=CONSOLE)
    for statement in (
        SESSION,
        "update awp_console_session set seen_at = now() where token_hash = '\\x01'",
        "delete from awp_console_session where token_hash = '\\x01'",
        """
        insert into awp_console_link (token_hash, login, name, role, ends_at)
        values ('\\x01', 'li', 'Li', 'admin', now())
        """,
        "delete from awp_console_link where token_hash = '\\x01'",
        CHANGE,
        "insert into awp_trigger_note (login, triggers) values ('li', 1)",
        "delete from awp_trigger_note",
        "update console_job_write set name = 'nightly', enabled = true where job_id = 5",
    ):
        assert execute(granted, statement, role=CONSOLE) == 1
    execute(granted, "update awp_dead_letter set replayed_at = now()", role=CONSOLE)


def test_the_console_may_change_jobs_and_note_it(granted: str) -> None:
    engine = create_engine(granted, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"set local role {CONSOLE}")
        saved = job_edits.read(connection, 5)
        assert saved is not None
        everything: dict[Column, str | bool | None] = {
            "name": "nightly",
            "schedule": "0 2 * * *",
            "timezone": "Asia/Shanghai",
            "enabled": True,
            "paramter": '{"servers": []}',
        }
        version = job_edits.update(connection, 5, saved.version, everything)
        assert version == saved.version + 1
        assert job_edits.update(connection, 5, saved.version, {"name": "late"}) is None
        changes.advisory_lock(connection, "run x")
        noted = {"trigger_id": "x"}
        changes.write(
            connection, login="li", object_kind="job", object_id="5", action="run", after=noted
        )
        assert changes.find_run(connection, "x") is not None
        assert changes.find_run(connection, "x", object_id="6") is None
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        RECORD,
        LEDGER,
        HISTORY,
        "delete from awp_console_change",
        "update awp_console_change set login = 'x'",
        "update awp_console_session set role = 'admin'",
        "update awp_job_execution set trigger_message = 'x'",
        "update awp_automcation_job set owner_id = 1",
        "insert into awp_automcation_job (name, job_type) values ('x', 'action')",
        "select * from awp_server",
        "delete from awp_dead_letter",
        "delete from awp_trigger_outbox",
    ],
)
def test_the_console_may_do_nothing_else(granted: str, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(granted, statement, role=CONSOLE)


def test_the_reader_reads(granted: str) -> None:
    assert rows(granted, "select job_id, name from console_job", role=READER) == [(5, "nightly")]
    execute(granted, "select trigger_status, failing_since from awp_automcation_job", role=READER)
    for table in (
        *VIEWS,
        "awp_job_execution",
        "awp_trigger_ledger",
        "awp_action_execution",
    ):
        execute(granted, f"select * from {table}", role=READER)
    readable = "select id, reason, headers, value, replayed_at from awp_dead_letter"
    execute(granted, readable, role=READER)


@pytest.mark.parametrize("is_large", [False, True])
def test_the_reader_reads_all_that_people_see(
    granted: str, monkeypatch: pytest.MonkeyPatch, *, is_large: bool
) -> None:
    if is_large:  # then lists go other ways
        monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", 0)
    engine = create_engine(granted, poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"set role {READER}")
        for sort in JobSort:
            jobs.list_jobs(connection, EVERYTHING, AS_OF, sort=sort)
            failed = JobFilter(status=Status.TRIGGER_FAILED, code="x")
            jobs.list_jobs(connection, EVERYTHING, AS_OF, wanted=failed, sort=sort)
        if not is_large:
            jobs.list_jobs(connection, EVERYTHING, AS_OF, wanted=JobFilter(is_overdue=True))
        for scope in (EVERYTHING, Scope((1,))):
            jobs.list_jobs(connection, scope, AS_OF, wanted=JobFilter(text="x", server_id=7))
            jobs.count_jobs(connection, scope, AS_OF)
            jobs.last_outcomes(connection, scope, AS_OF, [5])
            executions.list_records(connection, scope, AS_OF, wanted=RecordFilter(text="x"))
            executions.get_record(connection, scope, AS_OF, 1)
            failures.by_cause(connection, scope)
            failures.standing_causes(connection, scope)
            failures.jobs_of_cause(connection, scope, "x")
            failure_feed.failures_after(connection, scope, AS_OF, 0)
            find(connection, scope, "5")
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        RECORD,
        LEDGER,
        HISTORY,
        "update awp_job_execution set duplicate_count = 0",
        "update awp_automcation_job set trigger_status = null",
        "delete from awp_trigger_outbox",
        "update awp_dead_letter set replayed_at = now()",
        "update console_job_write set enabled = false",
        "select * from awp_console_session",
        "select nonce from awp_dead_letter",
        "select secret from awp_trigger_database",
        "select * from awp_trigger_note",
        SESSION,
        CHANGE,
    ],
)
def test_the_reader_writes_nothing(granted: str, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(granted, statement, role=READER)


def test_the_roles_can_be_granted_again_after_a_later_migration(granted: str) -> None:
    execute(granted, ROLES.read_text())
    assert value(granted, "select has_table_privilege('trigger_worker', 'preflight_job', 'select')")
