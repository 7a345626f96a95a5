from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from job_trigger_worker.errors import FatalError
from job_trigger_worker.migrations.online import Patience
from job_trigger_worker.storage.schema import revisions
from tests.support.sql import execute, rows, session, value
from tests.support.waiting import wait_until

HURRIED = Patience(lock_timeout_ms=50, attempts=2, pause_s=0.05, index_lock_timeout_ms=200)
PATIENT = Patience(lock_timeout_ms=50, attempts=400, pause_s=0.02)
HOLD = "select count(*) from {} where id = 1"
WAITING = """
    select count(*) from pg_stat_activity
    where application_name = 'trigger-worker migrate' and wait_event_type = 'Lock'
      and datname = current_database()
"""
KEYS = "insert into awp_job_execution (job_id, idempotency_key) values {}"


@pytest.mark.parametrize("table", ["awp_job_execution", "awp_automcation_job"])
def test_a_table_in_use_stops_the_migration_with_a_sentence(filled: str, table: str) -> None:
    with session(filled, application="nightly report") as holder, holder.cursor() as cursor:
        cursor.execute(HOLD.format(table))
        with pytest.raises(FatalError) as raised:
            revisions.upgrade(filled, patience=HURRIED)
        pid = holder.info.backend_pid
    assert raised.value.message == (
        f"Table {table} stayed locked by session {pid} (nightly report): 2 attempts of 50 ms each."
    )
    assert revisions.current(filled).revision == "0001"
    assert revisions.upgrade(filled).is_current


def test_a_migration_goes_on_when_the_lock_is_free_and_lets_others_pass(filled: str) -> None:
    with session(filled) as holder, holder.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute(HOLD.format("awp_job_execution"))
        running = pool.submit(revisions.upgrade, filled, patience=PATIENT)
        wait_until(lambda: value(filled, WAITING), 10, "the migration waits for the lock")
        bounded = "set statement_timeout = '5s'; select count(*) from awp_job_execution"
        assert rows(filled, bounded) == [(2000,)]
        assert execute(filled, "update awp_job_execution set job_id = 1 where id = 1") == 1
        holder.rollback()
        assert running.result(timeout=30).is_current


def test_an_index_waits_for_older_transactions_no_longer_than_told(filled: str) -> None:
    with session(filled) as holder, holder.cursor() as cursor:
        holder.set_session(isolation_level="REPEATABLE READ")
        cursor.execute("select count(*) from awp_server")
        with pytest.raises(FatalError, match="waited 200 ms for transactions that began before it"):
            revisions.upgrade(filled, patience=HURRIED)
    assert revisions.current(filled).revision == "0002"
    assert revisions.upgrade(filled).is_current


def test_an_index_left_invalid_by_a_failure_is_built_anew(filled: str) -> None:
    revisions.upgrade(filled, to="0002")
    execute(filled, "alter table awp_job_execution add idempotency_key uuid")
    same = "(1, '6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21')"
    execute(filled, KEYS.format(f"{same}, {same}"))
    with pytest.raises(FatalError, match="could not create unique index"):
        revisions.upgrade(filled)
    valid = """
        select indisvalid from pg_index
        where indexrelid = 'awp_job_execution_idempotency_key'::regclass
    """
    assert value(filled, valid) is False
    execute(filled, "update awp_job_execution set idempotency_key = null")
    assert revisions.upgrade(filled).is_current
    assert value(filled, valid) is True


def test_no_lock_is_left_behind(filled: str) -> None:
    revisions.upgrade(filled)
    assert value(filled, "select count(*) from pg_locks where locktype = 'advisory'") == 0
