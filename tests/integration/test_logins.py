"""What each login may run, and what is said to one that may not."""

from __future__ import annotations

import pytest

from tests.support import sql
from tests.support.command import trigger_worker

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


@pytest.mark.parametrize(
    ("role", "commands"),
    [
        ("trigger_worker", ["preflight 1", "dlq list", "jobs reproject", "audit --offline"]),
        ("trigger_reader", ["failures", "preflight 1", "dlq list", "audit --offline"]),
    ],
)
def test_what_a_login_may_run(roles: dict[str, str], role: str, commands: list[str]) -> None:
    env = {"TRIGGER_WORKER_DATABASE_URL": roles[role]}
    ended = [trigger_worker(*command.split(), env=env) for command in commands]
    assert {each.status for each in ended} <= {0, 1}
    assert [each.stderr for each in ended] == [""] * len(commands)
