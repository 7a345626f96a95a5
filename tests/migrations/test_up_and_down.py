from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from job_trigger_worker.errors import FatalError, UsageError
from job_trigger_worker.storage.schema import revisions
from tests.support.sql import SHAPE, execute, rows, value

FILES = """
    select relname, relfilenode from pg_class
    where relname in ('awp_job_execution', 'awp_automcation_job') order by relname
"""
RECORDS = "select id, job_id, job_type, execution_id, created_at from awp_job_execution order by id"
JOBS = "select id, name, paramter, version, updated_at from awp_automcation_job order by id"


def test_up_on_filled_tables_keeps_every_row_and_rewrites_none(filled: str) -> None:
    before = (rows(filled, FILES), rows(filled, RECORDS), rows(filled, JOBS))
    revisions.upgrade(filled)
    assert (rows(filled, FILES), rows(filled, RECORDS), rows(filled, JOBS)) == before


def test_rows_from_before_are_blank_and_not_migrated(filled: str) -> None:
    """R11."""
    revisions.upgrade(filled)
    assert rows(
        filled,
        """
        select distinct trigger_status, trigger_message, trigger_code, idempotency_key,
            scheduled_at, findings, causes, duplicate_count
        from awp_job_execution
        """,
    ) == [(None, None, None, None, None, None, None, 0)]
    assert rows(
        filled,
        """
        select distinct trigger_status, trigger_message, last_execution_id, last_scheduled_at,
            failing_since, max_lateness_s, consecutive_failures
        from awp_automcation_job
        """,
    ) == [(None, None, None, None, None, None, 0)]


def test_the_platform_goes_on_writing_rows_of_its_own(filled: str) -> None:
    revisions.upgrade(filled)
    execute(filled, "insert into awp_job_execution (job_id, job_type) values (1, 'action')")
    execute(filled, "insert into awp_job_execution (job_id, job_type) values (1, 'action')")
    newest = (
        "select trigger_status, idempotency_key from awp_job_execution order by id desc limit 2"
    )
    assert rows(filled, newest) == [(None, None), (None, None)]


def test_an_idempotency_key_is_there_once(filled: str) -> None:
    revisions.upgrade(filled)
    insert = """
        insert into awp_job_execution (job_id, idempotency_key)
        values (1, '6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21')
    """
    execute(filled, insert)
    assert execute(filled, insert + " on conflict (idempotency_key) do nothing") == 0


@pytest.mark.parametrize("step", ["0001", "0002"])
def test_down_and_up_again_keeps_the_rows_from_before(filled: str, step: str) -> None:
    before = (rows(filled, RECORDS), rows(filled, JOBS))
    revisions.upgrade(filled)
    shape = rows(filled, SHAPE)
    revisions.downgrade(filled, to=step)
    assert (rows(filled, RECORDS), rows(filled, JOBS)) == before
    revisions.upgrade(filled)
    assert (rows(filled, RECORDS), rows(filled, JOBS)) == before
    assert rows(filled, SHAPE) == shape


@pytest.mark.parametrize("step", ["0001", "0002"])
def test_down_leaves_what_was_there_at_that_revision(empty: str, step: str) -> None:
    revisions.upgrade(empty, to=step)
    shape = rows(empty, SHAPE)
    revisions.upgrade(empty)
    revisions.downgrade(empty, to=step)
    assert rows(empty, SHAPE) == shape


def test_down_to_the_base_leaves_nothing(empty: str) -> None:
    revisions.upgrade(empty)
    state = revisions.downgrade(empty, to="base")
    assert state.revision is None
    left = "select relname from pg_class where relnamespace = 'public'::regnamespace"
    assert {name for (name,) in rows(empty, left)} == {
        "awp_trigger_revision",
        "awp_trigger_revision_pkc",
    }
    assert (
        rows(empty, "select proname from pg_proc where pronamespace = 'public'::regnamespace") == []
    )


def test_up_with_everything_we_write_in_it_and_down_again(filled: str) -> None:
    revisions.upgrade(filled)
    execute(
        filled,
        """
        insert into awp_trigger_ledger (topic, topic_id, "partition", lost)
        values ('t', 'id', 0, '{[3,5)}');
        insert into awp_trigger_outbox (ledger_id, events, payload) values (1, 2, '\\x01');
        insert into awp_dead_letter (ledger_id, origin_offset, reason, headers)
        values (1, 4, 'not_json', '\\x90');
        insert into awp_job_reprojection (job_id) values (1);
        insert into awp_acknowledgement (kind, ledger_id, ranges, acknowledged_by, reason)
        values ('lost', 1, '{[3,5)}', 'li', 'seen');
        update awp_job_execution set trigger_status = 2, trigger_message = 'gone' where id = 1;
        """,
    )
    revisions.downgrade(filled, to="0002")
    assert value(filled, "select trigger_message from awp_job_execution where id = 1") == "gone"
    revisions.downgrade(filled, to="0001")
    revisions.upgrade(filled)
    assert value(filled, "select trigger_message from awp_job_execution where id = 1") is None
    assert value(filled, "select count(*) from awp_trigger_ledger") == 0


def test_two_migrations_at_once_wait_for_each_other(filled: str) -> None:
    def migrate(_: int) -> tuple[list[str], revisions.State]:
        steps: list[str] = []
        return steps, revisions.upgrade(filled, on_step=steps.append)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(migrate, range(2)))
    assert sorted(steps for steps, _ in outcomes) == [[], ["0002", "0003"]]
    assert all(state.is_current for _, state in outcomes)


def test_down_from_nothing_says_so(empty: str) -> None:
    with pytest.raises(FatalError, match="at no revision"):
        revisions.downgrade(empty)


def test_a_revision_that_does_not_exist_is_named(empty: str) -> None:
    with pytest.raises(UsageError, match="0099"):
        revisions.upgrade(empty, to="0099")


def test_each_new_column_has_its_documented_type(empty: str) -> None:
    revisions.upgrade(empty)

    def types(table: str) -> dict[str, Any]:
        return dict(
            rows(
                empty,
                f"""
                select attname::text, format_type(atttypid, atttypmod) from pg_attribute
                where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped
                """,
            )
        )

    records = types("awp_job_execution")
    assert records["trigger_status"] == "integer"
    assert records["trigger_message"] == "character varying(1000)"
    assert records["idempotency_key"] == "uuid"
    assert records["causes"] == "text[]"
    assert records["findings"] == "jsonb"
    jobs = types("awp_automcation_job")
    assert jobs["paramter"] == "jsonb"
    assert jobs["last_execution_id"] == "bigint"
    assert jobs["last_scheduled_at"] == "timestamp with time zone"
    assert types("awp_trigger_ledger")["lost"] == "int8multirange"
    assert types("preflight_owner")["group_ids"] == "bigint[]"


def test_a_new_record_is_in_no_index_of_random_ids(filled: str) -> None:
    """Its identity is ordered by time, and found by one index; the platform's rows have another."""
    revisions.upgrade(filled)
    found = rows(
        filled,
        "select regexp_replace(indexdef, '.* USING ', '') from pg_indexes "
        "where tablename = 'awp_job_execution' and indexdef ~ 'execution_id|idempotency_key' "
        "order by 1",
    )
    assert [definition for (definition,) in found] == [
        "btree (execution_id) WHERE (idempotency_key IS NULL)",
        "btree (idempotency_key)",
        "btree (trigger_id) WHERE (trigger_id <> idempotency_key)",
    ]
