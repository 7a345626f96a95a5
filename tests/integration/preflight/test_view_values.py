"""What a platform's views may say, in whatever types: closed sets, and nothing starts beside them.

Through the real intake on a real database, without a broker. What each trigger has to become is
written by hand.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.errors import ConnectionLost
from job_trigger_worker.storage.db.prepared_statements import PreparedStatement
from tests.support import sql
from tests.support.brokerless import BrokerlessIntake, IntakeSession, feeding
from tests.support.platform import Platform
from tests.support.platform_types import IDS, redefine
from tests.support.statements import Values, preparing, saying

FLAGS = {
    "preflight_job": "enabled",
    "preflight_account": "enabled",
    "preflight_credential": "usable",
    "preflight_owner": "enabled",
    "preflight_automation": "enabled",
}


@pytest.fixture
def feed(database: str) -> Iterator[BrokerlessIntake]:
    with feeding(database) as feed:
        yield feed


@pytest.fixture
def taker(feed: BrokerlessIntake) -> IntakeSession:
    return feed.taker()


def _deliveries(job_ids: list[int], first: int = 0) -> list[Delivery]:
    now = datetime.now(UTC).isoformat()
    return [
        Delivery(
            0,
            first + place,
            None,
            json.dumps({"job_id": str(job_id), "scheduled_at": now}).encode(),
            (),
            0,
        )
        for place, job_id in enumerate(job_ids)
    ]


def _records(
    feed: BrokerlessIntake, taker: IntakeSession, job_ids: list[int]
) -> dict[int, dict[str, Any]]:
    """Each job's record after one batch of a trigger for each."""
    taker.write(_deliveries(job_ids), {0: taker.take(0)})
    return {row["job_id"]: row for row in feed.rows("select * from awp_job_execution")}


def _codes(feed: BrokerlessIntake, taker: IntakeSession, job_ids: list[int]) -> dict[int, str]:
    records = _records(feed, taker, job_ids)
    return {job_id: row["trigger_code"] or "passed" for job_id, row in records.items()}


def _one_job_each(feed: BrokerlessIntake, count: int) -> list[tuple[int, int]]:
    """Jobs on a server of their own, with its id."""
    with feed.engine.begin() as connection:
        platform = Platform(connection)
        targets = [platform.target(f"db-{n}", f"10.0.0.{n}") for n in range(1, count + 1)]
        return [(platform.action_job([target]), target[0]) for target in targets]


STATES = [
    ("on", "passed"),
    ("On", "passed"),
    ("unknown", "passed"),
    ("OFF", "server_powered_off"),
    ("Offline", "server_offline"),
    ("Powered_Off", "inventory_invalid"),
    ("0", "inventory_invalid"),
    ("", "inventory_invalid"),
    (None, "inventory_invalid"),
]


