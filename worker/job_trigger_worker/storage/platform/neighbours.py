"""Whether a view can be read at all: it reads rows other than those for which the view raised.

What one statement says of single rows proves nothing of a view that raises for every row, so others
are looked for, by their keys alone, and read one by one until one of them can be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from job_trigger_worker.errors import ViewRaised
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.arrays import bigints, texts
from job_trigger_worker.storage.db.prepared_statements import doubt
from job_trigger_worker.storage.db.view_columns import Columns, columns_of
from job_trigger_worker.storage.platform import inventory

_MOST = 64

Key = Any
"""As `preflight` names a row: an id, or the values of the view's key columns."""


class _Beside(NamedTuple):
    """How to find other keys than some of a view, and how to read one of them."""

    pick: Callable[[Columns], str]
    values: Callable[[Collection[Key]], dict[str, object]]
    read: Callable[[Connection, Any], Collection[object]]


def _by_id(view: str, column: str, read: Callable[[Connection, Any], Any]) -> _Beside:
    return _Beside(
        lambda columns: (
            f"""
            select {columns.id(column)} from {view}
            where {columns.none_of(column, "ids")} limit {_MOST}
        """
        ),
        lambda keys: {"ids": bigints(keys)},
        lambda connection, row: read(connection, {row[0]}),
    )


_BESIDE = {
    "preflight_job": _by_id("preflight_job", "job_id", inventory.select_jobs),
    "preflight_server": _by_id("preflight_server", "server_id", inventory.select_servers),
    "preflight_credential": _by_id(
        "preflight_credential", "credential_id", inventory.select_credentials
    ),
    "preflight_owner": _by_id("preflight_owner", "owner_id", inventory.select_owners),
    "preflight_account": _Beside(
        lambda columns: (
            f"""
            select {columns.id("server_id")}, cast(account as text) from preflight_account
            where {columns.none_of("server_id", "ids")}
               or {columns.text("account")} <> all(cast(:names as text[])) limit {_MOST}
        """
        ),
        lambda keys: {"ids": bigints(k[0] for k in keys), "names": texts(k[1] for k in keys)},
        lambda connection, row: inventory.select_accounts(connection, {(row[0], row[1])}),
    ),
    "preflight_automation": _Beside(
        lambda columns: (
            f"""
            select lower(cast(job_type as text)), {columns.id("target_id")}
            from preflight_automation where {columns.none_of("target_id", "ids")}
               or lower(cast(job_type as text)) <> all(cast(:types as text[])) limit {_MOST}
        """
        ),
        lambda keys: {"ids": bigints(k[1] for k in keys), "types": texts(k[0] for k in keys)},
        lambda connection, row: inventory.select_automations(connection, {(row[0], row[1])}),
    ),
    "preflight_grant": _Beside(
        lambda columns: (
            f"""
            select lower(cast(job_type as text)), {columns.id("target_id")},
                   lower(cast(principal_kind as text)), {columns.id("principal_id")}
            from preflight_grant where {columns.none_of("target_id", "ids")}
               or {columns.none_of("principal_id", "users")}
            limit {_MOST}
        """
        ),
        lambda keys: {"ids": bigints(k[1] for k in keys), "users": bigints(k[2] for k in keys)},
        lambda connection, row: inventory.select_grants(
            connection,
            {(row[0], row[1])},
            {row[3]} if row[2] == "user" else set(),
            {row[3]} if row[2] == "group" else set(),
        ),
    ),
}


def can_be_read(connection: Connection, view: str, keys: Collection[Key]) -> bool:
    """True when some row of a view can be read beside those of `keys`; at most 64 are tried.

    Leaves the transaction as it was.
    """
    beside = _BESIDE[view]
    try:
        with connection.begin_nested(), errors.translate_read_errors(view):
            pick = text(beside.pick(columns_of(connection, view)))
            others = connection.execute(pick, beside.values(keys)).all()
    except ViewRaised:
        others = []
    is_read = any(_is_read(connection, beside, row) for row in others if None not in row)
    if not is_read:
        doubt(connection)
    return is_read


def _is_read(connection: Connection, beside: _Beside, row: Any) -> bool:
    try:
        with connection.begin_nested():
            return bool(beside.read(connection, row))
    except ViewRaised:
        return False
