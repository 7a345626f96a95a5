"""Preflight on a real inventory: what it reads, what it finds, and what its command says."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from job_trigger_worker.domain.inventory import ServerState
from job_trigger_worker.domain.messages import as_json, summary
from job_trigger_worker.domain.trigger import Origin, Trigger, TriggerKind
from job_trigger_worker.domain.verdict import Target, Verdict
from job_trigger_worker.preflight.facts import Facts, facts_in
from job_trigger_worker.preflight.runner import judge
from tests.support.command import trigger_worker
from tests.support.platform import Platform
from tests.support.platform_types import redefine
from tests.support.postgres import PostgresServer
from tests.support.statements import saying


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = create_engine(database, poolclass=NullPool)
    yield engine
    engine.dispose()


@contextmanager
def platform(engine: Engine) -> Iterator[Platform]:
    with engine.begin() as connection:
        yield Platform(connection)


def facts_of(engine: Engine, job_ids: Iterable[int]) -> Facts:
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with reading.connect() as connection, connection.begin():
        return facts_in(connection, set(job_ids))


def verdict(engine: Engine, job_id: int, late_s: float = 0) -> Verdict:
    now = datetime.now(UTC)
    slot = now - timedelta(seconds=late_s)
    key = str(UUID(int=1))
    trigger = Trigger(job_id, key, key, TriggerKind.SCHEDULE, slot, now, None, Origin(1, 0))
    (judged,) = judge([trigger], facts_of(engine, [job_id]), now, 3600)
    return judged


def codes(engine: Engine, job_id: int, late_s: float = 0) -> list[str]:
    return [finding.code.value for finding in verdict(engine, job_id, late_s).findings]


def test_healthy_jobs_of_both_types_pass(engine: Engine) -> None:
    with platform(engine) as p:
        target = p.target("web-12", "10.0.1.12")
        jobs = [p.action_job([target]), p.workflow_job({"copy": [target]})]
    assert [codes(engine, job_id) for job_id in jobs] == [[], []]
    assert verdict(engine, jobs[0]).targets == (Target(target[0], "10.0.1.12", "deploy", 1),)
    assert verdict(engine, jobs[1]).targets == (
        Target(target[0], "10.0.1.12", "deploy", 1, "copy", 1),
    )


def test_every_code_is_found_on_a_real_inventory(engine: Engine) -> None:
    with platform(engine) as p:
        off, offline = p.server("db-07", state="off"), p.server("db-08", state="offline")
        on = p.server("db-09")
        locked = p.account(on, "locked", enabled=False)
        without = p.account(on, "without", credential_id=None)
        gone = p.account(on, "gone", credential_id=999)
        spoilt = p.account(on, "spoilt", credential_id=p.credential(usable=False))
        leaver, stranger = p.user("leaver", enabled=False), p.user("stranger")
        action = p.action("Clean up")
        p.grant("action", action, user=leaver)
        jobs = {
            p.action_job(enabled=False): ["job_disabled"],
            p.action_job(target_id=999): ["automation_not_found"],
            p.action_job(target_id=p.action("Old", enabled=False)): ["automation_not_found"],
            p.workflow_job(target_id=None): ["automation_not_found"],
            p.job("script", parameter={}): ["inventory_invalid"],
            p.job(parameter=None): ["parameter_invalid"],
            p.job(parameter="null"): ["parameter_invalid"],
            p.job(parameter=[1]): ["parameter_invalid"],
            p.job(parameter={"servers": [{"server_id": "x", "account": "a"}]}): [
                "parameter_invalid"
            ],
            p.action_job([]): ["no_targets"],
            p.workflow_job({"1": []}): ["no_targets"],
            p.action_job([(999, "deploy")]): ["server_not_found"],
            p.action_job([p.account(off)]): ["server_powered_off"],
            p.action_job([p.account(offline)]): ["server_offline"],
            p.action_job([(on, "nobody")]): ["account_not_found"],
            p.action_job([locked]): ["account_not_found"],
            p.action_job([without]): ["credential_not_found"],
            p.action_job([gone]): ["credential_not_found"],
            p.action_job([spoilt]): ["credential_not_found"],
            p.action_job(owner_id=None): ["owner_not_found"],
            p.action_job(owner_id=999): ["owner_not_found"],
            p.action_job(owner_id=leaver, target_id=action): ["owner_disabled"],
            p.action_job(owner_id=stranger, target_id=action): ["permission_denied"],
        }
        late = p.action_job(max_lateness_s=60)
    assert {job_id: codes(engine, job_id) for job_id in jobs} == jobs
    assert codes(engine, late, late_s=59) == []
    assert codes(engine, late, late_s=61) == ["expired"]
    assert codes(engine, 12345) == ["job_not_found"]


def test_permission_through_a_group_that_is_granted(engine: Engine) -> None:
    with platform(engine) as p:
        group, action = p.group(), p.action("Clean up")
        owner = p.user("li.wei", groups=[p.group("others"), group])
        job_id = p.action_job(owner_id=owner, target_id=action)
    assert codes(engine, job_id) == ["permission_denied"]
    with platform(engine) as p:
        p.grant("action", action, group=group)
    assert codes(engine, job_id) == []


def test_automation_admins_may_use_what_is_created(engine: Engine) -> None:
    with platform(engine) as p:
        admins = text("select id from awp_user_group where name = 'AutomationAdmins'")
        owner = p.user("admin", groups=[p.connection.execute(admins).scalar_one()])
        job_id = p.workflow_job(owner_id=owner, target_id=p.workflow("New"))
    assert codes(engine, job_id) == []


@pytest.mark.parametrize("count", [1, 100, 1000])
def test_a_batch_of_any_size_is_read_with_seven_statements(engine: Engine, count: int) -> None:
    with platform(engine) as p:
        jobs = [p.action_job() if n % 2 else p.workflow_job() for n in range(count)]
    statements: list[str] = []
    with saying(engine, statements.append):
        facts = facts_of(engine, jobs)
    assert len(facts.jobs) == count
    assert len(statements) == 7


def test_five_hundred_dead_servers_are_all_found_and_told_in_a_thousand_characters(
    engine: Engine,
) -> None:
    with platform(engine) as p:
        targets = [p.account(p.server(f"𠮷-{n}👩‍👩‍👧", state="off"), "财务𠮷") for n in range(500)]
        job_id = p.action_job(targets)
    findings = verdict(engine, job_id).findings
    stored = orjson.dumps([as_json(finding, "zh") for finding in findings]).decode()
    message = summary(findings, "zh")
    assert len(findings) == 500
    assert len(message) <= 1000
    assert message.startswith("服务器 1（10.0.0.7，𠮷-0👩‍👩‍👧）已关机。服务器 2（")
    with engine.begin() as connection:
        written = text(
            "insert into awp_job_execution (job_id, trigger_message, findings)"
            " values (1, :message, cast(:findings as jsonb))"
            " returning trigger_message, jsonb_array_length(findings), findings -> 499"
        )
        row = connection.execute(written, {"message": message, "findings": stored}).one()
    assert row[:2] == (message, 500)
    assert row[2]["message"] == "服务器 500（10.0.0.7，𠮷-499👩‍👩‍👧）已关机。"


def test_a_batch_sees_one_moment_of_the_inventory(engine: Engine) -> None:
    with platform(engine) as p:
        target = p.target()
        job_id = p.action_job([target])
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def remove(statement: str) -> None:
        if "preflight_account" in statement:
            with engine.begin() as other:
                other.execute(text("delete from awp_server_account"))
                other.execute(text("delete from awp_server"))

    with saying(reading, remove), reading.connect() as connection, connection.begin():
        facts = facts_in(connection, [job_id])
    assert set(facts.accounts) == {target}
    assert codes(engine, job_id) == ["server_not_found"]


VIEWS_OF_ANOTHER_PLATFORM = """
    create table tasks (no text primary key, title varchar(40), sort text, ref text, who text,
        live int, args json, late numeric);
    create table hosts (no int, label varchar(40), address inet, power text);
    create table logins (host int, login varchar(40), live text, secret text);
    insert into tasks values ('17', 'log-backup', 'action', '9', '5', 1,
        '{"servers": [{"server_id": "7", "account": "deploy"}]}', 60);
    insert into hosts values (7, 'db-07', '10.0.0.7', 'hibernating');
    insert into logins values (7, 'deploy', 'yes', '3');
    drop view console_job, console_job_group, console_job_target, console_job_write,
        preflight_job, preflight_server, preflight_account, preflight_credential, preflight_owner,
        preflight_automation, preflight_grant;
    create view preflight_job as select no::bigint as job_id, title as name, sort as job_type,
        ref::int as target_id, who::smallint as owner_id, live as enabled, args as paramter,
        late as max_lateness_s, null as version from tasks;
    create view preflight_server as select no as server_id, label as name, address as ip,
        case power when 'hibernating' then 'Unknown' end as state from hosts;
    create view preflight_account as select host as server_id, login as account, live as enabled,
        secret as credential_id from logins;
    create view preflight_credential as select 3::smallint as credential_id, null as kind,
        true as usable;
    create view preflight_owner as select 5 as owner_id, 'wang.fang'::varchar as name,
        'on' as enabled, '{70,71}'::text as group_ids;
    create view preflight_automation as select 'action'::varchar as job_type, 9::int as target_id,
        'Rotate logs' as name, 1 as enabled;
    create view preflight_grant as select 'group'::varchar as principal_kind,
        71::smallint as principal_id, 'action'::varchar as job_type, 9::int as target_id;
