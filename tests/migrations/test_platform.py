from __future__ import annotations

import pytest

from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.schema import revisions
from tests.support.sql import execute, rows, value

OTHER_PLATFORM = """
    create table cron_job (job_no int primary key, title varchar(40), kind smallint, args text);
    insert into cron_job values (1, 'nightly', 1, '{"servers": []}');
    create view preflight_job as
        select job_no::bigint as job_id, title as name, 'action' as job_type,
            5::bigint as target_id, 9::bigint as owner_id, true as enabled, args::jsonb as paramter,
            null::int as max_lateness_s, 1 as version
        from cron_job;
"""
THEIR_JOBS = """
    create table cron_job (
        job_no bigint primary key, title text, st int, msg varchar(1000), rec bigint,
        slot timestamptz, since timestamptz, fails int not null default 0);
    insert into cron_job (job_no, title) values (31, 'nightly');
    create view awp_automcation_job as
        select job_no as id, st as trigger_status, msg as trigger_message,
            rec as last_execution_id, slot as last_scheduled_at, since as failing_since,
            fails as consecutive_failures
        from cron_job;
"""


def test_a_stamped_platform_keeps_its_tables_and_gets_the_rest(stamped: str) -> None:
    state = revisions.upgrade(stamped, stamp="0001")
    assert state.is_current
    assert state.missing_views == ()
    assert value(stamped, "select count(*) from awp_job_execution") == 2000
    assert rows(stamped, "select name, state from preflight_server where server_id = 7") == [
        ("db-7", "on")
    ]


def test_a_stamped_platform_keeps_its_tables_on_the_way_down(stamped: str) -> None:
    revisions.upgrade(stamped, stamp="0001")
    revisions.downgrade(stamped, to="base")
    assert value(stamped, "select count(*) from awp_job_execution") == 2000
    assert value(stamped, "select count(*) from awp_automcation_job") == 500
    assert rows(stamped, "select viewname from pg_views where schemaname = 'public'") == []


def test_a_platform_that_was_not_stamped_is_told_how(stamped: str) -> None:
    with pytest.raises(FatalError) as raised:
        revisions.upgrade(stamped)
    assert "awp_automcation_job, awp_job_execution, awp_server" in raised.value.message
    assert "migrate up --stamp 0001" in raised.value.remedy
    assert revisions.current(stamped).revision is None


def test_a_platform_of_other_tables_that_was_not_stamped_is_told_how(empty: str) -> None:
    """It has views of its own; revision 0001 would put tables of another platform beside them."""
    execute(empty, "create view preflight_server as select 1 as server_id")
    with pytest.raises(FatalError) as raised:
        revisions.upgrade(empty)
    assert str(raised.value) == (
        "The database holds tables or views of a platform already (preflight_server). Run "
        "`trigger-worker migrate up --stamp 0001`: it keeps them and adds the rest."
    )


def test_a_database_is_stamped_once(filled: str) -> None:
    with pytest.raises(FatalError, match="at revision 0001 already"):
        revisions.upgrade(filled, stamp="0001")


def test_views_that_a_platform_has_are_neither_replaced_nor_dropped(stamped: str) -> None:
    execute(
        stamped,
        """
        create view preflight_server as
        select id as server_id, upper(name) as name, ip, 'unknown'::text as state from awp_server
        """,
    )
    revisions.upgrade(stamped, stamp="0001")
    theirs = "select name, state from preflight_server where server_id = 7"
    assert rows(stamped, theirs) == [("DB-7", "unknown")]
    revisions.downgrade(stamped, to="base")
    assert rows(stamped, theirs) == [("DB-7", "unknown")]


def test_a_view_of_ours_that_a_platform_has_replaced_since_is_its_own(filled: str) -> None:
    revisions.upgrade(filled)
    execute(
        filled,
        """
        create or replace view preflight_server as
        select id as server_id, name, ip, 'off'::text as state from awp_server
        """,
    )
    revisions.downgrade(filled, to="0001")
    assert value(filled, "select state from preflight_server where server_id = 7") == "off"
    assert revisions.upgrade(filled).missing_views == ()
    assert value(filled, "select state from preflight_server where server_id = 7") == "off"


def test_a_platform_with_other_tables_gets_what_the_worker_writes_to(empty: str) -> None:
    execute(empty, OTHER_PLATFORM)
    state = revisions.upgrade(empty, stamp="0001")
    assert state.is_current
    assert set(state.missing_views) == {
        "preflight_server",
        "preflight_account",
        "preflight_credential",
        "preflight_owner",
        "preflight_automation",
        "preflight_grant",
        "console_job",
        "console_job_group",
        "console_member",
        "console_job_target",
        "console_job_write",
    }
    assert value(empty, "select name from preflight_job where job_id = 1") == "nightly"
    assert (
        execute(empty, "insert into awp_job_execution (job_id, trigger_status) values (1, 2)") == 1
    )
    assert execute(empty, "update awp_automcation_job set trigger_status = 2 where id = 1") == 0
    execute(empty, "insert into awp_action_execution values (gen_random_uuid(), 'running')")
    assert value(empty, "select status from console_execution") == "running"


def test_the_tables_made_for_such_a_platform_go_with_us(empty: str) -> None:
    execute(empty, OTHER_PLATFORM)
    revisions.upgrade(empty, stamp="0001")
    revisions.downgrade(empty, to="base")
    tables = (
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    assert {name for (name,) in rows(empty, tables)} == {"cron_job", "awp_trigger_revision"}
    assert value(empty, "select name from preflight_job") == "nightly"


def test_no_view_says_that_a_platform_without_our_tables_has_no_jobs(empty: str) -> None:
    state = revisions.upgrade(empty, stamp="0001")
    assert "preflight_job" in state.missing_views


def test_the_last_outcome_reaches_a_platform_through_an_updatable_view(empty: str) -> None:
    """R3 on a platform whose job table has another name."""
    execute(empty, THEIR_JOBS)
    revisions.upgrade(empty, stamp="0001")
    update = (
        "update awp_automcation_job set trigger_status = 2, last_execution_id = 8 where id = 31"
    )
    assert execute(empty, update) == 1
    assert rows(empty, "select st, rec from cron_job") == [(2, 8)]
    revisions.downgrade(empty, to="base")
    assert rows(empty, "select trigger_status from awp_automcation_job") == [(2,)]


def test_an_updatable_view_that_lacks_a_column_is_named(empty: str) -> None:
    execute(
        empty,
        """
        create table cron_job (id bigint, trigger_status int, trigger_message text);
        create view awp_automcation_job as select * from cron_job;
        """,
    )
    with pytest.raises(FatalError) as raised:
        revisions.upgrade(empty, stamp="0001")
    assert raised.value.message == (
        "awp_automcation_job lacks the columns last_execution_id, last_scheduled_at, "
        "failing_since, consecutive_failures. Nothing was changed."
    )


def test_a_table_of_our_name_with_other_columns_gets_no_view(stamped: str) -> None:
    execute(stamped, "alter table awp_server rename state to power")
    state = revisions.upgrade(stamped, stamp="0001")
    assert state.missing_views == ("preflight_server",)


def test_a_platforms_own_alembic_is_not_touched(stamped: str) -> None:
    execute(
        stamped,
        "create table alembic_version (version_num text); "
        "insert into alembic_version values ('platform-17')",
    )
    revisions.upgrade(stamped, stamp="0001")
    revisions.downgrade(stamped, to="base")
    assert value(stamped, "select version_num from alembic_version") == "platform-17"
