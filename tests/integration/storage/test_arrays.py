"""Array literals say to PostgreSQL exactly what was meant."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from job_trigger_worker.storage.db import arrays
from tests.support.postgres import PostgresServer

NASTY = [
    "",
    " ",
    "NULL",
    "null",
    '"',
    '""',
    "\\",
    '\\"',
    "a,b",
    "{a,b}",
    "{}",
    "line\nline\r\n\ttab",
    "财务",
    "𠮷👩‍👩‍👧",
    "it's",
    "%s %(a)s :b ::c",
    "\\x00",
    "$1",
    "\ufeff",
    "a" * 100_000,
]


@pytest.fixture(scope="module")
def connection(postgres: PostgresServer) -> Iterator[Connection]:
    engine = create_engine(postgres.admin_url, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def returned(connection: Connection, literal: str, kind: str) -> list[Any]:
    statement = text(
        f"select v from unnest(cast(:literal as {kind}[])) with ordinality as u (v, n) order by n"
    )
    return [row[0] for row in connection.execute(statement, {"literal": literal})]


def test_texts_of_every_kind_come_back(connection: Connection) -> None:
    assert returned(connection, arrays.texts(NASTY), "text") == NASTY
    assert returned(connection, arrays.texts([None, *NASTY, None]), "text") == [None, *NASTY, None]


@pytest.mark.parametrize("value", NASTY)
def test_a_single_text_comes_back(connection: Connection, value: str) -> None:
    assert returned(connection, arrays.texts([value]), "text") == [value]


STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=st.lists(st.none() | STORABLE | st.sampled_from(NASTY[:-1])))
def test_any_texts_come_back(connection: Connection, values: list[str | None]) -> None:
    assert returned(connection, arrays.texts(values), "text") == values
    assert returned(connection, arrays.texts(iter(values)), "text") == values


def test_numbers_come_back(connection: Connection) -> None:
    values = [1, None, 0, -7, 2**63 - 1, -(2**63)]
    assert returned(connection, arrays.bigints(values), "bigint") == values
    assert returned(connection, arrays.bigints({5}), "int") == [5]


def test_uuids_come_back(connection: Connection) -> None:
    values = [str(UUID(int=1)), None, "6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"]
    found = returned(connection, arrays.uuids(values), "uuid")
    assert [None if value is None else str(value) for value in found] == values


def test_times_come_back(connection: Connection) -> None:
    values = [
        datetime(2026, 11, 2, 3, 0, tzinfo=UTC),
        None,
        datetime(2000, 1, 1, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=8))),
        datetime(
            2200, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(-timedelta(hours=3, minutes=30))
        ),
    ]
    assert returned(connection, arrays.timestamps(values), "timestamptz") == values


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="2026-11-02T03:00:00 has no zone"):
        arrays.timestamps([datetime(2026, 11, 2, 3)])  # noqa: DTZ001 - that is the fault


def test_truth_values_and_bytes_come_back(connection: Connection) -> None:
    assert returned(connection, arrays.booleans([True, None, False]), "boolean") == [
        True,
        None,
        False,
    ]
    values = [b"", b'\x00\xff\\"{},', None, b"NULL"]
    found = returned(connection, arrays.bytestrings(values), "bytea")
    assert [None if value is None else bytes(value) for value in found] == values


def test_json_comes_back(connection: Connection) -> None:
    found = returned(connection, arrays.texts(['{"a": "\\"b\\\\"}', None, "[1, 2]"]), "jsonb")
    assert found == [{"a": '"b\\'}, None, [1, 2]]


def test_a_column_of_arrays_is_a_column_of_literals(connection: Connection) -> None:
    rows = [["a,b", "{}", 'c"\\'], [], ["NULL"]]
    statement = text("select cast(v as text[]) from unnest(cast(:literal as text[])) as u (v)")
    literal = arrays.texts(arrays.texts(row) for row in rows)
    assert [row[0] for row in connection.execute(statement, {"literal": literal})] == rows


@pytest.mark.parametrize("kind", ["bigint", "text", "uuid", "timestamptz", "boolean", "bytea"])
def test_an_empty_column_is_empty(connection: Connection, kind: str) -> None:
    for column in (
        arrays.bigints,
        arrays.texts,
        arrays.uuids,
        arrays.timestamps,
        arrays.booleans,
        arrays.bytestrings,
    ):
        assert returned(connection, column([]), kind) == []


def test_what_postgresql_cannot_hold_is_a_value_error_when_it_is_bound(
    connection: Connection,
) -> None:
    for value in ("a\0b", "\ud800"):
        with pytest.raises(ValueError, match=r"NUL|surrogates"):
            returned(connection, arrays.texts([value]), "text")
