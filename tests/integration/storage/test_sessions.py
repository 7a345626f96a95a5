"""What a session asks of the server, and that it got it."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import Refused
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.db.pool import Pool
from tests.support import sql


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    opened = Session(make_engine(Settings(database_url=SecretStr(database))))
    yield opened
    opened.close()


def _shown(session: Session | Pool, name: str) -> list[object]:
    values = []
    for begin in (session.transaction, session.snapshot):
        with begin() as connection:
            values.append(connection.execute(text(f"show {name}")).scalar_one())
    return values


@pytest.mark.parametrize(
    ("given", "kept"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("remote_apply", "remote_apply")],
)
def test_a_commit_is_on_disk_whatever_the_server_is_set_to(
    database: str, given: str, kept: str
) -> None:
    name = database.rsplit("/", 1)[1]
    sql.execute(database, f"alter database {name} set synchronous_commit = {given}")
    settings = Settings(database_url=SecretStr(database))
    session, pool = Session(make_engine(settings)), Pool(settings)

    assert _shown(session, "synchronous_commit") == [kept, kept]
    assert _shown(pool, "synchronous_commit") == [kept, kept]
    session.close()
    pool.close()


def test_a_session_speaks_utf8_and_has_its_deadlines(session: Session) -> None:
    assert _shown(session, "client_encoding") == ["UTF8", "UTF8"]
    assert _shown(session, "statement_timeout") == ["1min", "1min"]


def test_a_rollback_takes_nothing_of_it_away(session: Session) -> None:
    with pytest.raises(Refused), session.transaction() as connection:
        connection.execute(text("select 1 / 0"))
    assert _shown(session, "synchronous_commit") == ["on", "on"]
