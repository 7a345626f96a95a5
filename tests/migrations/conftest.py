from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from job_trigger_worker.storage.schema import revisions
from tests.support.postgres import PostgresServer
from tests.support.sql import execute

OLD_ROWS = """
    insert into awp_server (name, ip) select 'db-' || n, '10.0.0.' || n
    from generate_series(1, 9) n;
    insert into awp_action (name) values ('restart'), ('清理日志');
    insert into awp_workflow (name) values ('deploy');
    insert into awp_automcation_job (name, job_type, target_id, paramter)
    select 'job ' || n, 'action', 1, '{"servers": [{"server_id": 7, "account": "root"}]}'
    from generate_series(1, 500) n;
    insert into awp_job_execution (job_id, job_type, execution_id)
    select n % 500 + 1, 'action', gen_random_uuid() from generate_series(1, 2000) n;
    insert into awp_action_execution (execution_id, status)
    select execution_id, 'succeeded' from awp_job_execution where id <= 100;
"""


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """The address of a database without a single table."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield postgres.create(name, template="template0")
    postgres.drop(name)


@pytest.fixture
def filled(empty: str) -> str:
    """A platform's database before us: the baseline, with rows."""
    revisions.upgrade(empty, to="0001")
    execute(empty, OLD_ROWS)
    return empty


@pytest.fixture
def stamped(filled: str) -> str:
    """The same, made by the platform itself: nothing in it is marked as ours."""
    execute(
        filled,
        """
        drop table awp_trigger_revision;
        do $$ declare name text; begin
            for name in select relname from pg_class where relkind = 'r'
                and relnamespace = 'public'::regnamespace
            loop execute 'comment on table ' || name || ' is null'; end loop;
        end $$;
        """,
    )
    return filled


@pytest.fixture
def stranger(stamped: str) -> Iterator[str]:
    """The address of the platform's database for a user who owns none of it."""
    name = f"u_{uuid.uuid4().hex[:12]}"
    execute(stamped, f"create role {name} login password 'stranger'")
    theirs = make_url(stamped).set(username=name, password="stranger")  # noqa: S106 - a test's
    yield theirs.render_as_string(hide_password=False)
    execute(stamped, f"drop role {name}")
