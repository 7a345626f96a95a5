"""What preflight reads: seven views and nothing else (design 5 and 7).

The views are the seam to a platform with tables of its own. Ids may be numbers or text, flags
booleans, numbers or words; the statements are made for the types that the views have. The keys in
`where` stay bare, so that an index under the view serves them. A flag, state or type that is none
of those allowed is listed in the row's `unclear`, and null is none of them; so is a number, id or
array of ids that is none, unless it is null. Where several rows have a key, nothing of it is clear.

One statement a function, whatever the number of keys; no statement for none. Keys go out as array
literals. What is raised names the view: a `ViewRaised` where some row's values may be the reason,
because a fact that could not be read is *unknown* and never a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection

from job_trigger_worker.domain.fast_tuples import new
from job_trigger_worker.domain.inventory import (
    ROWS,
    UNCLEAR_TYPE,
    Account,
    Automation,
    Credential,
    Grant,
    Job,
    JobRow,
    JobType,
    Owner,
    Server,
    ServerState,
    UnclearColumns,
)
from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.arrays import bigints, texts
from job_trigger_worker.storage.db.prepared_statements import PreparedStatement, Rows
from job_trigger_worker.storage.db.view_columns import Columns, columns_of, forget, made_for, one_of

Key = TypeVar("Key")
Row = TypeVar("Row")

_TYPES = tuple(map(str, JobType))
_KINDS = ("user", "group")
_STATES = {str(state): state for state in ServerState}


def _job(columns: Columns) -> str:
    """The columns of a job but for its parameter, in the order of `Job`."""
    return f"""
        cast(job_id as bigint) as job_id, coalesce(cast(name as text), '') as name,
        {one_of("job_type", _TYPES)} as job_type, {columns.id("target_id")} as target_id,
        {columns.id("owner_id")} as owner_id, {columns.flag("enabled")} as enabled
    """


def _unclear_job(columns: Columns) -> str:
    numbers = ("max_lateness_s", "version")
    return columns.unclear(("target_id", "owner_id"), ("enabled",), numbers, job_type=_TYPES)


_JOBS = made_for(
    lambda columns: (
        f"""
    select {_job(columns)}, cast(paramter as text), {columns.number("max_lateness_s")},
           coalesce({columns.number("version")}, 0), {_unclear_job(columns)}
    from preflight_job where {columns.any_of("job_id", "ids")}
    """
    )
)
_INLINE_BYTES = 4096
"""Up to so many bytes a parameter comes with its job; a larger one is asked for by itself."""

_COMPRESSED = 8
"""About how many times as long a parameter is as what PostgreSQL keeps of it compressed."""

_JOBS_OF_A_BATCH = made_for(
    lambda columns: (
        f"""
    select job_id, name, job_type, target_id, owner_id, enabled,
           case when octet_length(paramter) <= {_INLINE_BYTES} then paramter end,
           max_lateness_s, version, unclear,
           case when octet_length(paramter) <= {_INLINE_BYTES} then null
                else coalesce(octet_length(paramter), about) end
    from (
        select {_job(columns)},
               case when pg_column_size(paramter) <= {_INLINE_BYTES} then cast(paramter as text) end
                   as paramter,
               {columns.number("max_lateness_s")} as max_lateness_s,
               coalesce({columns.number("version")}, 0) as version,
               {_unclear_job(columns)} as unclear,
               pg_column_size(paramter) * cast(
                   case when pg_column_compression(paramter) is null then 1 else {_COMPRESSED} end
                   as bigint) as about
        from preflight_job where {columns.any_of("job_id", "ids")}
        offset 0  -- or each use of a column would compute it again
    ) as read
    """
    )
)
# A view may lack the column; then no job is a canary.
_CANARIES = made_for(
    lambda columns: (
        f"""
    select cast(v.job_id as bigint) from preflight_job v
    where {columns.any_of("job_id", "ids", "v.")}
      and lower(to_jsonb(v) ->> 'is_canary') in ('true', 't', 'yes', 'y', 'on', '1')
    """
    )
)
_PARAMETERS = made_for(
    lambda columns: (
        f"""
    select cast(job_id as bigint), cast(paramter as text)
    from preflight_job where {columns.any_of("job_id", "ids")}
    """
    )
)
_SERVERS = made_for(
    lambda columns: (
        f"""
    select cast(server_id as bigint), coalesce(cast(name as text), ''), {columns.address("ip")},
           {one_of("state", tuple(_STATES))}, {columns.unclear(state=tuple(_STATES))}
    from preflight_server where {columns.any_of("server_id", "ids")}
    """
    )
)
_ACCOUNTS = made_for(
    lambda columns: (
        f"""
    select cast(server_id as bigint), cast(account as text), {columns.flag("enabled")},
           {columns.id("credential_id")}, {columns.unclear(("credential_id",), ("enabled",))}
    from (
        select a.server_id, a.account, a.enabled, a.credential_id
        from unnest(cast(:ids as {columns.array("server_id")}), cast(:accounts as text[]))
            as k (server_id, account)
        join preflight_account a
            on {columns.compared("server_id", "a.")} = k.server_id
            and {columns.text("account", "a.")} = k.account
    ) as read
    """
    )
)
_CREDENTIALS = made_for(
    lambda columns: (
        f"""
    select cast(credential_id as bigint), coalesce(cast(kind as text), ''),
           {columns.flag("usable")}, {columns.unclear(flags=("usable",))}
    from preflight_credential where {columns.any_of("credential_id", "ids")}
    """
    )
)
_OWNERS = made_for(
    lambda columns: (
        f"""
    select cast(owner_id as bigint), coalesce(cast(name as text), ''), {columns.flag("enabled")},
           {columns.ids("group_ids")},
           {columns.unclear(flags=("enabled",), arrays=("group_ids",))}
    from preflight_owner where {columns.any_of("owner_id", "ids")}
    """
    )
)
# Of a type that is neither action nor workflow it is not known which of them it stands for. The
# condition on the target comes first: with an index on it, the rest is asked of few rows.
_OF_TYPES = f"""
    ({one_of("job_type", _TYPES)} = any(cast(:types as text[]))
     or {one_of("job_type", _TYPES)} not in ('action', 'workflow'))
