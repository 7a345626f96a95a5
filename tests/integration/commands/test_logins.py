"""What each login may run, and what is said to one that may not."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.write import reprojections
from tests.support import sql
from tests.support.command import trigger_worker
from tests.support.worker import environment

DENIED = "trigger-worker: The database cannot serve this process (42501): permission denied for "
READER = "Run it as a login in the role trigger_reader or trigger_console"
OTHERS = (
    ("trigger_worker", "failures", f"view console_job. {READER}"),
    ("trigger_worker", "history 1", f"view console_job. {READER}"),
    ("trigger_worker", "show 1", f"view console_job. {READER}"),
    (
        "trigger_worker",
        "retain --older-than 90d --yes",
        "table awp_job_execution. Run it as the owner of the tables",
    ),
    (
        "trigger_reader",
        "jobs reproject",
        "table awp_automcation_job. Run it as a login in the role trigger_worker",
    ),
)


def test_a_login_that_may_not_run_a_command_is_told_who_may(
    database: str, roles: dict[str, str]
) -> None:
    sql.execute(
        database, "insert into awp_automcation_job (name, job_type) values ('nightly', 'action')"
    )
    said = []
    for role, command, _ in OTHERS:
        env = {"TRIGGER_WORKER_DATABASE_URL": roles[role]}
        ended = trigger_worker(*command.split(), env=env)
        said.append((ended.status, ended.stderr))
    assert said == [
        (1, f"{DENIED}{words}; deploy/sql/roles.sql says what each role may.\n")
        for _, _, words in OTHERS
    ]


def test_a_view_that_lost_its_grants_is_said_to_whoever_had_them(
    database: str, roles: dict[str, str]
) -> None:
    sql.execute(
        database,
        """
        insert into awp_automcation_job (name, job_type) values ('nightly', 'action');
        revoke select on preflight_job from trigger_reader, trigger_console, trigger_worker;
        """,
    )
    ended = trigger_worker(
        "preflight", "1", env={"TRIGGER_WORKER_DATABASE_URL": roles["trigger_reader"]}
    )
    assert (ended.status, ended.stderr) == (1, "")
    assert ended.stdout == (
        "job 1: could not check. The view preflight_job cannot be read (42501): permission denied "
        "for view preflight_job. Run it as a login in one of the roles trigger_reader, "
        "trigger_console and trigger_worker; deploy/sql/roles.sql says what each role may. If it "
        "is one, run deploy/sql/roles.sql again: a view that was dropped and made again has lost "
        "its grants.\n"
    )


def test_a_worker_with_another_login_is_told_which_it_needs(roles: dict[str, str]) -> None:
    engine = make_engine(Settings(database_url=SecretStr(roles["trigger_reader"])))
    session = Session(engine)
    with pytest.raises(FatalError) as stopped, session.transaction() as connection:
        reprojections.page(connection, 0, 1)
    session.close()
    engine.dispose()
    assert str(stopped.value) == (
        "The database cannot serve this process (42501): permission denied for table "
        "awp_job_reprojection. The worker needs a login in the role trigger_worker, the console "
        "one in trigger_console. If it is one, run deploy/sql/roles.sql again: tables that were "
        "made since lack its grants."
    )


ANY = ["preflight 1", "dlq list", "dlq show 1", "dlq show 1 --json", "audit --offline"]
READING = ["failures", "history 1", "show 1"]
LETTER = """
    insert into awp_automcation_job (name, job_type) values ('nightly', 'action');
    insert into awp_trigger_ledger (topic, topic_id, "partition", last_offset, deliveries,
        dead_letters) values ('awp.job.triggers.v1', 'an-id', 0, 0, 1, 1);
    insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, value, replayed_at)
    values (1, 0, 'no JSON', '\\x90', 'job 17, please', now());
"""


@pytest.mark.parametrize(
    ("role", "commands"),
    [
        ("trigger_worker", [*ANY, "jobs reproject"]),
        ("trigger_console", [*ANY, *READING, "platform check"]),
        ("trigger_reader", [*ANY, *READING]),
    ],
)
def test_what_a_login_may_run(
    database: str, roles: dict[str, str], role: str, commands: list[str]
) -> None:
    sql.execute(database, LETTER)
    env = {"TRIGGER_WORKER_DATABASE_URL": roles[role]}
    ended = [trigger_worker(*command.split(), env=env) for command in commands]
    assert {each.status for each in ended} <= {0, 1}
    assert [each.stderr for each in ended] == [""] * len(commands)


def test_who_may_not_read_nonces_sees_a_letter_whole_and_is_told_who_sees_its_replay(
    database: str, roles: dict[str, str]
) -> None:
    sql.execute(database, LETTER)
    reader = {"TRIGGER_WORKER_DATABASE_URL": roles["trigger_reader"]}

    told = trigger_worker("dlq", "show", "1", "--json", env=reader).json
    shown = trigger_worker("dlq", "show", "1", env=reader).stdout

    assert (told["value"], told["reason"]) == ({"text": "job 17, please"}, "no JSON")
    assert (told["replay_record"], told["replay_record_is_known"]) == (None, False)
    told = "what became of it is told to a login in the role trigger_console or trigger_worker\n"
    assert told in shown
    console = {"TRIGGER_WORKER_DATABASE_URL": roles["trigger_console"]}
    told = trigger_worker("dlq", "show", "1", "--json", env=console).json
    assert (told["replay_record"], told["replay_record_is_known"]) == (None, True)


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_deep_audit_is_for_logins_that_may_know_what_was_replayed(
    settings: Settings, roles: dict[str, str]
) -> None:
    ended = {
        role: trigger_worker(
            "audit",
            "--deep",
            "--json",
            env=environment(settings) | {"TRIGGER_WORKER_DATABASE_URL": address},
        )
        for role, address in roles.items()
    }
    assert {role: each.status for role, each in ended.items()} == {
        "trigger_worker": 0,
        "trigger_console": 0,
        "trigger_reader": 1,
    }, ended
    assert ended["trigger_reader"].stderr == (
        f"{DENIED}table awp_trigger_database. Run it as a login in the role trigger_console or "
        "trigger_worker; deploy/sql/roles.sql says what each role may.\n"
    )


def test_accepting_is_for_the_worker_s_login(roles: dict[str, str]) -> None:
    accepting = ("--acknowledge", "letters", "--reason", "seen")
    for role, status in (("trigger_console", 1), ("trigger_worker", 0)):
        env = {"TRIGGER_WORKER_DATABASE_URL": roles[role]}
        ended = trigger_worker("audit", "--offline", *accepting, env=env)
        assert ended.status == status, ended
        if status:
            assert ended.stderr == (
                f"{DENIED}table awp_acknowledgement. Run it as a login in the role "
                "trigger_worker; deploy/sql/roles.sql says what each role may.\n"
            )
