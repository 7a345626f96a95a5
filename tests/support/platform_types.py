"""Views of a platform that says the same in other types."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support import sql

IDS = {
    "preflight_job": ("job_id", "target_id", "owner_id"),
    "preflight_server": ("server_id",),
    "preflight_account": ("server_id", "credential_id"),
    "preflight_credential": ("credential_id",),
    "preflight_owner": ("owner_id",),
    "preflight_automation": ("target_id",),
    "preflight_grant": ("principal_id", "target_id"),
    "console_job": ("job_id", "target_id", "owner_id"),
    "console_job_group": ("job_id", "group_id"),
    "console_member": ("user_id", "group_id"),
    "console_job_target": ("job_id", "server_id"),
    "console_execution": (),
}
"""The columns of each view that hold an id."""


def redefine(database: str, view: str, columns: Mapping[str, str]) -> None:
    """Have a view say expressions in the place of some of its columns."""
    definition = sql.value(database, f"select pg_get_viewdef('{view}')").rstrip().rstrip(";")
    names = [
        name
        for (name,) in sql.rows(
            database,
            "select column_name from information_schema.columns "
            f"where table_name = '{view}' order by ordinal_position",
        )
    ]
    listed = ", ".join(f"{columns[name]} as {name}" if name in columns else name for name in names)
    sql.execute(
        database,
        f"drop view {view}; create view {view} as select {listed} from ({definition}) as whole",
    )