"""
_AUTOMATIONS = made_for(
    lambda columns: (
        f"""
    select {one_of("job_type", _TYPES)}, cast(target_id as bigint),
           coalesce(cast(name as text), ''), {columns.flag("enabled")},
           {columns.unclear(flags=("enabled",), job_type=_TYPES)}
    from preflight_automation where {columns.any_of("target_id", "ids")} and {_OF_TYPES}
    """
    )
)
_GRANTS = made_for(
    lambda columns: (
        f"""
    select {one_of("principal_kind", _KINDS)}, cast(principal_id as bigint),
           {one_of("job_type", _TYPES)}, cast(target_id as bigint),
           {columns.unclear(principal_kind=_KINDS, job_type=_TYPES)}
    from preflight_grant
    where {columns.any_of("target_id", "ids")} and {_OF_TYPES}
      and case {one_of("principal_kind", _KINDS)}
          when 'user' then {columns.any_of("principal_id", "users")}
          when 'group' then {columns.any_of("principal_id", "groups")}
          else {columns.any_of("principal_id", "users")}
               or {columns.any_of("principal_id", "groups")} end
    """
    )
)
_HOST_MASKS = ("/32", "/128")


def select_jobs(connection: Connection, ids: Collection[int]) -> dict[int, Job]:
    """Jobs by id; one that does not exist is absent."""
    rows = _rows(connection, "preflight_job", _JOBS, ids)
    jobs = {row[0]: Job._make(row) for row in rows}
    return _once(jobs, rows, lambda job, said: job._replace(unclear=said))


def select_job_rows(connection: Connection, ids: Collection[int]) -> dict[int, JobRow]:
    """Jobs by id, without large parameters.

    Their lengths cost the server nothing: a large value is kept apart from its row.
    """
    rows = _rows(connection, "preflight_job", _JOBS_OF_A_BATCH, ids)
    jobs = {row[0]: new(JobRow, (new(Job, row[:-1]), row[-1])) for row in rows}
    return _once(jobs, rows, lambda row, said: row._replace(job=row.job._replace(unclear=said)))


def select_parameters(connection: Connection, ids: Collection[int]) -> dict[int, str | None]:
    """Parameters by job id, as saved."""
    return dict(_rows(connection, "preflight_job", _PARAMETERS, ids))


def select_canaries(connection: Connection, ids: Collection[int]) -> frozenset[int]:
    """Those of the jobs that a trigger of kind `canary` may run.

    Without a column `is_canary` in the view, or with anything but true in it, a job is none.
    """
    return frozenset(row[0] for row in _rows(connection, "preflight_job", _CANARIES, ids))


def select_servers(connection: Connection, ids: Collection[int]) -> dict[int, Server]:
    """Servers by id. A state that is unclear is `unknown`; an address goes without its mask."""
    unknown = ServerState.UNKNOWN
    rows = _rows(connection, "preflight_server", _SERVERS, ids)
    servers = {
        server_id: new(Server, (server_id, name, _host(ip), _STATES.get(state, unknown), unclear))
        for server_id, name, ip, state, unclear in rows
    }
    return _once(servers, rows, lambda row, said: row._replace(state=unknown, unclear=said))


def _host(ip: str | None) -> str | None:
    return ip.removesuffix("/32").removesuffix("/128") if ip and ip.endswith(_HOST_MASKS) else ip


def select_accounts(
    connection: Connection, keys: Collection[tuple[int, str]]
) -> dict[tuple[int, str], Account]:
    """Accounts by server id and name."""
    ids, names = zip(*keys, strict=True) if keys else ((), ())
    rows = _rows(connection, "preflight_account", _ACCOUNTS, ids, accounts=texts(names))
    accounts = {(row[0], row[1]): new(Account, row) for row in rows}
    return _once(
        accounts,
        rows,
        lambda row, said: row._replace(enabled=False, unclear=said),
        itemgetter(0, 1),
    )


def select_credentials(connection: Connection, ids: Collection[int]) -> dict[int, Credential]:
    """Credentials by id."""
    rows = _rows(connection, "preflight_credential", _CREDENTIALS, ids)
    credentials = {row[0]: new(Credential, row) for row in rows}
    return _once(credentials, rows, lambda row, said: row._replace(usable=False, unclear=said))


def select_owners(connection: Connection, ids: Collection[int]) -> dict[int, Owner]:
    """Owners by id, each with the groups that they are in."""
    rows = _rows(connection, "preflight_owner", _OWNERS, ids)
    owners = {
        owner_id: Owner(owner_id, name, enabled, tuple(group_ids or ()), unclear)
        for owner_id, name, enabled, group_ids, unclear in rows
    }
    return _once(owners, rows, lambda row, said: row._replace(enabled=False, unclear=said))


def select_automations(
    connection: Connection, keys: Collection[tuple[str, int]]
) -> dict[tuple[str, int], Automation]:
    """Automations by job type and target id; possibly more than were asked for.

    One whose type is unclear stands under `UNCLEAR_TYPE` and its target id.
    """
    ids, types = {target_id for _, target_id in keys}, {job_type for job_type, _ in keys}
    rows = _rows(connection, "preflight_automation", _AUTOMATIONS, ids, types=texts(types))
    found = {}
    for row in rows:
        automation = Automation._make(row)
        if automation.unclear and automation.job_type not in _TYPES:
            automation = automation._replace(job_type=UNCLEAR_TYPE)
        found[automation.job_type, automation.target_id] = automation
    return _once(found, rows, _closed_automation, itemgetter(0, 1))


def _closed_automation(row: Automation, said: UnclearColumns) -> Automation:
    if row.job_type == UNCLEAR_TYPE:  # which may be several automations, and starts nothing
        return row
    return row._replace(enabled=False, unclear=said)


def select_grants(
    connection: Connection,
    keys: Collection[tuple[str, int]],
    users: Collection[int],
    groups: Collection[int],
) -> dict[Grant, UnclearColumns]:
    """Who of these users and groups may use which of these automations.

    A grant is one when nothing of it is unclear; of others it is told what.
    """
    ids, types = {target_id for _, target_id in keys}, {job_type for job_type, _ in keys}
    rows = _rows(
        connection,
        "preflight_grant",
        _GRANTS,
        ids,
        types=texts(types),
        users=bigints(users),
        groups=bigints(groups),
    )
    return {Grant._make(row[:-1]): row[-1] for row in rows}


def _once(
    found: dict[Key, Row],
    rows: Rows,
    closed: Callable[[Row, UnclearColumns], Row],
    key: Callable[[tuple[Any, ...]], Any] = itemgetter(0),
) -> dict[Key, Row]:
    """What was found in these rows; `closed` is what becomes of one whose key several rows have.

    Nobody knows which of them counts, so nothing may be started with it.
    """
    if len(found) != len(rows):
        for each, count in Counter(map(key, rows)).items():
            if count > 1 and each in found:
                found[each] = closed(found[each], (ROWS, str(count)))
    return found


def _rows(
    connection: Connection,
    view: str,
    made: Callable[[Columns], PreparedStatement],
    ids: Collection[int],
    **columns: str,
) -> Rows:
    if not ids:
        return []
    try:
        with errors.translate_read_errors(view):
            statement = made(columns_of(connection, view))
            return statement.rows(connection, {"ids": bigints(ids), **columns})
    except FatalError:
        forget(connection)
        raise
