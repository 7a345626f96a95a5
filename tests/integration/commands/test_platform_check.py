"""`trigger-worker platform check`: what a platform's views say and may not say, with the ids."""

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import FatalError
from job_trigger_worker.runtime import worker as bootstrap
from job_trigger_worker.runtime.worker import Worker
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.platform.check import check, check_structure
from job_trigger_worker.storage.platform.report import Report
from job_trigger_worker.storage.schema import revisions
from tests.support import sql
from tests.support.command import Ended, trigger_worker
from tests.support.platform import Platform
from tests.support.platform_types import redefine

CHECKED = """
    alter table awp_server drop constraint awp_server_state_check, alter state drop not null;
    alter table awp_server_account alter enabled drop not null;
    alter table awp_automation_grant drop constraint awp_automation_grant_principal_kind_check;
    alter table awp_automcation_job alter job_type drop not null, alter timezone drop not null;
"""


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    engine = make_engine(Settings(database_url=SecretStr(database)))
    opened = Session(engine)
    yield opened
    opened.close()
    engine.dispose()


def _fill(database: str) -> None:
    engine = create_engine(database, poolclass=NullPool)
    with engine.begin() as connection:
        platform = Platform(connection)
        for number in range(1, 8):
            platform.action_job([platform.target(f"db-{number}")])
    engine.dispose()


def _messages(report: Report) -> list[str]:
    return [finding.message for finding in report.problems]


def _check(database: str, *flags: str) -> Ended:
    env = {"TRIGGER_WORKER_DATABASE_URL": database}
    return trigger_worker("platform", "check", *flags, env=env)


def test_a_platform_as_it_has_to_be_has_nothing_wrong(database: str) -> None:
    _fill(database)
    ended = _check(database)
    assert (ended.status, ended.stdout) == (0, "48 rows of 13 views read: nothing wrong.\n")
    found = _check(database, "--json").json
    assert (found["ok"], found["problems"], found["notes"]) == (True, [], [])
    assert found["rows"]["preflight_job"] == 7


def test_every_value_that_is_not_allowed_is_named_with_its_rows(
    database: str, session: Session
) -> None:
    _fill(database)
    sql.execute(database, CHECKED)
    sql.execute(
        database,
        """
        update awp_server set state = 'Powered_Off' where id in (2, 3);
        update awp_server set state = null where id = 4;
        update awp_server set state = 'OFF' where id = 5;
        update awp_server_account set enabled = null where server_id = 6;
        update awp_automation_grant set principal_kind = 'role' where principal_kind = 'user';
        update awp_automcation_job set job_type = 'script' where id = 7;
        update awp_automcation_job set schedule = '0 3 * * *', timezone = 'Asia/Beijing'
            where id in (1, 2);
        update awp_automcation_job set schedule = 'every day' where id = 3;
        update awp_automcation_job set schedule = '0 3 * * *', timezone = null where id = 4;
        update awp_automcation_job set max_lateness_s = -1 where id = 5;
        """,
    )

    assert _messages(check(session.snapshot)) == [
        "preflight_job.job_type is 'script' in 1 row (job_id=7); it has to be action or workflow.",
        (
            "preflight_job.max_lateness_s is '-1' in 1 row (job_id=5); it has to be a whole "
            "number, 0 or more."
        ),
        (
            "preflight_server.state is 'Powered_Off' in 2 rows (server_id=2; server_id=3); it "
            "has to be on, off, offline or unknown."
        ),
        (
            "preflight_server.state is null in 1 row (server_id=4); it has to be on, off, "
            "offline or unknown."
        ),
        (
            "preflight_account.enabled is null in 1 row (server_id=6, account=deploy); it has to "
            "be true or false, yes or no, y or n, on or off, 1 or 0."
        ),
        (
            "preflight_grant.principal_kind is 'role' in 1 row (target_id=1, job_type=action, "
            "principal_kind=role, principal_id=1); it has to be user or group."
        ),
        "console_job.job_type is 'script' in 1 row (job_id=7); it has to be action or workflow.",
        (
            "console_job.schedule is 'every day' in 1 row (job_id=3); it cannot be read as a "
            "schedule, so nobody is told when such a job is due."
        ),
        (
            "console_job.timezone is 'Asia/Beijing' in 2 rows (job_id=1; job_id=2); it cannot be "
            "read as a time zone, so nobody is told when such a job is due."
        ),
    ]


