from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from job_trigger_worker.storage.schema import revisions
from tests.support.sql import execute, rows, session, value
from tests.support.waiting import wait_until

TARGETS = "select node_id, server_id, account from console_job_target order by 1, 2, 3"


def add_job(url: str, job_type: str, paramter: str | None) -> None:
    with session(url) as opened, opened, opened.cursor() as cursor:
        cursor.execute(
            "insert into awp_automcation_job (name, job_type, paramter) values ('j', %s, %s)",
            (job_type, paramter),
        )


def test_targets_of_an_action_job_are_read_from_its_parameter(database: str) -> None:
    servers = [
        {"server_id": 7, "ip": "10.0.0.7", "account": "root"},
        {"server_id": "9223372036854775807", "account": "数据库"},
    ]
    add_job(database, "action", json.dumps({"servers": servers, "nodes": "ignored"}))
    assert rows(database, TARGETS) == [
        (None, 7, "root"),
        (None, 9223372036854775807, "数据库"),
    ]


def test_targets_of_a_workflow_job_name_their_node(database: str) -> None:
    nodes = [
        {"node_id": "a", "action_id": 1, "servers": [{"server_id": 7, "account": "root"}]},
        {"node_id": 2, "servers": [{"server_id": 7, "account": "app"}]},
    ]
    add_job(database, "workflow", json.dumps({"nodes": nodes}))
    assert rows(database, TARGETS) == [("2", 7, "app"), ("a", 7, "root")]


GARBAGE: list[str | None] = [
    None,
    "null",
    "7",
    '"servers"',
    "true",
    "[]",
    "{}",
    '[{"servers": [{"server_id": 7}]}]',
    '{"servers": null, "nodes": null}',
    '{"servers": 7, "nodes": "x"}',
    '{"servers": {"server_id": 7}, "nodes": {"servers": []}}',
    '{"servers": [null, 7, "x", [], {}], "nodes": [null, 7, "x", [], {}]}',
    '{"servers": [{"server_id": null}, {"server_id": {}}, {"server_id": [1]}]}',
    '{"servers": [{"server_id": "x"}, {"server_id": -1}, {"server_id": 1.5}]}',
    '{"servers": [{"server_id": 9223372036854775808}, {"server_id": "99999999999999999999"}]}',
    '{"servers": [{"server_id": 1e400}, {"server_id": true}, {"server_id": 0}]}',
    '{"nodes": [{"servers": 7}, {"servers": [7]}, {"node_id": [], "servers": null}]}',
]


def test_a_parameter_of_any_other_shape_has_no_targets(database: str) -> None:
    for job_type in ("action", "workflow", "other"):
        for paramter in GARBAGE:
            add_job(database, job_type, paramter)
            assert rows(database, TARGETS) == [], f"{job_type}: {paramter}"


def test_a_target_whose_account_or_node_is_no_text_is_still_a_target(database: str) -> None:
    nodes = [{"node_id": {}, "servers": [{"server_id": 7, "account": ["root"]}]}]
    add_job(database, "workflow", json.dumps({"nodes": nodes}))
    assert rows(database, TARGETS) == [(None, 7, None)]


def test_an_owner_has_all_groups_or_none(database: str) -> None:
    execute(
        database,
        """
        insert into awp_user (id, login, name) values (1, 'li', 'Li'), (2, 'wang', 'Wang');
        insert into awp_user_group_member values (1, 30), (1, 4);
        """,
    )
    assert rows(database, "select owner_id, group_ids from preflight_owner order by 1") == [
        (1, [4, 30]),
        (2, []),
    ]
    members = "select login, group_id, role from console_member order by login, group_id"
    assert rows(database, members) == [
        ("li", 4, "viewer"),
        ("li", 30, "viewer"),
        ("wang", None, "viewer"),
    ]


def test_a_job_is_listed_when_its_owner_and_automation_are_gone(database: str) -> None:
    execute(
        database,
        """
        insert into awp_automcation_job (id, name, job_type, target_id, owner_id)
        values (5, 'cleanup', 'action', 77, 88);
        """,
    )
    listed = "select job_id, name, automation_name, owner_id, owner_name from console_job"
    assert rows(database, listed) == [(5, "cleanup", None, 88, None)]


def test_an_automation_is_granted_to_its_admins_when_it_is_created(database: str) -> None:
    execute(database, "insert into awp_action (id, name) values (1, 'a'), (2, 'b')")
    execute(database, "insert into awp_workflow (id, name) values (1, 'w')")
    assert admins_grants(database) == [("action", 1), ("action", 2), ("workflow", 1)]


def test_old_automations_are_granted_by_the_migration(filled: str) -> None:
    revisions.upgrade(filled)
    assert admins_grants(filled) == [("action", 1), ("action", 2), ("workflow", 1)]


def test_admins_that_a_platform_has_already_are_kept(filled: str) -> None:
    execute(filled, "insert into awp_user_group (id, name) values (42, 'AutomationAdmins')")
    execute(filled, "insert into awp_automation_grant values ('group', 42, 'action', 1)")
    revisions.upgrade(filled)
    assert rows(filled, "select id from awp_user_group where name = 'AutomationAdmins'") == [(42,)]
    assert admins_grants(filled) == [("action", 1), ("action", 2), ("workflow", 1)]


def admins_grants(url: str) -> list[tuple[Any, ...]]:
    return rows(
        url,
        """
        select p.job_type, p.target_id
        from preflight_grant p join awp_user_group g on g.id = p.principal_id
        where p.principal_kind = 'group' and g.name = 'AutomationAdmins' order by 1, 2
        """,
    )


JOB = """
    insert into awp_automcation_job (id, name, job_type, updated_at, trigger_status)
    values (5, 'old', 'action', '2026-01-01T00:00Z', 2), (6, 'other', 'action', now(), null)
"""


def test_an_edit_counts_the_version_up(database: str) -> None:
    execute(database, JOB)
    edit = """
        update console_job_write set name = '新名字', schedule = '0 3 * * *',
            timezone = 'Asia/Shanghai', enabled = false, paramter = '{"servers": []}'
        where job_id = 5 and version = 1 returning version
    """
    assert rows(database, edit) == [(2,)]
    ((*saved, updated_at),) = rows(
        database,
        """
        select name, schedule, timezone, enabled, paramter, version, trigger_status, updated_at
        from awp_automcation_job where id = 5
        """,
    )
    assert saved == ["新名字", "0 3 * * *", "Asia/Shanghai", False, {"servers": []}, 2, 2]
    assert updated_at > datetime.fromisoformat("2026-01-02T00:00+00:00")
    assert value(database, "select version from awp_automcation_job where id = 6") == 1


def test_an_edit_of_an_old_version_changes_nothing(database: str) -> None:
    execute(database, JOB)
    edit = "update console_job_write set name = '{}' where job_id = 5 and version = 1"
    assert execute(database, edit.format("first")) == 1
    assert execute(database, edit.format("second")) == 0
    assert value(database, "select name from awp_automcation_job where id = 5") == "first"


def test_of_two_edits_at_once_one_is_told_that_it_was_overtaken(database: str) -> None:
    execute(database, JOB)
    edit = "update console_job_write set name = '{}' where job_id = 5 and version = 1"
    waiting = """
        select count(*) from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()
    """
    with session(database) as first, first.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute(edit.format("first"))
        second = pool.submit(execute, database, edit.format("second"))
        wait_until(lambda: value(database, waiting), 10, "the second edit waits")
        first.commit()
        assert second.result(timeout=10) == 0
    assert value(database, "select name from awp_automcation_job where id = 5") == "first"
