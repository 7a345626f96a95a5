"""Who holds a lock that a session of ours waits for is said: in its error, and while it waits."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, make_url

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import Locked
from job_trigger_worker.storage.db.engine import Session, make_engine, watch_locks
from job_trigger_worker.storage.db.lock_holders import Holder
from job_trigger_worker.storage.db.lock_watch import LockWatch
from tests.support import sql
from tests.support.waiting import wait_until

ROLES = Path(__file__).parents[3] / "deploy/sql/roles.sql"
PERSON = "somebody at a prompt"
WAITING = "select count(*) from pg_locks where not granted"
LEDGER = """
    insert into awp_trigger_ledger (topic, topic_id, "partition")
    values ('t', 'i', 0), ('t', 'i', 1)
"""
RECORD = """
    insert into awp_job_execution (job_id, execution_id, job_type, idempotency_key)
    values (1, '{0}', 'action', '{0}')
"""
KEY = "8d4a3a34-0c7e-8000-8000-000000000001"

Watched = tuple[Session, LockWatch]


@contextmanager
def watched(url: str) -> Iterator[Watched]:
    """A session that waits 0.9 s for a lock, and who watches it."""
    settings = Settings(database_url=SecretStr(url), max_poll_interval_ms=6000)
    engine = make_engine(settings)
    watch = watch_locks(settings, engine)
    session = Session(engine, watch)
    watch.start()
    yield session, watch
    session.close()
    watch.close()
    engine.dispose()


def _refused(session: Session, act: Callable[[Connection], object]) -> str:
    with pytest.raises(Locked) as caught, session.transaction() as connection:
        act(connection)
    return str(caught.value)


def test_a_row_is_named_with_the_session_that_holds_it(database: str) -> None:
    sql.execute(database, LEDGER)
    with (
        watched(database) as (session, watch),
        sql.session(database, application=PERSON) as person,
        person.cursor() as cursor,
    ):
        cursor.execute('select from awp_trigger_ledger where "partition" = 1 for update')
        update = "update awp_trigger_ledger set epoch = epoch + 1"
        said = _refused(session, lambda connection: connection.exec_driver_sql(update))
        assert re.search(
            r"\(55P03\).* It has waited \d s for awp_trigger_ledger, row partition 1 of t, which "
            rf"session {person.info.backend_pid} \(application '{PERSON}', role 'postgres', "
            r"transaction open for \d s\) has locked\.$",
            said,
        ), said
        assert watch.why_waiting() is None
        person.rollback()
        with session.transaction() as connection:
            connection.exec_driver_sql(update)


def test_a_table_is_named_where_the_row_is_not_known(database: str) -> None:
    """Of a key that somebody else is inserting, too."""
    with (
        watched(database) as (session, _),
        sql.session(database, application=PERSON) as person,
        person.cursor() as cursor,
    ):
        cursor.execute(RECORD.format(KEY))
        record = RECORD.format(KEY)
        said = _refused(session, lambda connection: connection.exec_driver_sql(record))
    assert "for awp_job_execution, which session " in said


def test_of_a_queue_the_one_at_its_end_is_named(database: str) -> None:
    """A change of a table waits for a reader, and everybody behind it, too."""
    with (
        watched(database) as (session, watch),
        sql.session(database, application=PERSON) as person,
        person.cursor() as cursor,
        ThreadPoolExecutor(2) as threads,
    ):
        cursor.execute("select from awp_server")
        change = threads.submit(sql.execute, database, "alter table awp_server add column x int")
        wait_until(lambda: sql.value(database, WAITING), 10, "a change that waits")

        def read() -> None:
            with session.snapshot() as connection:
                connection.exec_driver_sql("select from preflight_server")

        reading = threads.submit(read)
        ready = wait_until(watch.why_waiting, 10, "that it is said while it waits")
        assert f"for awp_server, which session {person.info.backend_pid} (application" in ready
        with pytest.raises(Locked, match=f"session {person.info.backend_pid} "):
            reading.result(10)
        person.rollback()
        change.result(10)


def test_a_worker_with_the_rights_of_its_role_is_told_who_and_not_since_when(
    database: str,
) -> None:
    name = f"awp_{make_url(database).database}"
    sql.execute(database, LEDGER)
    sql.execute(database, ROLES.read_text())
    sql.execute(database, f"create role {name} login password '{name}' in role trigger_worker")
    own = make_url(database).set(username=name, password=name)
    try:
        with (
            watched(own.render_as_string(hide_password=False)) as (session, _),
            sql.session(database, application=PERSON) as person,
            person.cursor() as cursor,
        ):
            cursor.execute('select from awp_trigger_ledger where "partition" = 0 for update')
            update = "update awp_trigger_ledger set epoch = epoch + 1"
            said = _refused(session, lambda connection: connection.exec_driver_sql(update))
            assert f"(application '{PERSON}', role 'postgres') has locked" in said
    finally:
        sql.execute(database, f"drop role {name}")


def test_a_prepared_transaction_has_no_session() -> None:
    holder = Holder(None, "", None, None)
    assert str(holder) == "a prepared transaction (see pg_prepared_xacts)"
