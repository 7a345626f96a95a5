"""What the roles may do with the views: lost with a view that is made again, and with a trigger."""

import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.platform.check import check, check_structure
from job_trigger_worker.storage.platform.report import Finding
from tests.integration.conftest import ROOT
from tests.support import sql
from tests.support.brokerless import feeding
from tests.support.command import trigger_worker
from tests.support.history import writing
from tests.support.platform_types import redefine

NEEDED = (
    "awp_automcation_job",
    "preflight_account",
    "preflight_automation",
    "preflight_credential",
    "preflight_grant",
    "preflight_job",
    "preflight_owner",
    "preflight_server",
)
SHOWN = (
    "console_execution",
    "console_job",
    "console_job_group",
    "console_job_target",
    "console_member",
)
AGAIN = "Run deploy/sql/roles.sql again."
LOST = "a view that was dropped and made again has lost its grants. Run deploy/sql/roles.sql again."
ALL = "The roles trigger_console, trigger_reader and trigger_worker"
BOTH = "The roles trigger_console and trigger_reader"


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    opened = Session(make_engine(Settings(database_url=SecretStr(database))))
    yield opened
    opened.close()


def messages(findings: list[Finding]) -> list[str]:
    return [each.message for each in findings]


def grant(database: str) -> None:
    sql.execute(database, (ROOT / "deploy/sql/roles.sql").read_text())


def test_a_view_that_was_made_again_has_lost_its_grants(
    database: str, roles: dict[str, str]
) -> None:
    redefine(database, "preflight_job", {})
    env = {"TRIGGER_WORKER_DATABASE_URL": database}
    ended = trigger_worker("platform", "check", env=env)
    assert (ended.status, ended.stdout.splitlines()[0]) == (
        1,
        f"{ALL} may not read preflight_job: {LOST}",
    )

    worker = Session(make_engine(Settings(database_url=SecretStr(roles["trigger_worker"]))))
    with worker.snapshot() as connection, pytest.raises(FatalError) as stopped:
        check_structure(connection)
    worker.close()
    assert stopped.value.message.endswith(
        "may not read the view preflight_job, so it was not looked at. deploy/sql/roles.sql says "
        "who may: run it again where the view was dropped and made again, which loses its grants."
    )

    grant(database)
    assert trigger_worker("platform", "check", env=env).status == 0


def test_all_that_roles_sql_grants_on_views_is_looked_at(
    database: str, roles: dict[str, str], session: Session
) -> None:
    assert roles
    report = check(session.snapshot)
    assert (report.problems, report.notes) == ([], [])
    sql.execute(
        database,
        f"revoke all on {', '.join((*NEEDED, *SHOWN, 'console_job_write'))} "
        "from trigger_worker, trigger_console, trigger_reader",
    )
    report = check(session.snapshot)
    jobs, *views = NEEDED
    assert messages(report.problems) == [
        f"{ALL} may not read {jobs}. {AGAIN}",  # a table here
        *(f"{ALL} may not read {view}: {LOST}" for view in views),
    ]
    lost = [f"{BOTH} may not read {view}: {LOST}" for view in SHOWN]
    lost.insert(4, f"The role trigger_console may not read console_job_write: {LOST}")
    assert messages(report.notes)[: len(lost)] == lost

    grant(database)
    sql.execute(
        database,
        "revoke update on console_job_write from trigger_console; "
        "revoke update on awp_automcation_job from trigger_worker",
    )
    report = check(session.snapshot)
    assert messages(report.problems) == [
        f"The role trigger_worker may not update awp_automcation_job. {AGAIN}"
    ]
    assert f"The role trigger_console may not update console_job_write: {LOST}" in messages(
        report.notes
    )


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("insert on awp_job_execution", "insert into awp_job_execution"),
        ("select on awp_trigger_outbox", "read awp_trigger_outbox"),
        ("delete on awp_trigger_outbox", "delete from awp_trigger_outbox"),
        ("insert, update on awp_action_execution", "insert into awp_action_execution"),
        ("select on awp_trigger_ledger", "read awp_trigger_ledger"),
        ("select on awp_trigger_note", "read awp_trigger_note"),
        ("delete on awp_unknown_execution", "delete from awp_unknown_execution"),
    ],
)
def test_what_the_worker_may_not_do_with_its_tables_is_named(
    database: str, roles: dict[str, str], session: Session, lost: str, said: str
) -> None:
    assert roles
    sql.execute(database, f"revoke {lost} from trigger_worker")
    if "update" in lost:  # granted by column
        sql.execute(
            database,
            "revoke update (status, message, accepted_at, started_at, ended_at) "
            "on awp_action_execution from trigger_worker",
        )
    assert messages(check(session.snapshot).problems) == [
        f"The role trigger_worker may not {said}. {AGAIN}"
    ]


def test_each_role_is_told_what_it_lacks_itself(
    database: str, roles: dict[str, str], session: Session
) -> None:
    assert roles
    sql.execute(
        database,
        "revoke insert on awp_console_change from trigger_console; "
        "revoke select on preflight_job from trigger_reader; "
        "revoke insert on awp_dead_letter from trigger_worker; "
        "revoke update (replayed_at) on awp_dead_letter from trigger_console",
    )
    report = check(session.snapshot)
    assert messages(report.problems) == [
        f"The role trigger_worker may not insert into awp_dead_letter. {AGAIN}"
    ]
    assert messages(report.notes) == [
        f"The role trigger_console may not insert into awp_console_change. {AGAIN}",
        f"The role trigger_console may not update awp_dead_letter. {AGAIN}",
        f"The role trigger_reader may not read preflight_job: {LOST}",
    ]