def test_what_is_wrong_is_an_exit_status_and_an_object_for_programs(database: str) -> None:
    _fill(database)
    sql.execute(database, CHECKED)
    sql.execute(database, "update awp_server set state = '0' where id <> 1")
    ended = _check(database, "--json")
    assert ended.status == 1
    assert ended.json["problems"] == [
        {
            "fault": "unknown_value",
            "view": "preflight_server",
            "message": "preflight_server.state is '0' in 6 rows (server_id=2; server_id=3; "
            "server_id=4; server_id=5; server_id=6; and 1 more); it has to be on, off, offline or "
            "unknown.",
            "column": "state",
            "rows": 6,
            "ids": ["server_id=2", "server_id=3", "server_id=4", "server_id=5", "server_id=6"],
        }
    ]


def test_rows_that_raise_are_named_and_the_others_are_looked_at(
    database: str, session: Session
) -> None:
    _fill(database)
    sql.execute(database, CHECKED)
    sql.execute(
        database,
        """
        alter table awp_automcation_job add column raw text;
        update awp_automcation_job set raw = case when id in (2, 5) then '' else paramter::text end;
        update awp_automcation_job set job_type = 'script' where id = 7;
        drop view preflight_job;
        create view preflight_job as select id as job_id, name, job_type, target_id, owner_id,
            enabled, raw::jsonb as paramter, max_lateness_s, version from awp_automcation_job;
        create or replace view preflight_credential as
            select id as credential_id, kind, (1 / (id - id)) = 1 as usable from awp_credential;
        """,
    )

    assert _messages(check(session.snapshot))[:3] == [
        (
            "The view preflight_job raises (22P02: invalid input syntax for type json) for "
            "job_id=2; job_id=5."
        ),
        "preflight_job.job_type is 'script' in 1 row (job_id=7); it has to be action or workflow.",
        "The view preflight_credential cannot be read (22012): division by zero.",
    ]


def test_a_row_that_raises_what_a_view_raises_that_cannot_be_read_is_named(
    database: str, session: Session
) -> None:
    _fill(database)
    said = "case when job_id = 3 then concat('NaN')::numeric::int else version end"
    redefine(database, "preflight_job", {"version": said})
    said = "case when server_id = 4 then concat('gone')::regclass::text else name end"
    redefine(database, "preflight_server", {"name": said})
    assert _messages(check(session.snapshot)) == [
        "The view preflight_job raises (0A000: cannot convert NaN to integer) for job_id=3.",
        'The view preflight_server raises (42P01: relation "gone" does not exist) for server_id=4.',
    ]


def test_views_and_columns_that_are_not_there_or_of_no_use_are_named_all_at_once(
    database: str, session: Session
) -> None:
    sql.execute(
        database,
        """
        drop view preflight_server, preflight_account, preflight_owner, console_member;
        create view preflight_account as
            select server_id, account, now() as enabled from awp_server_account;
        create view preflight_owner as
            select gen_random_uuid() as owner_id, name, enabled, '{}'::bigint[] as group_ids
            from awp_user;
        """,
    )
    expected = [
        (
            "The view preflight_server does not exist. Define it over the platform's tables; "
            "docs/platform.md lists its columns."
        ),
        (
            "The column preflight_account.enabled is of type timestamp with time zone, which "
            "cannot be read as true or false."
        ),
        (
            "The view preflight_account has no column credential_id (a whole number from 1 to "
            "9223372036854775807)."
        ),
        (
            "The column preflight_owner.owner_id is of type uuid, which cannot be read as a "
            "whole number from 1 to 9223372036854775807."
        ),
    ]

    report = check(session.snapshot)
    assert _messages(report) == expected
    assert [note.message for note in report.notes] == [
        (
            "The view console_member does not exist. What it is for is not available in "
            "the console. "
            "Define it over the platform's tables; docs/platform.md lists its columns."
        )
    ]
    with session.snapshot() as connection, pytest.raises(FatalError) as stopped:
        check_structure(connection)
    assert stopped.value.message == " ".join(expected)


