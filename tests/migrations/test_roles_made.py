"""deploy/sql/roles.sql makes what is missing: by an owner who may, or after a superuser has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2.errors
import pytest
from sqlalchemy import make_url

from job_trigger_worker.embedded.postgres import EmbeddedPostgres
from job_trigger_worker.storage.schema import revisions
from tests.support.postgres import folder
from tests.support.sql import alone, execute, rows

ROOT = Path(__file__).parents[2]
ROLES = (ROOT / "deploy" / "sql" / "roles.sql").read_text()


@pytest.fixture
def server() -> Iterator[str]:
    """A superuser's address on a server of its own, because roles belong to the whole server."""
    with folder() as place:
        started = EmbeddedPostgres(place, fsync=False)
        try:
            yield started.start().url
        finally:
            started.stop()


def owned(server: str, rights: str) -> str:
    """A migrated database, at its owner's address, who has these rights and no others."""
    execute(server, f"create role app_owner login password 'app' {rights}")
    alone(server, "create database app owner app_owner")
    theirs = make_url(server).set(username="app_owner", password="app", database="app")  # noqa: S106
    url = theirs.render_as_string(hide_password=False)
    revisions.upgrade(url)
    return url


def may_read(url: str) -> list[tuple[str, bool]]:
    return rows(
        url,
        """
        select rolname::text, has_table_privilege(oid, 'preflight_job', 'select') from pg_roles
        where rolname in ('trigger_worker', 'trigger_console', 'trigger_reader') order by 1
        """,
    )


ALL = [("trigger_console", True), ("trigger_reader", True), ("trigger_worker", True)]


def test_an_owner_who_may_make_roles_runs_it_alone(server: str) -> None:
    url = owned(server, "createrole")
    execute(url, ROLES)
    execute(url, ROLES)
    assert may_read(url) == ALL
    execute(url, "create user awp_worker password 'x' in role trigger_worker")


def test_an_owner_who_may_not_is_told_who_has_to(server: str) -> None:
    url = owned(server, "nocreaterole")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege) as told:
        execute(url, ROLES)
    assert told.value.diag.message_primary == (
        "The roles trigger_worker, trigger_console, trigger_reader are not there, "
        "and app_owner may not make any."
    )
    hint = told.value.diag.message_hint or ""
    assert hint.startswith("Have a superuser run this, then run the file again as app_owner: ")
    assert may_read(url) == []
    execute(server, hint.partition(": ")[2])
    execute(url, ROLES)
    assert may_read(url) == ALL


def test_only_the_roles_that_are_missing_are_named(server: str) -> None:
    url = owned(server, "nocreaterole")
    execute(server, "create role trigger_worker nologin")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege) as told:
        execute(url, ROLES)
    assert "The roles trigger_console, trigger_reader are not there" in str(told.value)
    assert "trigger_worker" not in str(told.value.diag.message_hint)


def test_the_documents_say_what_it_takes() -> None:
    command = "psql -v ON_ERROR_STOP=1 -f deploy/sql/roles.sql"
    for name in ("docs/platform.md", "deploy/README.md"):
        page = (ROOT / name).read_text()
        assert command in page, name
        assert "CREATEROLE" in page, name
        assert "psql -f" not in page, name
    steps = (ROOT / "deploy" / "README.md").read_text()
    for role in ("trigger_worker", "trigger_console", "trigger_reader"):
        assert f"create role {role} nologin;" in steps, role
