"""A real PostgreSQL for tests: one server a session, a fresh migrated database a test.

Functions and a plain value, no fixtures: a process that is told the admin URL and the template's
name can make databases on the same server.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from job_trigger_worker.embedded.postgres import EmbeddedPostgres
from job_trigger_worker.storage.schema import revisions
from tests.support.services import Choice, Source, postgres_choice

_ROOM = 2 * 1024**3
_FIRST_WITH_STRATEGIES = 15


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server on which databases are made and dropped.

    `admin_url` may create databases; `template` is a migrated database that nobody connects to.
    `major` is its version.
    """

    admin_url: str = field(repr=False)
    template: str
    major: int = 18

    def url(self, database: str) -> str:
        """Address of a database for SQLAlchemy, password included."""
        return self._address.set(database=database).render_as_string(hide_password=False)

    def create(self, database: str, *, template: str | None = None) -> str:
        """Make a migrated database, or a copy of another `template` (`template0`: an empty one).

        Returns its address. One of the same name is dropped first.
        """
        self.drop(database)
        copied = "strategy file_copy" if self.major >= _FIRST_WITH_STRATEGIES else ""
        self._execute(
            f"create database {_quoted(database)} template {_quoted(template or self.template)} "
            f"{copied}"
        )
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drop a database if it exists, whoever is connected to it."""
        self._execute(f"drop database if exists {_quoted(database)} with (force)")

    @property
    def _address(self) -> URL:
        return make_url(self.admin_url)

    def _execute(self, statement: str) -> None:
        with _admin(self.admin_url).connect() as connection:
            connection.execute(text(statement))


@contextmanager
def serving(choice: Choice | None = None) -> Iterator[PostgresServer]:
    """A server for a session, with its template; what was made for it is gone afterwards.

    Taken from where `services` says. Raises when the chosen one does not work: there is no second
    choice, so that nobody tests on something else than they think.
    """
    choice = choice or postgres_choice()
    with ExitStack() as stack:
        admin_url = _START[choice.source](stack, choice.detail)
        with _admin(admin_url).connect() as connection:
            major = int(connection.execute(text("show server_version_num")).scalar_one()) // 10_000
        server = PostgresServer(admin_url, f"awp_template_{secrets.token_hex(4)}", major)
        server.create(server.template, template="template0")
        stack.callback(server.drop, server.template)
        revisions.upgrade(server.url(server.template))
        yield server


def _given(_: ExitStack, url: str) -> str:
    address = make_url(url).set(drivername="postgresql+psycopg2")
    return address.render_as_string(hide_password=False)


def _start_container(stack: ExitStack, image: str) -> str:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - slow
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

    testcontainers_config.ryuk_disabled = True  # its image would have to be pulled
    container = PostgresContainer(image).with_command(
        "postgres -c fsync=off -c synchronous_commit=off -c max_connections=200"
    )
    return str(stack.enter_context(container).get_connection_url())


def _start_embedded(stack: ExitStack, _: str) -> str:
    server = EmbeddedPostgres(stack.enter_context(folder()), fsync=False)
    stack.callback(server.stop)
    url = server.start().url
    _sign_in_quickly(url)
    return url


def _sign_in_quickly(admin_url: str) -> None:
    """Tests ask in a session a question: 4,096 rounds of hashing are half of what one costs."""
    with _admin(admin_url).connect() as connection:
        connection.execute(text("set scram_iterations = 1"))
        same = {"password": make_url(admin_url).password}
        connection.execute(text("alter role current_user password :password"), same)


@contextmanager
def folder() -> Iterator[Path]:
    """A place for a server of one's own, for tests that stop it or kill it.

    Not pytest's `tmp_path`: every run of pytest closes the folders above it to other accounts, and
    root's servers run as another one.
    """
    place = Path(tempfile.mkdtemp(prefix="awp-postgres-", dir=_fast_place()))
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _fast_place() -> Path | None:
    """Memory, where there is room: a database is 300 files, copied in 30 ms instead of 300."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it has a name of its own
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM:
        return memory
    return None


_START = {
    Source.GIVEN: _given,
    Source.CONTAINER: _start_container,
    Source.EMBEDDED: _start_embedded,
}


def _admin(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
