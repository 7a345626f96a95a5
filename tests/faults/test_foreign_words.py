"""A real PostgreSQL that speaks another language, in an encoding that is not UTF-8."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support import services
from tests.support.secured_postgres import SecuredPostgres, running_secured
from worker.config import Settings
from worker.errors import ConnectionLost, Stop, TriggerWorkerError
from worker.storage.engine import Session, make_engine


@pytest.fixture
def foreign_postgres() -> Iterator[SecuredPostgres]:
    programs = Path(services.foreign_postgres_choice().detail)
    with running_secured(programs, language=("de_DE", "ISO-8859-1")) as server:
        yield server


def _raised(url: str) -> TriggerWorkerError:
    engine = make_engine(Settings(database_url=SecretStr(url)))
    session = Session(engine)
    with pytest.raises(TriggerWorkerError) as raised, session.transaction():
        pass
    session.close()
    engine.dispose()
    return raised.value


def test_what_it_refuses_is_refused_and_its_end_is_an_outage(
    foreign_postgres: SecuredPostgres,
) -> None:
    server = foreign_postgres
    for url, state in (
        (server.url_of("postgres", "wrong", "postgres"), "28P01"),
        (server.url("not_there"), "3D000"),
        (server.url(sslmode="disable"), "28000"),
        (server.url_of("certified", None, "postgres"), "28000"),
    ):
        error = _raised(url)
        assert type(error) is Stop, error
        assert error.message.startswith("The database refuses the connection: ")
        assert f" ({state}: " in error.message
        assert "authentication failed" not in error.message
        assert "does not exist" not in error.message
    server.stop()
    assert type(_raised(server.url())) is ConnectionLost