@pytest.mark.parametrize(
    ("view", "column", "said", "type_", "holds"),
    [
        ("preflight_job", "paramter", "paramter::text::bytea", "bytea", "any text"),
        ("preflight_job", "paramter", "array[paramter::text]", "text[]", "any text"),
        ("preflight_job", "name", "int4range(1, 2)", "int4range", "any text"),
        ("preflight_account", "account", "account::bytea", "bytea", "any text"),
        ("preflight_job", "version", "1::money", "money", "a whole number, 0 or more"),
        (
            "preflight_job",
            "owner_id",
            "'pg_class'::regclass",
            "regclass",
            "a whole number from 1 to 9223372036854775807",
        ),
    ],
)
def test_a_column_that_cannot_be_what_is_read_in_it_keeps_a_worker_from_starting(
    database: str, session: Session, view: str, column: str, said: str, type_: str, holds: str
) -> None:
    redefine(database, view, {column: said})
    message = f"The column {view}.{column} is of type {type_}, which cannot be read as {holds}."
    assert _messages(check(session.snapshot)) == [message]
    with session.snapshot() as connection, pytest.raises(FatalError) as stopped:
        check_structure(connection)
    assert stopped.value.message == message


def test_ids_that_are_none_or_there_twice_are_named(database: str, session: Session) -> None:
    sql.execute(
        database,
        """
        drop view preflight_server, preflight_account;
        create view preflight_server as select * from (values ('7', 'db-07', '10.0.0.7', 'on'),
            ('7', 'db-7', null, 'OFF'), ('H8', 'db-08', null, 'on'), ('007', 'old', null, 'off'),
            (null, 'nobody', null, 'on')) as host (server_id, name, ip, state);
        create view preflight_account as select 7 as server_id, 'root'::text as account, 1 as
            enabled, 0 as credential_id from generate_series(1, 2);
        """,
    )
    assert _messages(check(session.snapshot)) == [
        (
            "preflight_server.server_id is '007' in 1 row (server_id=007); it has to be a whole "
            "number from 1 to 9223372036854775807."
        ),
        (
            "preflight_server.server_id is 'H8' in 1 row (server_id=H8); it has to be a whole "
            "number from 1 to 9223372036854775807."
        ),
        (
            "preflight_server.server_id is null in 1 row (server_id=null); it has to be a whole "
            "number from 1 to 9223372036854775807."
        ),
        (
            "preflight_server has several rows of the same server_id (server_id=7); what needs "
            "one of them fails as inventory_invalid."
        ),
        (
            "preflight_account.credential_id is '0' in 2 rows (server_id=7, account=root; "
            "server_id=7, account=root); it has to be a whole number from 1 to "
            "9223372036854775807."
        ),
        (
            "preflight_account has several rows of the same server_id and account (server_id=7, "
            "account=root); what needs one of them fails as inventory_invalid."
        ),
    ]


def test_look_ups_that_no_index_serves_and_times_without_a_zone_are_notes(
    database: str, session: Session
) -> None:
    sql.execute(
        database,
        """
        create table host as select n as no, 'db-' || n as label from generate_series(1, 2000) n;
        create or replace view preflight_server as select no::bigint as server_id, label as name,
            null::text as ip, 'on'::text as state from host;
        drop view console_execution;
        create view console_execution as select 'action' as job_type, execution_id, status, message,
            accepted_at at time zone 'Asia/Shanghai' as accepted_at, started_at, ended_at,
            null::text as platform_url from awp_action_execution;
        """,
    )
    sql.alone(database, "vacuum analyze")
    report = check(session.snapshot)
    assert report.problems == []
    assert [note.message for note in report.notes] == [
        (
            "The column console_execution.accepted_at has no time zone: its times are taken for "
            "times in Etc/UTC, the database's TimeZone."
        ),
        (
            "No index serves a look-up by preflight_server.server_id: each one reads the whole "
            "table host (about 2,000 rows). Make one on it; where the view casts or computes the "
            "column, on that expression."
        ),
    ]


