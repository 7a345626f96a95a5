"""What a database means that does not let us in, in whatever language it says so."""

import locale
import uuid
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from job_trigger_worker import cli
from job_trigger_worker.config import Settings
from job_trigger_worker.errors import ConnectionLost, FatalError
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.schema import revisions
from tests.support import sql
from tests.support.command import trigger_worker
from tests.support.postgres import PostgresServer
from tests.support.refusals import raised_by
from tests.support.refusing_postgres import refusing

ADDRESS = "Correct TRIGGER_WORKER_DATABASE_URL."
REFUSALS = {
    "a wrong password, in Chinese": (
        ("28P01", '用户 "awp" Password 认证失败'.encode("gb18030"), "致命错误".encode("gb18030")),
        "the password is wrong (28P01: ",
        ADDRESS,
    ),
    "no such database, in German": (
        ("3D000", "Datenbank »awp« existiert nicht".encode("latin-1"), b"FATAL"),
        "there is no such database (3D000: Datenbank \ufffdawp\ufffd existiert nicht)",
        ADDRESS,
    ),
    "no entry in pg_hba.conf, in Russian": (
        ("28000", "в pg_hba.conf нет записи".encode("koi8-r"), "ВАЖНО".encode("koi8-r")),
        "this user may not sign in from here like this (28000: ",
        "or have its pg_hba.conf let it in.",
    ),
    "a user without the right to connect, in Japanese": (
        ("42501", "データベースへの権限がありません".encode("euc-jp"), b"FATAL"),
        "this user may not connect to the database (42501: ",
        "Grant it connect on the database",
    ),
    "a database that takes no connections, in UTF-8": (
        ("55000", "数据库不接受连接".encode(), "致命错误".encode()),
        "the database accepts no connections (55000: 数据库不接受连接)",
        ADDRESS,
    ),
}
OUTAGES = {
    "starting, in Chinese": ("57P03", "数据库系统启动中".encode("gbk"), "致命错误".encode("gbk")),
    "too many connections, in German": ("53300", "für Rollen".encode("latin-1"), b"FATAL"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_a_refusal_in_every_language(case: str) -> None:
    (state, words, severity), said, remedy = REFUSALS[case]
    with refusing(state, words, severity=severity) as url:
        error = raised_by(url)

    assert type(error) is FatalError
    assert error.message.startswith(f"The database refuses the connection: {said}"), error.message
    assert error.remedy.endswith(remedy) or remedy in error.remedy


@pytest.mark.parametrize("case", OUTAGES)
def test_an_outage_is_an_outage_in_every_language(case: str) -> None:
    state, words, severity = OUTAGES[case]
    with refusing(state, words, severity=severity) as url:
        error = raised_by(url)

    assert type(error) is ConnectionLost
    assert error.message.startswith(f"The database is away ({state}): ")


def test_commands_and_the_console_say_it_too() -> None:
    (state, words, severity), said, _ = REFUSALS["a wrong password, in Chinese"]
    with refusing(state, words, severity=severity) as url:
        ended = trigger_worker("audit", env={"TRIGGER_WORKER_DATABASE_URL": url})
        pool = Pool(Settings(database_url=SecretStr(url)))
        with pytest.raises(FatalError) as raised, pool.snapshot():
            pass
        with pytest.raises(FatalError) as of_migrate:
            revisions.current(url)

    assert (ended.status, ended.stdout) == (1, "")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert said in raised.value.message
    assert said in of_migrate.value.message


def test_what_this_server_itself_refuses(database: str) -> None:
    wrong = make_url(database).set(password="wrong")  # noqa: S106
    absent = make_url(database).set(database="not_there")
    for url, said in (
        (wrong, "the password is wrong (28P01: password authentication failed for user"),
        (absent, 'there is no such database (3D000: database "not_there" does not exist)'),
    ):
        error = raised_by(url.render_as_string(hide_password=False))
        assert type(error) is FatalError
        assert said in error.message


def test_one_that_refuses_counts_more_than_one_where_nobody_listens(unused_address: str) -> None:
    (state, words, severity), said, _ = REFUSALS["a wrong password, in Chinese"]
    host, _, port = unused_address.rpartition(":")
    with refusing(state, words, severity=severity) as url:
        address = make_url(url)
        both = address.set(host=None, port=None).update_query_dict(
            {"host": [f"{host}:{port}", f"127.0.0.1:{address.port}"]}
        )
        error = raised_by(both.render_as_string(hide_password=False))

    assert type(error) is FatalError
    assert said in error.message


def test_nobody_who_listens_is_an_outage(unused_address: str) -> None:
    error = raised_by(f"postgresql+psycopg2://awp@{unused_address}/awp")

    assert type(error) is ConnectionLost
    assert error.message.startswith("The database is away: ")


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
def other_encoding(
    request: pytest.FixtureRequest, postgres: PostgresServer
) -> Iterator[tuple[str, str]]:
    """A database of another encoding than UTF8: its address and that encoding."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    how = f"encoding '{request.param}' locale 'C' template template0"
    sql.alone(postgres.admin_url, f"create database {name} {how}")
    yield postgres.url(name), request.param
    postgres.drop(name)


def test_a_database_of_another_encoding_is_refused_before_anything_is_done(
    other_encoding: tuple[str, str],
) -> None:
    url, encoding = other_encoding

    error = raised_by(url)
    assert type(error) is FatalError
    assert error.message == f"The database's encoding is {encoding}; the worker needs UTF8."
    assert "pg_dump" in error.remedy
    with pytest.raises(FatalError, match="the worker needs UTF8"):
        revisions.upgrade(url)
    ended = trigger_worker("audit", env={"TRIGGER_WORKER_DATABASE_URL": url})
    assert (ended.status, ended.stderr.count("\n")) == (1, 1)


def test_libpqs_own_sentences_are_english_here_whatever_the_environment_says() -> None:
    """What libpq says before any server does is told by its words: it has to keep to one language.

    It speaks the language of the process, and nothing of ours sets one.
    """
    assert cli.COMMANDS
    assert locale.setlocale(locale.LC_MESSAGES) == "C"
