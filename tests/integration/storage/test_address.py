"""What a database's address says of the session is kept, beside what the worker wants of it."""

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, make_url, text

from job_trigger_worker.config import Settings
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.db.pool import Pool


@pytest.fixture
def settings(database: str) -> Settings:
    url = make_url(database).update_query_dict(
        {"options": "-c search_path=shard_7,public -c lock_timeout=7"}
    )
    return Settings(database_url=SecretStr(url.render_as_string(hide_password=False)))


def _shown(connection: Connection, name: str) -> str:
    return str(connection.execute(text(f"show {name}")).scalar_one())


def test_a_worker_keeps_the_schema_of_its_address_and_its_own_deadlines(
    settings: Settings,
) -> None:
    session = Session(make_engine(settings))
    with session.transaction() as connection:
        assert _shown(connection, "search_path") == "shard_7,public"
        assert _shown(connection, "lock_timeout") == "6s"
    session.close()


def test_the_console_does_so_too(settings: Settings) -> None:
    pool = Pool(settings)
    with pool.snapshot() as connection:
        assert _shown(connection, "search_path") == "shard_7,public"
        assert _shown(connection, "lock_timeout") == "2s"
    pool.close()