def test_the_jobs_that_every_batch_updates_have_to_be_found_by_an_index(
    database: str, session: Session
) -> None:
    sql.execute(
        database,
        """
        create table timer as select cast(n as text) as no, j.* from awp_automcation_job j
            right join generate_series(1, 2000) n on false;
        alter table awp_automcation_job rename to before;
        create view awp_automcation_job as select cast(no as bigint) as id, trigger_status,
            trigger_message, last_execution_id, last_scheduled_at, failing_since,
            consecutive_failures from timer;
        """,
    )
    sql.alone(database, "vacuum analyze")
    report = check(session.snapshot)
    assert report.problems == []
    assert [note.message for note in report.notes] == [
        (
            "No index serves a look-up by awp_automcation_job.id: each one reads the whole table "
            "timer (about 2,000 rows). Make one on it; where the view casts or computes the "
            "column, on that expression."
        )
    ]
    sql.execute(database, "create index on timer (job_type, cast(no as bigint))")
    behind_another = check(session.snapshot).notes
    assert behind_another == report.notes
    sql.execute(database, "create index on timer (cast(no as bigint))")
    assert check(session.snapshot).notes == []


def test_an_index_on_a_computed_column_of_a_join_serves(database: str, session: Session) -> None:
    sql.execute(
        database,
        """
        create table host (no text, label text, rack int);
        create table rack (no int primary key, "Row" text);
        insert into rack values (1, 'left');
        insert into host select n, 'db-' || n, 1 from generate_series(1, 2000) n;
        create index on host ((case when no ~ '^[0-9]{1,18}$' then no::bigint end), label);
        create or replace view preflight_server as
            select case when h.no ~ '^[0-9]{1,18}$' then h.no::bigint end as server_id,
                h.label as name, r."Row" as ip, 'on'::text as state
            from host h join rack r on r.no = h.rack;
        """,
    )
    sql.alone(database, "vacuum analyze")
    assert check(session.snapshot).notes == []


def test_a_column_that_the_console_casts_is_to_be_said_as_a_number(
    database: str, session: Session
) -> None:
    """A text id with an index of its own and one on its number: neither serves the console."""
    sql.execute(
        database,
        """
        create table timer as select cast(n as text) as no from generate_series(1, 2000) n;
        create index on timer (no);
        create index on timer (cast(no as bigint));
        drop view console_job_group;
        create view console_job_group as
            select no as job_id, cast(no as bigint) as group_id from timer;
        """,
    )
    sql.alone(database, "vacuum analyze")
    assert [note.message for note in check(session.snapshot).notes] == [
        (
            "No index serves a look-up by console_job_group.job_id: each one reads the whole table "
            "timer (about 2,000 rows). The console casts the column: have console_job_group say a "
            "bigint, with an index on that expression."
        )
    ]


def test_of_a_view_that_joins_tables_both_are_named(database: str, session: Session) -> None:
    sql.execute(
        database,
        """
        create table timer as select n as no, n % 3 as person from generate_series(1, 2000) n;
        create index on timer (no);
        create table team as select n as no, n as person from generate_series(0, 2) n;
        drop view console_job_group;
        create view console_job_group as
            select t.no as job_id, m.no as group_id from timer t join team m using (person);
        """,
    )
    sql.alone(database, "vacuum analyze")
    assert [note.message for note in check(session.snapshot).notes] == [
        (
            "No index serves a look-up by console_job_group.group_id: each one reads the whole "
            "table timer (about 2,000 rows). Make one on it; where the view casts or computes the "
            "column, on that expression. The view joins tables: make it in the one that has the "
            "column, and one on what timer is joined by."
        )
    ]
    sql.alone(database, "create index on timer (person)")
    assert check(session.snapshot).notes == []