"""


def test_a_platform_of_other_names_and_types_is_read_through_its_views(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(VIEWS_OF_ANOTHER_PLATFORM)
    facts = facts_of(engine, [17])
    assert verdict(engine, 17).targets == (Target(7, "10.0.0.7", "deploy", 3),)
    assert codes(engine, 17) == []
    assert codes(engine, 17, late_s=61) == ["expired"]
    assert facts.jobs[17].version == 0
    assert facts.servers[7].state is ServerState.UNKNOWN
    assert facts.owners[5].group_ids == (70, 71)


def test_the_command_says_what_would_happen_and_changes_nothing(
    engine: Engine, database: str
) -> None:
    with platform(engine) as p:
        healthy = p.action_job([p.target("web-12", "10.0.1.12")], name="每日对账")
        dead = p.account(p.server("db-07", state="off"), "deploy")
        broken = p.workflow_job({"1": [(99, "deploy")], "2": [dead]})
    before = _tables(engine)
    env = {"TRIGGER_WORKER_DATABASE_URL": database}

    ended = trigger_worker("preflight", str(healthy), env=env)
    assert (ended.status, ended.stdout) == (
        0,
        (
            f"job {healthy} 每日对账 (action): passed\n"
            "  server 1 (10.0.1.12) as deploy, credential 1\n"
        ),
    )

    ended = trigger_worker("preflight", str(healthy), str(broken), "99", env=env)
    assert (ended.status, ended.stdout) == (
        1,
        (
            f"job {healthy} 每日对账 (action): passed\n"
            "  server 1 (10.0.1.12) as deploy, credential 1\n"
            f"job {broken} log-backup (workflow): failed\n"
            "  Node 1: Server 99 (10.0.0.7) does not exist. Edit the job and choose another"
            " server.\n"
            "  Node 2: Server 2 (10.0.0.7, db-07) is powered off. Power the server on, or choose"
            " another one.\n"
            "job 99: failed\n"
            "  Job 99 does not exist. Remove the job from the scheduler, or restore it.\n"
        ),
    )
    assert _tables(engine) == before


def test_the_command_puts_nothing_in_brackets_where_the_type_is_not_known(
    engine: Engine, database: str
) -> None:
    with platform(engine) as p:
        job_id = p.action_job(name="Empty targets")
    redefine(database, "preflight_job", {"job_type": "null::text"})
    env = {"TRIGGER_WORKER_DATABASE_URL": database}
    ended = trigger_worker("preflight", str(job_id), env=env)
    assert ended.stdout.splitlines()[0] == f"job {job_id} Empty targets: failed"


def test_the_command_puts_no_blank_between_chinese_sentences(engine: Engine, database: str) -> None:
    with platform(engine) as p:
        job_id = p.action_job([p.account(p.server("db-07", state="off"), "deploy")])
    env = {"TRIGGER_WORKER_DATABASE_URL": database, "TRIGGER_WORKER_MESSAGE_LANGUAGE": "zh"}
    ended = trigger_worker("preflight", str(job_id), env=env)
    assert ended.stdout == (
        f"job {job_id} log-backup (action): failed\n"
        "  服务器 1（10.0.0.7，db-07）已关机。请将服务器开机，或选择其他服务器。\n"
    )


def test_the_command_says_the_same_to_a_program(engine: Engine, database: str) -> None:
    with platform(engine) as p:
        job_id = p.action_job([p.account(p.server("db-07", state="off"), "deploy")], id=17)
    env = {"TRIGGER_WORKER_DATABASE_URL": database, "TRIGGER_WORKER_MESSAGE_LANGUAGE": "zh"}
    ended = trigger_worker("preflight", str(job_id), str(job_id), "--json", env=env)
    assert ended.status == 1
    assert {name: ended.json[name] for name in ("passed", "failed", "unknown", "problem")} == {
        "passed": 0,
        "failed": 1,
        "unknown": 0,
        "problem": None,
    }
    assert ended.json["jobs"] == [
        {
            "job_id": "17",
            "job_name": "log-backup",
            "job_type": "action",
            "owner_name": "wang.fang",
            "verdict": "failed",
            "targets": [
                {
                    "server_id": "1",
                    "ip": "10.0.0.7",
                    "account": "deploy",
                    "credential_id": "1",
                    "node_id": None,
                    "action_id": None,
                }
            ],
            "findings": [
                {
                    "code": "server_powered_off",
                    "message": "服务器 1（10.0.0.7，db-07）已关机。",
                    "server_id": "1",
                    "ip": "10.0.0.7",
                    "server_name": "db-07",
                    "cause": "server_powered_off:server=1",
                    "remedy": "请将服务器开机，或选择其他服务器。",
                }
            ],
        }
    ]


def test_the_command_judges_a_slot_by_its_lateness(engine: Engine, database: str) -> None:
    with platform(engine) as p:
        job_id = p.action_job()
    env = {"TRIGGER_WORKER_DATABASE_URL": database}
    slot = "2026-01-02T03:00:00+08:00"
    ended = trigger_worker("preflight", str(job_id), "--at", slot, "--json", env=env)
    (finding,) = ended.json["jobs"][0]["findings"]
    assert ended.status == 1
    assert finding["code"] == "expired"
    assert finding["scheduled_at"] == "2026-01-01T19:00:00.000000Z"


def test_a_view_that_raises_is_could_not_check_and_no_verdict(
    engine: Engine, database: str
) -> None:
    with platform(engine) as p:
        job_id = p.action_job()
        p.connection.exec_driver_sql(
            "create or replace view preflight_server as select id as server_id, name, ip,"
            " case when 1 / (id - id) = 1 then state else state end as state from awp_server"
        )
    env = {"TRIGGER_WORKER_DATABASE_URL": database}
    ended = trigger_worker("preflight", str(job_id), env=env)
    assert ended.status == 1
    words = "could not check. The view preflight_server cannot be read (22012): "
    assert ended.stdout.startswith(f"job {job_id}: {words}")
    ended = trigger_worker("preflight", str(job_id), "--json", env=env)
    assert (ended.status, ended.json["unknown"], ended.json["failed"]) == (1, 1, 0)
    assert ended.json["jobs"] == [{"job_id": str(job_id), "verdict": "unknown"}]


def test_a_database_that_is_away_is_could_not_check(postgres: PostgresServer) -> None:
    away = make_url(postgres.admin_url).set(host="127.0.0.1", port=1, query={})
    url = away.render_as_string(hide_password=False)
    began = time.monotonic()
    ended = trigger_worker("preflight", "17", env={"TRIGGER_WORKER_DATABASE_URL": url})
    assert ended.status == 1
    assert ended.stdout.startswith("job 17: could not check. ")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "arguments",
    [[], ["0"], ["-1"], ["x"], ["9223372036854775808"], ["17", "--at", "2026-01-02T03:00:00"]],
)
def test_the_command_refuses_what_cannot_be(arguments: list[str]) -> None:
    ended = trigger_worker("preflight", *arguments)
    assert ended.status == 2
    assert ended.stdout == ""


def _tables(engine: Engine) -> list[Any]:
    """Of each table its rows and its newest transaction: another after any write."""
    with engine.connect() as connection:
        names = text("select tablename from pg_tables where schemaname = 'public' order by 1")
        newest = "select count(*), max(cast(cast(xmin as text) as bigint)) from "
        return [
            (name, *connection.execute(text(newest + name)).one())
            for name in connection.execute(names).scalars().all()
        ]
