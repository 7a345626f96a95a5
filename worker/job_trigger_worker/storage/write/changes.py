"""What people changed with the console: who, when, which object, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

_WRITE = text(
    """
    insert into awp_console_change (login, object_kind, object_id, action, "before", "after")
    values (:login, :object_kind, :object_id, :action,
        cast(:before as jsonb), cast(:after as jsonb))
    returning id
    """
)
_OF_OBJECT = text(
    """
    select id, at, login, object_kind, object_id, action, "before", "after"
    from awp_console_change
    where object_kind = :object_kind and object_id = :object_id
      and (cast(:older_than as bigint) is null or id < cast(:older_than as bigint))
    order by id desc limit :limit
    """
)
_ASKED = """
    select id, at, login, object_kind, object_id, action, "before", "after"
    from (select * from awp_console_change where %s order by id desc limit 1000) as recent
    where action = 'run' and object_kind = 'job' and "after" ->> 'trigger_id' = :trigger_id
    order by id limit 1
"""
_RUN_OF_JOB = text(_ASKED % "object_kind = 'job' and object_id = :object_id")
_RUN = text(_ASKED % "true")
_ALONE = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `before` is None for what did not exist, `after` for what does not any more.

    Values stand here as they were: mask them before they are shown.
    """

    id: int
    at: datetime
    login: str
    object_kind: str
    object_id: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def write(
    connection: Connection,
    *,
    login: str,
    object_kind: str,
    object_id: str,
    action: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> int:
    """Note a change, in the transaction that makes it; its id."""
    return int(
        connection.execute(
            _WRITE,
            {
                "login": login,
                "object_kind": object_kind,
                "object_id": object_id,
                "action": action,
                "before": _json(before),
                "after": _json(after),
            },
        ).scalar_one()
    )


def of_object(
    connection: Connection,
    object_kind: str,
    object_id: str,
    *,
    limit: int,
    older_than: int | None = None,
) -> list[Change]:
    """An object's changes, newest first; the next page is what is older than the last id."""
    rows = connection.execute(
        _OF_OBJECT,
        {
            "object_kind": object_kind,
            "object_id": object_id,
            "limit": limit,
            "older_than": older_than,
        },
    )
    return [Change(*row) for row in rows]


def find_run(
    connection: Connection, trigger_id: str, *, object_id: str | None = None
) -> Change | None:
    """Who asked for a run, and when: looked for in the newest 1,000 changes, of a job or of all."""
    statement = _RUN if object_id is None else _RUN_OF_JOB
    values = {"trigger_id": trigger_id, "object_id": object_id}
    row = connection.execute(statement, values).one_or_none()
    return None if row is None else Change(*row)


def advisory_lock(connection: Connection, name: str) -> None:
    """Wait until nobody else does what has this name; until the transaction ends."""
    connection.execute(_ALONE, {"name": name})


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()