def test_what_a_login_may_not_read_is_said_and_is_not_right(
    database: str, roles: dict[str, str]
) -> None:
    _fill(database)
    sql.execute(
        database, "update awp_automcation_job set timezone = 'Asia/Beijing', schedule = '?'"
    )
    ended = _check(roles["trigger_worker"])
    assert ended.status == 1
    assert ended.stdout == (
        "26 rows of 7 views read: nothing wrong in these.\n"
        "6 of 13 views were not looked at: this login may not read console_job, "
        "console_job_group, console_member, console_job_target, console_execution, "
        "console_job_write. Run it as the owner of the views, or as a login in the role "
        "trigger_console.\n"
    )
    assert "1 of 13 views was not looked at: " in _check(roles["trigger_reader"]).stdout
    found = _check(roles["trigger_reader"], "--json")
    assert (found.status, found.json["not_looked_at"]) == (1, ["console_job_write"])
    assert [each["fault"] for each in found.json["problems"]] == [
        "no_permission",
        "unreadable_schedule",
        "unknown_zone",
    ]


def test_a_migration_says_what_the_views_say(database: str) -> None:
    _fill(database)
    sql.execute(database, CHECKED)
    sql.execute(database, "update awp_server set state = 'Asleep' where id = 2")
    report = revisions.look_at_views(database)
    said = "preflight_server.state is 'Asleep' in 1 row (server_id=2); it has to be on, off, "
    assert _messages(report) == [f"{said}offline or unknown."]

    env = {"TRIGGER_WORKER_DATABASE_URL": database}
    ended = trigger_worker("migrate", env=env)
    assert ended.status == 0
    assert ended.stdout == (
        "The database is at 0003; the newest is 0003.\n"
        f"{said}offline or unknown.\n"
        "`trigger-worker platform check` reads every row.\n"
    )


def test_a_worker_says_at_its_start_what_the_first_rows_say(
    database: str, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    _fill(database)
    sql.execute(database, CHECKED)
    sql.execute(database, "update awp_server set state = 'Asleep' where id = 2")
    worker = Worker(Settings(database_url=SecretStr(database)))
    with caplog.at_level(logging.WARNING):
        worker._say_what_views_say(session)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "action=platform_problem fault=unknown_value view=preflight_server column=state rows=1 "
        "reason=\"preflight_server.state is 'Asleep' in 1 row (server_id=2); it has to be on, off, "
        'offline or unknown."'
    )