def test_a_worker_that_may_not_show_a_job_says_what_to_do(
    database: str, roles: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with writing(database) as (platform, _):
        job = platform.action_job()
    sql.execute(
        database,
        "revoke update (trigger_status, trigger_message, last_execution_id, last_scheduled_at, "
        "failing_since, consecutive_failures) on awp_automcation_job from trigger_worker",
    )
    fire(roles["trigger_worker"], job)
    assert sql.value(database, "select count(*) from awp_job_execution") == 1
    (line,) = [
        each.getMessage() for each in caplog.records if "action=not_shown" in each.getMessage()
    ]
    assert line.startswith(f"action=not_shown job_id={job} view=awp_automcation_job reason=")
    assert "permission denied for table awp_automcation_job. " in line
    assert line.rstrip('"').endswith(
        "run deploy/sql/roles.sql again: tables that were made since lack its grants."
    )


def test_where_roles_sql_was_not_run_nothing_is_lost(database: str, session: Session) -> None:
    sql.execute(
        database,
        """
        do $$ begin create role trigger_worker nologin;
        exception when duplicate_object then null; end $$
        """,
    )
    report = check(session.snapshot)
    assert (report.problems, report.notes) == ([], [])


SHOW = """
    create schema hidden;
    alter table awp_automcation_job rename to task;
    alter table task set schema hidden;
    create view awp_automcation_job as select * from hidden.task;
    create function show_outcome() returns trigger language plpgsql as $f$ begin
        update task set trigger_status = new.trigger_status, trigger_message = new.trigger_message,
            last_execution_id = new.last_execution_id, last_scheduled_at = new.last_scheduled_at,
            failing_since = new.failing_since, consecutive_failures = new.consecutive_failures
        where id = old.id;
        return new;
    end $f$;
    create trigger show_outcome instead of update on awp_automcation_job
        for each row execute function show_outcome();
"""
INVOKING = (
    "The function show_outcome() of the trigger show_outcome on awp_automcation_job is not "
    "`security definer`, and the role trigger_worker may update no table behind this view. Make "
    "it `security definer`, or grant the role what it needs."
)
REMEDY = (
    "Grant the worker's role what the view and its trigger need, as deploy/sql/roles.sql does, or "
    "make the trigger's function `security definer`."
)


def fire(login: str, job: int) -> None:
    """Have a worker with a login's rights decide one trigger of a job."""
    body = json.dumps({"job_id": job, "scheduled_at": "2025-01-06T08:00:00Z"}).encode()
    with feeding(login) as feed:
        taker = feed.taker()
        taker.write([Delivery(0, 0, None, body, (), 0)], {0: taker.take(0)})


def test_a_trigger_that_may_not_do_its_part_is_named_by_worker_and_check(
    database: str, roles: dict[str, str], session: Session
) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    sql.execute(database, SHOW)
    grant(database)

    with pytest.raises(FatalError) as stopped:
        fire(roles["trigger_worker"], job)
    assert str(stopped.value) == (
        'awp_automcation_job does not save what a job shows (42P01): relation "task" does not '
        f"exist [PL/pgSQL function show_outcome() line 2 at SQL statement]. {REMEDY}"
    )
    report = check(session.snapshot)
    assert INVOKING in messages(report.notes)
    assert report.problems == []

    sql.execute(
        database,
        "alter function show_outcome() security definer set search_path = hidden, public",
    )
    fire(roles["trigger_worker"], job)
    assert sql.rows(database, "select trigger_status from hidden.task") == [(2,)]
    assert INVOKING not in messages(check(session.snapshot).notes)

    sql.execute(
        database,
        """
        alter function show_outcome() security invoker;
        grant usage on schema hidden to trigger_worker;
        grant update (trigger_status) on hidden.task to trigger_worker;
        """,
    )
    assert INVOKING not in messages(check(session.snapshot).notes)


def test_the_edit_views_trigger_is_looked_at_too(
    database: str, roles: dict[str, str], session: Session
) -> None:
    assert roles
    sql.execute(
        database,
        """
        alter view console_job_write rename to theirs;
        create view console_job_write as select * from theirs;
        create function save_it() returns trigger language plpgsql as $f$ begin
            return new; end $f$;
        create trigger save_it instead of update on console_job_write
            for each row execute function save_it();
        """,
    )
    grant(database)
    said = (
        "The function save_it() of the trigger save_it on console_job_write is not `security "
        "definer`, and the role trigger_console may update no table behind this view. Make it "
        "`security definer`, or grant the role what it needs."
    )
    sql.execute(database, "revoke all on theirs from trigger_console")
    assert messages(check(session.snapshot).notes) == [said]
    sql.execute(database, "alter function save_it() security definer")
    assert check(session.snapshot).notes == []


def test_a_function_that_may_not_write_beside_a_record_is_named(
    database: str, roles: dict[str, str]
) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    sql.execute(
        database,
        """
        create function copy_it() returns trigger language plpgsql as $f$ begin
            insert into copies values (new.id); return new; end $f$;
        create trigger copy_it after insert on awp_job_execution
            for each row execute function copy_it();
        """,
    )
    with pytest.raises(FatalError) as stopped:
        fire(roles["trigger_worker"], job)
    assert str(stopped.value) == (
        'The database cannot serve this process (42P01): relation "copies" does not exist '
        "[PL/pgSQL function copy_it() line 2 at SQL statement]. Grant the worker's role what this "
        "function needs, or make it `security definer`."
    )
