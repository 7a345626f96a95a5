"""The worker behind a real PgBouncer: one that lends sessions serves it, any other is refused."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import ConnectionLost, FatalError
from job_trigger_worker.storage.db import session_settings
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.schema import revisions
from tests.support import sql
from tests.support.brokerless import IntakeSession, feeding
from tests.support.command import trigger_worker
from tests.support.console import serving
from tests.support.pgbouncer import PgBouncer, pooled
from tests.support.platform import Platform
from tests.support.refusals import raised_by
from tests.support.rig import Rig, trigger
from tests.support.topics import Broker
from tests.support.worker import running

pytestmark = pytest.mark.usefixtures("pgbouncer")
LENT = (
    "The connection pooler in front of the database lends a session for one transaction at a time, "
    "and the worker needs sessions of its own (for its deadlines, locks and prepared statements)."
)
DEADLINES = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture
def session_pooling(database: str) -> Iterator[PgBouncer]:
    with pooled(database, "session") as pooler:
        yield pooler


def _changed(url: str, **parts: str) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_worker_works_behind_session_pooling_that_knows_nothing_of_it(
    session_pooling: PgBouncer,
    broker: Broker,
    topics: Topics,
    settings: Settings,
    database: str,
    tmp_path: Path,
) -> None:
    own = settings.model_copy(update={"database_url": SecretStr(session_pooling.url)})
    with running(own, tmp_path / "worker.log") as worker:
        rig = Rig(broker, topics, database, own, worker)
        with rig.platform() as platform:
            job = platform.action_job()
        rig.fire(trigger(job), trigger(404))
        codes = [rig.record(job)["trigger_code"], rig.record(404)["trigger_code"]]
        rig.settle()
        rig.close()

    assert codes == [None, "job_not_found"]


def test_a_session_behind_session_pooling_has_its_deadlines_and_what_its_address_says(
    session_pooling: PgBouncer,
) -> None:
    url = make_url(session_pooling.url).update_query_dict({"options": "-c search_path=a,public"})
    settings = Settings(database_url=SecretStr(url.render_as_string(hide_password=False)))
    session, pool = Session(make_engine(settings)), Pool(settings)
    shown = {}
    for name, opened in (("worker", session), ("console", pool)):
        with opened.transaction() as connection:
            shown[name] = [
                connection.execute(text(f"show {setting}")).scalar_one()
                for setting in (*DEADLINES, "search_path")
            ]
    session.close()
    pool.close()

    assert shown == {
        "worker": ["1min", "6s", "40s", "a,public"],
        "console": ["5s", "2s", "5s", "a,public"],
    }


def test_nothing_of_a_session_is_left_to_the_poolers_next_client(
    session_pooling: PgBouncer,
) -> None:
    engine = make_engine(Settings(database_url=SecretStr(session_pooling.url)))
    session = Session(engine)
    with session.transaction() as connection:
        ours = connection.execute(text("select pg_backend_pid()")).scalar_one()
    session.close()
    engine.dispose()

    assert sql.rows(
        session_pooling.url, "select pg_backend_pid(), current_setting('lock_timeout')"
    ) == [(ours, "0")]


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("ignored", ["options,extra_float_digits", "extra_float_digits"])
def test_any_other_pooling_is_refused_with_the_reason(
    database: str, mode: str, ignored: str
) -> None:
    with pooled(database, mode, ignore_startup_parameters=ignored) as pooler:
        error = raised_by(pooler.url)
        pool = Pool(Settings(database_url=SecretStr(pooler.url)))
        with pytest.raises(FatalError) as of_the_console, pool.snapshot():
            pass
        with pytest.raises(FatalError) as of_migrate:
            revisions.current(pooler.url)

    assert (type(error), error.message) == (FatalError, LENT)
    assert "PgBouncer: pool_mode=session" in error.remedy
    assert of_the_console.value.message == of_migrate.value.message == LENT


@pytest.mark.parametrize("command", ["audit", "console"])
def test_a_command_says_it_in_one_line(database: str, command: str) -> None:
    with pooled(database, "transaction") as pooler:
        ended = trigger_worker(
            command,
            env={
                "TRIGGER_WORKER_DATABASE_URL": pooler.url,
                "TRIGGER_WORKER_CONSOLE_LISTEN": "127.0.0.1:0",
                "TRIGGER_WORKER_CONSOLE_METRICS_LISTEN": "127.0.0.1:0",
            },
        )
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"trigger-worker: {LENT} ")
    assert ended.stderr.count("\n") == 1


def test_a_console_that_runs_says_that_it_is_refused(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        pooled(database, "transaction") as pooler,
        serving(pooler.url) as console,
        caplog.at_level(logging.ERROR),
    ):
        ready = console.browser().get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"status": "the database refuses the console; its log says why"}
    assert f'action=not_ready reason="{LENT}' in caplog.text


def test_so_it_is_where_role_or_database_set_all_deadlines(database: str) -> None:
    """Then a session has what it asks for, wherever its next transaction runs."""
    name = make_url(database).database
    for setting, ms in zip(DEADLINES, (60_000, 20_000, 40_000), strict=True):
        sql.execute(database, f"alter database {name} set {setting} = {ms}")
    sql.execute(database, f"alter database {name} set plan_cache_mode = force_generic_plan")
    with pooled(database, "transaction", ignore_startup_parameters="options") as pooler:
        assert str(raised_by(pooler.url)).startswith(LENT)


@pytest.mark.parametrize("busy", [3, 12])
def test_so_it_is_where_others_use_the_pool(database: str, busy: int) -> None:
    with pooled(database, "transaction", server_round_robin=busy % 2) as pooler:
        others = [create_engine(pooler.url, poolclass=NullPool).connect() for _ in range(busy)]
        for other in others:
            other.execute(text("select 1"))
        for other in others[::2]:
            other.rollback()
        assert str(raised_by(pooler.url)).startswith(LENT)
        for other in others:
            other.close()


def test_a_pooler_that_changes_while_a_worker_runs_ends_it(database: str) -> None:
    """What is prepared in one session is not there in the next."""
    with pooled(database, "session") as pooler:
        with create_engine(database, poolclass=NullPool).begin() as connection:
            job = Platform(connection).action_job()
        with feeding(pooler.url) as feed:
            taker = feed.taker()
            claims = {0: taker.take(0)}
            taker.write([_delivery(job, 0)], claims)
            pooler.pool_by("transaction")
            with pytest.raises(ConnectionLost):
                _write_each(taker, claims, job)
            with pytest.raises(FatalError, match="lends a session for one transaction"):
                _write_each(taker, claims, job)


def test_a_pooler_that_clears_what_a_session_has_set_is_noticed(database: str) -> None:
    with pooled(database, "transaction", server_reset_query_always=1) as pooler:
        engine = create_engine(pooler.url, poolclass=NullPool)
        session_settings.ask_and_check(engine, {"statement_timeout": 60_000})
        with pytest.raises(FatalError, match="set statement_timeout=60000 and has 0") as refused:
            engine.connect()
        engine.dispose()
    assert "pool_mode=session" in refused.value.remedy


REFUSED = {
    "a wrong password": ({"password": "wrong"}, "authentication failed (08P01)"),
    "an unknown user": ({"username": "nobody_known"}, "authentication failed (08P01)"),
    "an unknown database": ({"database": "not_there"}, "no such database: not_there (08P01)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_pooler_itself_refuses_no_waiting_mends(
    session_pooling: PgBouncer, case: str
) -> None:
    parts, said = REFUSED[case]
    error = raised_by(_changed(session_pooling.url, **parts))
    assert type(error) is FatalError, error
    assert error.message.startswith("The database refuses the connection: ")
    assert said in error.message
    assert "TRIGGER_WORKER_DATABASE_URL" in error.remedy


def test_a_database_that_is_away_behind_a_pooler_is_an_outage() -> None:
    away = "postgresql+psycopg2://postgres:secret@127.0.0.1:1/postgres"
    with pooled(away, "session", server_login_retry=1, query_wait_timeout=1) as pooler:
        assert type(raised_by(pooler.url)) is ConnectionLost


def _write_each(taker: IntakeSession, claims: dict[int, Claim], job: int) -> None:
    for offset in range(1, 9):
        taker.write([_delivery(job, offset)], claims)


def _delivery(job: int, offset: int) -> Delivery:
    body = {"job_id": str(job), "scheduled_at": datetime.now(UTC).isoformat()}
    return Delivery(0, offset, None, json.dumps(body).encode(), (), 0)
