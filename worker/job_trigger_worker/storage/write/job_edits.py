"""Changes of a job, through the platform's view `console_job_write` and nothing else."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sqlalchemy import Connection, text

from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.view_columns import Kind, columns_of

_VIEW = "console_job_write"
Column = Literal["name", "schedule", "timezone", "enabled", "paramter"]

_IS_THERE = text("select to_regclass('console_job_write') is not null")
_CHECK_NOW = text("set constraints all immediate")
_READ = text(
    """
    select cast(job_id as bigint), coalesce(cast(name as text), ''), cast(schedule as text),
        cast(timezone as text), cast(enabled as boolean) is true, cast(paramter as text),
        coalesce(cast(version as bigint), 0)
    from console_job_write where job_id = :job_id
    """
)


class Editable(NamedTuple):
    """A row of `console_job_write`. `parameter` is JSON text as saved, None for SQL null.

    `are_ids_text` says that the platform's inventory has the ids of servers as text.
    """

    job_id: int
    name: str
    schedule: str | None
    timezone: str | None
    is_enabled: bool
    parameter: str | None
    version: int
    are_ids_text: bool = False


def is_possible(connection: Connection) -> bool:
    """True where the platform lets the console change jobs at all."""
    return bool(connection.execute(_IS_THERE).scalar_one())


def read(connection: Connection, job_id: int) -> Editable | None:
    """What can be changed of a job; None where the view is absent or does not have the job."""
    if not is_possible(connection):
        return None
    with errors.translate_read_errors(_VIEW):
        row = connection.execute(_READ, {"job_id": job_id}).one_or_none()
    if row is None:
        return None
    kind = columns_of(connection, "preflight_server").kind("server_id", Kind.WHOLE)
    return Editable(*row)._replace(are_ids_text=kind is Kind.TEXT)


def update(
    connection: Connection, job_id: int, version: int, columns: dict[Column, str | bool | None]
) -> int | None:
    """Change some columns of a job that still has this version; its new one.

    None when somebody else was faster: then nothing is changed. The view counts the version up. A
    value goes out as a literal that takes the column's type as the platform has it. Raises
    `NotTaken` where the platform refuses it, also by what it would check at the commit only.
    """
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    statement = f"""
        update console_job_write set {assignments}
        where job_id = :job_id and version = :version returning cast(version as bigint)
    """
    values: dict[str, object] = {str(name): value for name, value in columns.items()}
    values |= {"job_id": str(job_id), "version": str(version)}
    kinds = columns_of(connection, _VIEW)
    if "enabled" in values and kinds.kind("enabled", Kind.FLAG) is not Kind.FLAG:
        values["enabled"] = "1" if values["enabled"] else "0"
    with errors.translate_edit_errors(_VIEW):
        found = connection.execute(text(statement), values).scalar_one_or_none()
        connection.execute(_CHECK_NOW)
    return None if found is None else int(found)