def test_a_state_is_one_of_four_words_in_any_case_and_anything_else_starts_nothing(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    jobs = _one_job_each(feed, len(STATES))
    sql.execute(
        database,
        "alter table awp_server drop constraint awp_server_state_check, alter state drop not null",
    )
    for (_, server_id), (state, _) in zip(jobs, STATES, strict=True):
        said = "null" if state is None else f"'{state}'"
        sql.execute(database, f"update awp_server set state = {said} where id = {server_id}")

    records = _records(feed, taker, [job_id for job_id, _ in jobs])

    codes = [records[job_id]["trigger_code"] or "passed" for job_id, _ in jobs]
    assert codes == [code for _, code in STATES]
    powered_off, null = records[jobs[5][0]], records[jobs[8][0]]
    assert powered_off["trigger_message"] == (
        "Server 6 (10.0.0.6, db-6) has state 'Powered_Off' in the view preflight_server; "
        "on, off, offline or unknown is allowed."
    )
    assert powered_off["causes"] == ["inventory_invalid:view=preflight_server,server_id=6"]
    assert null["findings"] == [
        {
            "code": "inventory_invalid",
            "message": "Server 9 (10.0.0.9, db-9) has state null in the view preflight_server; "
            "on, off, offline or unknown is allowed.",
            "server_id": "9",
            "server_name": "db-9",
            "ip": "10.0.0.9",
            "reason": "server",
            "view": "preflight_server",
            "column": "state",
            "value": None,
        }
    ]


@pytest.mark.parametrize("value", ["null", "'2'", "'vielleicht'", "''"])
def test_a_flag_that_is_neither_true_nor_false_starts_nothing(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, value: str
) -> None:
    ((job_id, _),) = _one_job_each(feed, 1)
    for view, column in FLAGS.items():
        kind = "boolean" if value == "null" else "text"
        redefine(database, view, {column: f"cast({value} as {kind})"})

    record = _records(feed, taker, [job_id])[job_id]

    said = {(each["code"], each["view"], each["column"]) for each in record["findings"]}
    # The credential of an account that is not clear is not judged.
    assert said == {
        ("inventory_invalid", view, column)
        for view, column in FLAGS.items()
        if view != "preflight_credential"
    }
    assert {each["value"] for each in record["findings"]} == {
        None if value == "null" else value.strip("'")
    }


def test_a_credential_that_is_not_known_to_be_usable_starts_nothing(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    ((job_id, _),) = _one_job_each(feed, 1)
    redefine(database, "preflight_credential", {"usable": "null::boolean"})
    record = _records(feed, taker, [job_id])[job_id]
    assert record["trigger_message"] == (
        "Credential 1 of 'deploy' on db-1 has usable null in the view preflight_credential; "
        "true or false, yes or no, y or n, on or off, 1 or 0 is allowed."
    )


@pytest.mark.parametrize("kind", ["smallint", "text", "varchar(5)", "char(5)", "numeric(1)"])
def test_flags_of_any_type_are_read(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, kind: str
) -> None:
    (on, _), (off, server_id) = _one_job_each(feed, 2)
    sql.execute(
        database, f"update awp_server_account set enabled = false where server_id = {server_id}"
    )
    words = ("1", "0") if kind in {"smallint", "numeric(1)"} else ("'YES'", "'No'")
    for view, column in FLAGS.items():
        said = f"cast(case when {column} then {words[0]} else {words[1]} end as {kind})"
        redefine(database, view, {column: said})

    assert _codes(feed, taker, [on, off]) == {on: "passed", off: "account_not_found"}


def test_a_type_in_capitals_is_that_type(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    with feed.engine.begin() as connection:
        platform = Platform(connection)
        jobs = [platform.action_job(), platform.workflow_job()]
    for view in ("preflight_job", "preflight_automation", "preflight_grant"):
        redefine(database, view, {"job_type": "upper(job_type)"})
    kind = {"principal_kind": "initcap(principal_kind)"}
    redefine(database, "preflight_grant", kind)

    records = _records(feed, taker, jobs)

    assert [records[job_id]["trigger_code"] for job_id in jobs] == [None, None]
    assert [records[job_id]["job_type"] for job_id in jobs] == ["action", "workflow"]


def test_a_job_of_another_type_is_itself_to_blame(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    (bad, _), (good, _) = _one_job_each(feed, 2)
    said = f"case when job_id = {bad} then 'script' else job_type end"
    redefine(database, "preflight_job", {"job_type": said})

    records = _records(feed, taker, [bad, good])

    assert records[good]["trigger_code"] is None
    assert records[bad]["trigger_message"] == (
        f"Job {bad} (log-backup) has job_type 'script' in the view preflight_job; "
        "action or workflow is allowed."
    )
    assert records[bad]["causes"] == [f"inventory_invalid:view=preflight_job,job_id={bad}"]


def test_an_automation_or_grant_of_another_type_is_itself_to_blame(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    ((job_id, _),) = _one_job_each(feed, 1)
    redefine(database, "preflight_grant", {"principal_kind": "'role'::text"})
    assert _records(feed, taker, [job_id])[job_id]["trigger_message"] == (
        "Whether user 1 (wang.fang), the job's owner, may use action 1 (Rotate logs) is not clear: "
        "a row has principal_kind 'role' in the view preflight_grant; user or group is allowed."
    )
    feed.empty()
    redefine(database, "preflight_automation", {"job_type": "null::text"})
    assert _records(feed, feed.taker(), [job_id])[job_id]["trigger_message"] == (
        "Action 1 (Rotate logs) has job_type null in the view preflight_automation; "
        "action or workflow is allowed."
    )


@pytest.mark.parametrize("kind", ["text", "varchar(20)", "char(20)", "int", "numeric"])
def test_ids_of_any_type_are_read(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, kind: str
) -> None:
    with feed.engine.begin() as connection:
        platform = Platform(connection)
        group, action = platform.group(), platform.action("Clean up")
        owner = platform.user("li.wei", groups=[group])
        platform.grant("action", action, group=group)
        off = platform.account(platform.server("db-08", state="off"))
        jobs = {
            platform.action_job(): "passed",
            platform.workflow_job(): "passed",
            platform.action_job(owner_id=owner, target_id=action): "passed",
            platform.action_job(owner_id=owner): "permission_denied",
            platform.action_job([off]): "server_powered_off",
            platform.action_job([(99, "deploy")]): "server_not_found",
            platform.action_job(target_id=98): "automation_not_found",
            platform.action_job(owner_id=97): "owner_not_found",
            404: "job_not_found",
        }
    for view, columns in IDS.items():
        redefine(database, view, {column: f"cast({column} as {kind})" for column in columns})

    assert _codes(feed, taker, list(jobs)) == jobs


def test_an_id_that_is_none_is_named_and_costs_its_own_job(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    jobs = _one_job_each(feed, 6)
    ids = [job_id for job_id, _ in jobs]
    target, owner, credential, good, other, last = ids
    redefine(
        database,
        "preflight_job",
        {
            "job_id": "job_id::text",
            "target_id": f"case job_id when {target} then 'A9' else target_id::text end",
            "owner_id": f"case job_id when {owner} then '007' else owner_id::text end",
        },
    )
    server_id = dict(jobs)[credential]
    said = f"case server_id when {server_id} then 'V3' else credential_id::text end"
    redefine(database, "preflight_account", {"credential_id": said})

    records = _records(feed, taker, ids)

    messages = {job_id: records[job_id]["trigger_message"] for job_id in ids}
    allowed = "a whole number from 1 to 9223372036854775807 is allowed."
    assert messages == {
        target: f"Job {target} (log-backup) has target_id 'A9' in the view preflight_job; "
        + allowed,
        owner: f"Job {owner} (log-backup) has owner_id '007' in the view preflight_job; {allowed}",
        credential: "Account 'deploy' on db-3 has credential_id 'V3' in the view "
        f"preflight_account; {allowed}",
        good: None,
        other: None,
        last: None,
    }


def test_a_view_whose_types_change_under_a_worker_is_read_by_a_new_session(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    ((job_id, _),) = _one_job_each(feed, 1)
    assert _codes(feed, taker, [job_id]) == {job_id: "passed"}
    redefine(database, "preflight_server", {"server_id": "server_id::text"})
    feed.empty()

    claims = {0: taker.take(0)}
    with pytest.raises(ConnectionLost):
        taker.intake.decide(_deliveries([job_id]), claims)

    assert _codes(feed, taker, [job_id]) == {job_id: "passed"}


def test_keys_go_out_in_the_columns_own_type_so_that_an_index_serves_them(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    """On tables of 20,000 rows that keep ids as text."""
    ((job_id, _),) = _one_job_each(feed, 1)
    sql.execute(
        database,
        """
        create table login (host varchar(20), name text, live smallint, secret varchar(20));
        insert into login select id::text, 'deploy', 1, '1' from awp_server;
        insert into login select n::text, 'deploy', 1, '1' from generate_series(1000, 21000) n;
        create index on login (host, name);
        create table may (who varchar(20), what varchar(20));
        insert into may select '1', '1' union all
            select n::text, n::text from generate_series(1000, 21000) n;
        create index on may (what);
        drop view preflight_account, preflight_grant;
        create view preflight_account as select host as server_id, name as account,
            live as enabled, secret as credential_id from login;
        create view preflight_grant as select 'USER'::text as principal_kind, who as principal_id,
            'ACTION'::text as job_type, what as target_id from may;
        """,
    )
    sql.alone(database, "vacuum analyze")

    said: list[tuple[PreparedStatement, Values]] = []
    with preparing(lambda statement, values: said.append((statement, values))):
        assert _codes(feed, taker, [job_id]) == {job_id: "passed"}

    plans = ""
    for statement, values in said:
        if "preflight_account" in statement.statement or "preflight_grant" in statement.statement:
            rows = feed.rows("explain " + statement.statement, **values)
            plans += "\n".join(row["QUERY PLAN"] for row in rows)
    assert "on login" in plans
    assert "on may" in plans
    assert "Seq Scan" not in plans


def test_the_types_of_views_cost_no_statement_of_a_batch(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    jobs = [job_id for job_id, _ in _one_job_each(feed, 3)]
    for view, columns in IDS.items():
        redefine(database, view, {column: f"{column}::text" for column in columns})
    said: list[str] = []
    with saying(feed.engine, said.append):
        _codes(feed, taker, jobs)
    assert len([statement for statement in said if " preflight_" in statement]) == 7


@pytest.mark.parametrize("kind", ["int", "name", "char(20)", "numeric(3)"])
def test_an_account_of_any_type_is_compared_by_its_words(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, kind: str
) -> None:
    with feed.engine.begin() as connection:
        platform = Platform(connection)
        server = platform.server()
        jobs = [platform.action_job([platform.account(server, name)]) for name in ("7", "8")]
        jobs.append(platform.action_job([(server, "9")]))
    said = f"case when account = '9' then null else cast(account as {kind}) end"
    redefine(database, "preflight_account", {"account": said})
    expected = dict(zip(jobs, ["passed", "passed", "account_not_found"], strict=True))
    assert _codes(feed, taker, jobs) == expected


OFF = {
    "preflight_job": ("enabled", "false"),
    "preflight_server": ("state", "'off'"),
    "preflight_account": ("enabled", "false"),
    "preflight_credential": ("usable", "false"),
    "preflight_owner": ("enabled", "false"),
    "preflight_automation": ("enabled", "false"),
}
TWICE = {
    "preflight_job": "Job 2 (log-backup) has 2 rows in the view preflight_job",
    "preflight_server": "Server 2 (10.0.0.2, db-2) has 2 rows in the view preflight_server",
    "preflight_account": "Account 'deploy' on db-2 has 2 rows in the view preflight_account",
    "preflight_credential": (
        "Credential 1 of 'deploy' on db-2 has 2 rows in the view preflight_credential"
    ),
    "preflight_owner": (
        "User 1 (wang.fang), the job's owner, has 2 rows in the view preflight_owner"
    ),
    "preflight_automation": "Action 1 (Rotate logs) has 2 rows in the view preflight_automation",
}
ROOTS = {
    "preflight_job": "job_id=2",
    "preflight_server": "server_id=2",
    "preflight_account": "server_id=2,account=deploy",
    "preflight_credential": "credential_id=1",
    "preflight_owner": "owner_id=1",
    "preflight_automation": "action=1",
}


@pytest.mark.parametrize("is_off_first", [True, False], ids=["off then on", "on then off"])
@pytest.mark.parametrize("view", OFF)
def test_a_key_that_several_rows_have_starts_nothing(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, view: str, is_off_first: bool
) -> None:
    """Whatever they say and in whatever order, and it costs the jobs that need such a row alone."""
    jobs = [job_id for job_id, _ in _one_job_each(feed, 3)]
    _say_twice(database, view, is_off_first=is_off_first)

    records = _records(feed, taker, jobs)

    record = records[2]
    (finding,) = record["findings"]
    assert record["trigger_code"] == "inventory_invalid"
    assert record["trigger_message"] == f"{TWICE[view]}; one row is allowed."
    assert record["causes"] == [f"inventory_invalid:view={view},{ROOTS[view]}"]
    assert (finding["view"], finding["column"], finding["value"]) == (view, "rows", "2")
    is_shared = view in {"preflight_credential", "preflight_owner", "preflight_automation"}
    others = {records[job_id]["trigger_code"] for job_id in (1, 3)}
    assert others == ({"inventory_invalid"} if is_shared else {None})


def _say_twice(database: str, view: str, *, is_off_first: bool) -> None:
    """Have a view say the row of the second job twice, switched off once."""
    column, off = OFF[view]
    definition = sql.value(database, f"select pg_get_viewdef('{view}')").rstrip().rstrip(";")
    columns = [
        name
        for (name,) in sql.rows(
            database,
            "select column_name from information_schema.columns "
            f"where table_name = '{view}' order by ordinal_position",
        )
    ]
    key = {"preflight_job": "job_id", "preflight_server": "server_id"}.get(view)
    key = "server_id" if view == "preflight_account" else key
    listed = ", ".join(f"{off} as {name}" if name == column else name for name in columns)
    on = f"select {', '.join(columns)} from ({definition}) as a"
    more = f"select {listed} from ({definition}) as b" + (f" where {key} = 2" if key else "")
    first, second = (more, on) if is_off_first else (on, more)
    sql.execute(database, f"create or replace view {view} as {first} union all {second}")
