"""A session that ends while nobody uses it is no outage: nothing was in doubt."""

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import ConnectionLost
from job_trigger_worker.storage.db.engine import Session, make_engine
from tests.support import sql
from tests.support.postgres import PostgresServer
from tests.support.proxy import proxied
from tests.support.waiting import wait_until

OURS = "from pg_stat_activity where application_name = 'trigger-worker' and datname = '{}'"
ENDS = {
    "idle_session_timeout": None,
    "an administrator": "select pg_terminate_backend(pid) ",
}


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    engine = make_engine(Settings(database_url=SecretStr(database)))
    opened = Session(engine)
    yield opened
    opened.close()
    engine.dispose()


@pytest.mark.parametrize("ended_by", ENDS)
def test_a_session_that_ended_while_idle_is_opened_anew_at_once(
    database: str, session: Session, ended_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    count = text("select count(*) from awp_trigger_ledger")
    name = database.rpartition("/")[2]
    end = ENDS[ended_by]
    if end is None:
        sql.execute(database, f"alter database {name} set idle_session_timeout = 200")
    with session.transaction() as connection:
        assert connection.execute(count).scalar() == 0
    with session.snapshot() as connection:
        assert connection.execute(count).scalar() == 0
    # Those that are opened next are used by a machine that may be slow.
    sql.execute(database, f"alter database {name} reset idle_session_timeout")
    ours = OURS.format(name)
    if end is not None:
        sql.execute(database, end + ours)
    wait_until(lambda: sql.value(database, f"select count(*) {ours}") == 0, 10, "their end")

    with caplog.at_level(logging.INFO):
        with session.transaction() as connection:
            assert connection.execute(count).scalar() == 0
        with session.snapshot() as connection:
            assert connection.execute(count).scalar() == 0

    lines = [each for each in caplog.records if "action=reconnected" in each.getMessage()]
    assert [each.levelno for each in lines] == [logging.INFO] * 2


def test_a_session_that_ends_in_the_midst_of_a_transaction_is_an_outage(
    database: str, session: Session
) -> None:
    ours = OURS.format(database.rpartition("/")[2])

    def ended_meanwhile() -> None:
        with session.transaction() as connection:
            connection.execute(text("select"))
            sql.execute(database, f"select pg_terminate_backend(pid) {ours}")
            connection.execute(text("select"))

    with pytest.raises(ConnectionLost):
        ended_meanwhile()


def test_a_session_that_ends_again_while_it_is_opened_anew_is_an_outage(database: str) -> None:
    with proxied(database) as proxy:
        session = Session(make_engine(Settings(database_url=SecretStr(proxy.url))))
        with session.transaction() as connection:
            connection.execute(text("select"))
        proxy.cut()
        proxy.end_at(b"pg_postmaster_start_time")
        with pytest.raises(ConnectionLost), session.transaction():
            pass
        with session.transaction() as connection:
            connection.execute(text("select"))
        session.close()


def test_a_session_that_ended_while_idle_does_not_go_on_in_an_older_copy(
    database: str, postgres: PostgresServer, session: Session
) -> None:
    """The database was copied and put in the place of the one in use: it lacks commits."""
    name = database.rpartition("/")[2]
    with session.transaction() as connection:
        connection.execute(text("select"))
    statements = (
        f"select pg_terminate_backend(pid, 5000) {OURS.format(name)}",
        f"create database {name}_older template {name}",
        f"alter database {name} rename to {name}_newer",
        f"alter database {name}_older rename to {name}",
    )
    try:
        for statement in statements:
            sql.alone(postgres.admin_url, statement)
        with pytest.raises(ConnectionLost, match="another"), session.transaction():
            pass
        with session.transaction() as connection:
            connection.execute(text("select"))
    finally:
        session.close()
        postgres.drop(f"{name}_newer")


def test_a_session_that_ended_while_idle_does_not_go_on_with_tables_that_were_restored(
    database: str, session: Session
) -> None:
    with session.transaction() as connection:
        connection.execute(text("select"))
    sql.execute(
        database,
        f"select pg_terminate_backend(pid, 5000) {OURS.format(database.rpartition('/')[2])}; "
        "create table restored (like awp_trigger_ledger including all); "
        "alter table awp_trigger_ledger rename to forgotten; "
        "alter table restored rename to awp_trigger_ledger",
    )
    with pytest.raises(ConnectionLost, match="another"), session.transaction():
        pass
