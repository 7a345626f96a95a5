"""A database that is not the worker's: one true sentence, before anything is written."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.schema import layout
from tests.support.postgres import PostgresServer


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    engine = create_engine(database, poolclass=NullPool)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def _said(connection: Connection, *changes: str) -> str:
    """What the check says after these changes."""
    for change in changes:
        connection.execute(text(change))
    with pytest.raises(FatalError) as refused:
        layout.check(connection)
    return str(refused.value)


def test_a_migrated_database_is_fit(connection: Connection) -> None:
    layout.check(connection)


def test_an_empty_schema_is_named_with_what_it_lacks(
    postgres: PostgresServer,
) -> None:
    url = postgres.create("t_empty", template="template0")
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as opened:
        said = _said(opened)
    engine.dispose()
    postgres.drop("t_empty")

    assert said.startswith(
        "The database t_empty lacks awp_automcation_job, awp_dead_letter, awp_job_execution, "
        "awp_job_reprojection, awp_trigger_database, awp_trigger_ledger, "
        "awp_trigger_outbox (search_path is "
    )
    assert "trigger-worker migrate" in said


def test_an_older_layout_is_told_what_is_missing(connection: Connection) -> None:
    said = _said(connection, "alter table awp_trigger_ledger drop column rewound")

    assert "are of an older version: awp_trigger_ledger.rewound is missing." in said


def test_a_newer_installation_in_another_schema_is_no_reason_to_go_there(
    connection: Connection,
) -> None:
    said = _said(
        connection, "create schema staging", "alter table awp_job_reprojection set schema staging"
    )

    assert " lacks awp_job_reprojection (search_path is " in said
    assert "trigger-worker migrate" in said
    assert "staging" not in said


def test_a_database_without_an_id_is_no_ones_copy(connection: Connection) -> None:
    said = _said(connection, "delete from awp_trigger_database")

    assert "has lost its row" in said
