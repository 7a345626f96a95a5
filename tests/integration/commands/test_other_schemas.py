"""Tables or views in a schema where a login does not look: every command names that schema."""

import pytest
from psycopg2 import errors as raised
from pydantic import SecretStr
from sqlalchemy import make_url

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.platform.check import check, check_structure
from job_trigger_worker.storage.schema import layout
from tests.integration.conftest import ROOT
from tests.support import sql
from tests.support.command import trigger_worker

COMMANDS = (
    "platform check",
    "preflight 1",
    "failures",
    "history 1",
    "show 1",
    "jobs reproject",
    "audit --offline",
    "dlq list",
    "retain --older-than 90d --yes",
)
REMEDY = (
    "Name the schema in TRIGGER_WORKER_DATABASE_URL: ?options=-csearch_path%3DSCHEMA, or set it "
    "for the role."
)


@pytest.fixture
def moved(database: str) -> str:
    """All that was in `public` is in a schema of its own."""
    sql.execute(database, "alter schema public rename to trig; create schema public")
    return database


def told(database: str) -> str:
    """The sentence about this database."""
    return (
        f"The worker's tables are in schema trig of the database {make_url(database).database}, "
        f'and search_path is "$user", public. {REMEDY}'
    )


def looking_in(database: str, schemas: str) -> str:
    """The database's address, with a search path as docs/platform.md writes it."""
    separator = "&" if "?" in database else "?"
    return f"{database}{separator}options=-csearch_path%3D{schemas}"


def test_every_command_names_the_schema(moved: str) -> None:
    said = {}
    for command in COMMANDS:
        ended = trigger_worker(*command.split(), env={"TRIGGER_WORKER_DATABASE_URL": moved})
        said[command] = (ended.status, told(moved) in ended.stdout + ended.stderr)
    assert said == dict.fromkeys(COMMANDS, (1, True))


def test_with_the_schema_in_the_address_it_is_found(moved: str) -> None:
    env = {"TRIGGER_WORKER_DATABASE_URL": looking_in(moved, "trig,public")}
    ended = trigger_worker("platform", "check", env=env)
    assert (ended.status, ended.stderr) == (0, "")
    assert "13 views read: nothing wrong" in ended.stdout


def test_the_console_and_the_worker_name_the_schema(moved: str) -> None:
    settings = Settings(database_url=SecretStr(moved))
    pool, session = Pool(settings), Session(make_engine(settings))
    with pytest.raises(FatalError) as of_the_console, pool.snapshot():
        pass
    with pytest.raises(FatalError) as of_the_worker, session.transaction():
        pass
    pool.close()
    session.close()
    assert str(of_the_console.value) == str(of_the_worker.value) == told(moved)


def test_a_schema_that_the_role_may_not_use_is_told_as_that(database: str) -> None:
    login = f"shut_out_{make_url(database).database}"
    sql.execute(database, f"create user {login} password 'x'")
    try:
        sql.execute(database, "revoke usage on schema public from public")
        url = make_url(database).set(username=login, password="x")  # noqa: S106
        env = {"TRIGGER_WORKER_DATABASE_URL": url.render_as_string(hide_password=False)}
        ended = trigger_worker("dlq", "list", env=env)
    finally:
        sql.execute(database, f"drop user {login}")
    said = (
        "trigger-worker: The worker's tables are in schema public of the database "
        f"{make_url(database).database}, which the role {login} may not use. Grant it usage on "
        "that schema, as deploy/sql/roles.sql does for those of its own search_path.\n"
    )
    assert (ended.status, ended.stderr) == (1, said)


def test_views_that_are_elsewhere_are_named_with_their_schema(database: str) -> None:
    sql.execute(
        database,
        "create schema plat; alter view preflight_job set schema plat; "
        "alter view console_member set schema plat",
    )
    where = f"in schema plat of the database {make_url(database).database}, and search_path is"
    session = Session(make_engine(Settings(database_url=SecretStr(database))))
    report = check(session.snapshot)
    assert [each.message for each in report.problems] == [
        f'The view preflight_job is {where} "$user", public. {REMEDY}'
    ]
    assert [each.message for each in report.notes] == [
        f'The view console_member is {where} "$user", public. {REMEDY}'
    ]
    with session.snapshot() as connection, pytest.raises(FatalError, match="is in schema plat of"):
        check_structure(connection)
    session.close()


def test_views_in_a_second_schema_can_be_used_by_the_roles(database: str) -> None:
    login = f"in_two_{make_url(database).database}"
    sql.execute(
        database,
        f"""
        create schema plat;
        alter view preflight_job set schema plat;
        alter table awp_automcation_job set schema plat;
        create user {login} password 'x';
        """,
    )
    both = looking_in(database, "public,plat")
    url = make_url(both).set(username=login, password="x")  # noqa: S106
    settings = Settings(database_url=SecretStr(url.render_as_string(hide_password=False)))
    session = Session(make_engine(settings))
    try:
        with session.snapshot() as connection, pytest.raises(FatalError) as refused:
            layout.check(connection)
        sql.execute(both, (ROOT / "deploy/sql/roles.sql").read_text())
        sql.execute(both, f"grant trigger_worker to {login}")
        with session.snapshot() as connection:
            layout.check(connection)
            check_structure(connection)
            assert connection.exec_driver_sql("select count(*) from preflight_job").scalar() == 0
    finally:
        session.close()
        sql.execute(database, f"drop owned by {login}; drop user {login}")
    assert str(refused.value) == (
        "The table awp_automcation_job is in schema plat of the database "
        f"{make_url(database).database}, which the role {login} may not use. Grant it usage on "
        "that schema, as deploy/sql/roles.sql does for those of its own search_path."
    )


def test_roles_sql_names_the_schema(moved: str) -> None:
    roles = (ROOT / "deploy/sql/roles.sql").read_text()
    with pytest.raises(raised.UndefinedTable) as refused:
        sql.execute(moved, roles)
    assert refused.value.diag.message_primary == (
        'The worker\'s tables are in schema trig, and search_path is "$user", public.'
    )
    assert refused.value.diag.message_hint == (
        "Set PGOPTIONS='-c search_path=SCHEMA' for psql. Where they are in none: "
        "trigger-worker migrate up."
    )
    sql.execute(moved, f"set search_path = trig, public;\n{roles}")
    assert sql.value(moved, "select has_schema_privilege('trigger_reader', 'trig', 'usage')")


def test_roles_sql_names_views_that_are_not_there(database: str) -> None:
    sql.execute(database, "drop view preflight_credential; drop view preflight_owner")
    with pytest.raises(raised.UndefinedTable) as refused:
        sql.execute(database, (ROOT / "deploy/sql/roles.sql").read_text())
    assert refused.value.diag.message_primary == (
        "The views preflight_credential, preflight_owner are not there; search_path is "
        '"$user", public.'
    )
    assert refused.value.diag.message_hint == (
        "Define them over the platform's tables (docs/platform.md), or have search_path name their "
        "schema too, and run this file again."
    )
