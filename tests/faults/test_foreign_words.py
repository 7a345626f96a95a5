"""A real PostgreSQL that speaks another language, in an encoding that is not UTF-8."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from job_trigger_worker.errors import ConnectionLost, FatalError
from tests.support import services
from tests.support.refusals import raised_by
from tests.support.secured_postgres import SecuredPostgres, running_secured


@pytest.fixture(params=[("de_DE", "ISO-8859-1"), ("zh_CN", "GBK")], ids="in {0[0]}".format)
def foreign_postgres(request: pytest.FixtureRequest) -> Iterator[SecuredPostgres]:
    programs = Path(services.foreign_postgres_choice().detail)
    with running_secured(programs, language=request.param) as server:
        yield server


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
        error = raised_by(url)
        assert type(error) is FatalError, error
        assert error.message.startswith("The database refuses the connection: ")
        assert f" ({state}: " in error.message
        assert "authentication failed" not in error.message
        assert "does not exist" not in error.message
    server.stop()
    assert type(raised_by(server.url())) is ConnectionLost