def test_a_view_that_takes_too_long_keeps_no_worker_from_starting(
    database: str,
    session: Session,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _fill(database)
    monkeypatch.setattr(bootstrap, "_VIEWS_MS", 300)
    sql.execute(
        database,
        """
        create or replace view preflight_server as
        select id as server_id, name, ip, state from awp_server, pg_sleep(30)
        """,
    )
    with caplog.at_level(logging.WARNING):
        Worker(Settings(database_url=SecretStr(database)))._say_what_views_say(session)
    assert "action=platform_not_checked" in caplog.text


def test_a_view_of_jobs_that_cannot_be_written_is_told_by_the_check_and_ends_a_worker_at_its_start(
    database: str, session: Session
) -> None:
    sql.execute(
        database,
        """
        alter table awp_automcation_job rename to timer;
        create view awp_automcation_job as select id, trigger_status + 0 as trigger_status,
            trigger_message, last_execution_id,
            last_scheduled_at at time zone 'UTC' at time zone 'UTC' as last_scheduled_at,
            failing_since, consecutive_failures from timer;
        """,
    )
    said = [
        (
            f"The column {column} of the view awp_automcation_job cannot be updated, and the "
            "worker writes it."
        )
        for column in ("last_scheduled_at", "trigger_status")
    ]
    remedy = (
        "Write it as a plain column, or give the view an INSTEAD OF UPDATE trigger "
        "(docs/platform.md)."
    )
    assert _messages(check(session.snapshot)) == [f"{each} {remedy}" for each in said]
    with session.snapshot() as connection, pytest.raises(FatalError) as stopped:
        check_structure(connection)
    assert str(stopped.value) == (
        f"{said[0]} {remedy} {said[1]} {remedy} `trigger-worker platform check` says more."
    )


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (
            "number::bigint as id, failing_since",
            'cannot be read (22P02): invalid input syntax for type bigint: "T3".',
        ),
        (
            "id, case number when 'T3' then concat(number)::timestamptz end as failing_since",
            (
                "raises (22007: invalid input syntax for type timestamp with time zone: "
                '"T3") for id=3.'
            ),
        ),
    ],
    ids=["an id", "a column"],
)
def test_a_row_for_which_the_view_of_jobs_raises_is_named(
    database: str, session: Session, shown: str, said: str
) -> None:
    """No job shows its records meanwhile, whichever row it is."""
    _fill(database)
    sql.execute(
        database,
        f"""
        alter table awp_automcation_job rename to timer;
        alter table timer add column number text;
        update timer set number = case when id = 3 then 'T3' else id::text end;
        create view awp_automcation_job as select {shown}, trigger_status, trigger_message,
            last_execution_id, last_scheduled_at, consecutive_failures from timer;
        create function written() returns trigger language plpgsql as 'begin return new; end';
        create trigger written instead of update on awp_automcation_job
            for each row execute function written();
        """,
    )
    assert _messages(check(session.snapshot)) == [f"The view awp_automcation_job {said}"]


def test_a_flag_that_the_console_would_write_as_a_text_is_a_note(
    database: str, session: Session
) -> None:
    sql.execute(
        database,
        """
        drop view console_job_write;
        create view console_job_write as select id as job_id, name, schedule, timezone,
            case when enabled then 'Y' else 'N' end::char(1) as enabled, paramter, version
        from awp_automcation_job;
        create function written() returns trigger language plpgsql as 'begin return new; end';
        create trigger written instead of update on console_job_write
            for each row execute function written();
        """,
    )
    assert [note.message for note in check(session.snapshot).notes if note.column] == [
        (
            "The column console_job_write.enabled is of type character(1): the console writes 1 "
            "or 0 to it. Make it a boolean or a number in the view, whose trigger writes your word."
        )
    ]


def test_a_role_that_is_none_is_named(database: str, session: Session) -> None:
    sql.execute(
        database,
        """
        create or replace view console_member as
            select * from (values ('li', 1::bigint, null::bigint, 'Admin'), ('wu', 2, null, null),
                ('he', 3, 1, 'root')) as v (login, user_id, group_id, role);
        """,
    )
    assert _messages(check(session.snapshot)) == [
        (
            "console_member.role is 'root' in 1 row (user_id=3, login=he); it has to be viewer, "
            "operator or admin."
        )
    ]


@pytest.mark.parametrize("rest", ["", " group by id"], ids=["some columns", "nothing"])
def test_what_an_edit_cannot_save_is_a_note(database: str, session: Session, rest: str) -> None:
    sql.execute(
        database,
        f"""
        drop view console_job_write;
        create view console_job_write as select id as job_id, name, schedule,
            coalesce(timezone, 'UTC') as timezone, enabled::int as enabled, paramter, version
        from awp_automcation_job{rest};
        """,
    )
    report = check(session.snapshot)
    assert report.problems == []
    columns = ["timezone", "enabled"]
    if rest:
        columns = ["name", "schedule", "timezone", "enabled", "paramter"]
    assert [note.message for note in report.notes] == [
        (
            f"The column {column} of the view console_job_write cannot be updated, so the console "
            "cannot save it. Give the view an INSTEAD OF UPDATE trigger (docs/platform.md)."
        )
        for column in columns
    ]
