"""The demo platform in the database: its rows, and the servers that a person may switch off.

This plays the platform, so it writes the platform's own tables, which the worker never does.
"""

from __future__ import annotations

import orjson
from sqlalchemy import Connection, text

from job_trigger_worker.demo import inventory as demo_inventory
from job_trigger_worker.demo import jobs as demo_jobs
from job_trigger_worker.demo.inventory import Row

POWER_SERVERS = (11, 91, 31)
"""Servers that [p] switches off, in turn: web-01, bak-01, app-01. They break 24, 11 and 9 jobs."""

_COLUMNS = {
    "awp_user_group": "id bigint, name text",
    "awp_user": "id bigint, login text, name text, enabled boolean, role text",
    "awp_user_group_member": "user_id bigint, group_id bigint",
    "awp_action": "id bigint, name text, enabled boolean",
    "awp_workflow": "id bigint, name text, enabled boolean",
    "awp_automation_grant": (
        "principal_kind text, principal_id bigint, job_type text, target_id bigint"
    ),
    "awp_server": "id bigint, name text, ip text, state text",
    "awp_credential": "id bigint, name text, kind text, usable boolean",
    "awp_server_account": "server_id bigint, account text, enabled boolean, credential_id bigint",
    "awp_automcation_job": (
        "id bigint, name text, job_type text, target_id bigint, owner_id bigint, enabled boolean, "
        "schedule text, timezone text, paramter jsonb, max_lateness_s int, "
        "is_canary boolean"
    ),
}
_ADMIN = text(
    """
    insert into awp_user_group_member (user_id, group_id)
    select u.id, g.id from awp_user u, awp_user_group g
    where u.login = :login and g.name = 'AutomationAdmins'
    on conflict do nothing
    """
)
_POWER = text("update awp_server set state = :state, updated_at = now() where id = :id")
_POWER_ON = text(
    """
    update awp_server set state = 'on', updated_at = now()
    where id = any(cast(:ids as bigint[])) and state <> 'on'
    """
)
_JOBS_ON = text("select count(distinct job_id) from console_job_target where server_id = :id")


def fill(connection: Connection) -> None:
    """Insert what is not there yet, and switch on what [p] has switched off.

    Rows that a person has changed since stay as they are. The caller commits.
    """
    tables = {**demo_inventory.rows(), "awp_automcation_job": _job_rows()}
    for table, rows in tables.items():
        typed = _COLUMNS[table]
        names = ", ".join(column.split()[0] for column in typed.split(", "))
        connection.execute(
            text(
                f"insert into {table} ({names}) "
                f"select {names} from jsonb_to_recordset(cast(:rows as jsonb)) as r ({typed}) "
                "on conflict do nothing"
            ),
            {"rows": orjson.dumps(rows).decode()},
        )
    connection.execute(_ADMIN, {"login": demo_inventory.ADMIN_LOGIN})
    connection.execute(text(_behind([t for t in tables if _COLUMNS[t].startswith("id ")])))
    connection.execute(_POWER_ON, {"ids": "{" + ",".join(map(str, POWER_SERVERS)) + "}"})


def switch(connection: Connection, server_id: int, *, on: bool) -> int:
    """Power a server on or off; returns how many jobs name it. The caller commits."""
    connection.execute(_POWER, {"id": server_id, "state": "on" if on else "off"})
    return int(connection.execute(_JOBS_ON, {"id": server_id}).scalar_one())


def _job_rows() -> list[Row]:
    return [
        {
            "id": job_id,
            "name": job.name,
            "job_type": job.job_type,
            "target_id": job.target_id,
            "owner_id": job.owner_id,
            "enabled": job.enabled,
            "schedule": job.schedule,
            "timezone": "Asia/Shanghai",
            "paramter": job.parameter,
            "max_lateness_s": job.max_lateness_s,
            "is_canary": job.name == demo_jobs.CANARY_JOB_NAME,
        }
        for job_id, job in demo_jobs.jobs().items()
    ]


def _behind(tables: list[str]) -> str:
    """SQL that lets the next generated id of each table stand behind those inserted."""
    return " union all ".join(
        f"select setval(pg_get_serial_sequence('{table}', 'id'), max(id)) from {table}"
        for table in tables
    )
