"""What preflight reads: seven views and nothing else (DESIGN section 5).

The views are the seam to a platform with tables of its own, so every column is cast to what we
need, and a null flag counts as true: not knowing is never a finding. The keys in `where` stay bare,
so that an index under the view serves them: ids compare with `bigint` and names with `text`.

One statement a function, whatever the number of keys; no statement for none. Keys go out as array
literals. What is raised names the view: a `ViewRaised` where some row's values may be the reason,
because a fact that could not be read is *unknown* and never a finding.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from worker.domain.inventory import (
    Account,
    Automation,
    Credential,
    Grant,
    Job,
    JobRow,
    Owner,
    Server,
    ServerState,
)
from worker.storage import errors
from worker.storage.arrays import bigints, texts
from worker.storage.prepared import Prepared, Rows, every_batch

_JOBS = every_batch(
    """
    select cast(job_id as bigint), coalesce(cast(name as text), ''),
           coalesce(cast(job_type as text), ''), cast(target_id as bigint),
           cast(owner_id as bigint), cast(enabled as boolean) is not false,
           cast(paramter as text), cast(max_lateness_s as bigint),
           coalesce(cast(version as bigint), 0)
    from preflight_job where job_id = any(cast(:ids as bigint[]))
    """
)
_INLINE_BYTES = 4096
"""Up to so many bytes a parameter comes with its job; a larger one is asked for by itself."""

_COMPRESSED = 8
"""About how many times as long a parameter is as what PostgreSQL keeps of it compressed."""

_JOBS_OF_A_BATCH = every_batch(
    f"""
    select job_id, name, job_type, target_id, owner_id, enabled,
           case when octet_length(paramter) <= {_INLINE_BYTES} then paramter end,
           max_lateness_s, version,
           case when octet_length(paramter) <= {_INLINE_BYTES} then null
                else coalesce(octet_length(paramter), about) end
    from (
        select cast(job_id as bigint), coalesce(cast(name as text), '') as name,
               coalesce(cast(job_type as text), '') as job_type,
               cast(target_id as bigint), cast(owner_id as bigint),
               cast(enabled as boolean) is not false as enabled,
               case when pg_column_size(paramter) <= {_INLINE_BYTES} then cast(paramter as text) end
                   as paramter,
               cast(max_lateness_s as bigint), coalesce(cast(version as bigint), 0) as version,
               pg_column_size(paramter) * cast(
                   case when pg_column_compression(paramter) is null then 1 else {_COMPRESSED} end
                   as bigint) as about
        from preflight_job where job_id = any(cast(:ids as bigint[]))
        offset 0  -- or each use of a column would compute it again
    ) as read
    """
)
# A view may lack the column; then no job is a canary.
_CANARIES = every_batch(
    """
    select cast(v.job_id as bigint) from preflight_job v
    where v.job_id = any(cast(:ids as bigint[]))
      and lower(to_jsonb(v) ->> 'is_canary') in ('true', 't', 'yes', 'y', 'on', '1')
    """
)
_PARAMETERS = every_batch(
    """
    select cast(job_id as bigint), cast(paramter as text)
    from preflight_job where job_id = any(cast(:ids as bigint[]))
    """
)
_SERVERS = every_batch(
    """
    select cast(server_id as bigint), coalesce(cast(name as text), ''), cast(ip as text),
           cast(state as text)
    from preflight_server where server_id = any(cast(:ids as bigint[]))
    """
)
_ACCOUNTS = every_batch(
    """
    select cast(a.server_id as bigint), cast(a.account as text),
           cast(a.enabled as boolean) is not false, cast(a.credential_id as bigint)
    from unnest(cast(:ids as bigint[]), cast(:accounts as text[])) as k (server_id, account)
    join preflight_account a on a.server_id = k.server_id and a.account = k.account
    """
)
_CREDENTIALS = every_batch(
    """
    select cast(credential_id as bigint), coalesce(cast(kind as text), ''),
           cast(usable as boolean) is not false
    from preflight_credential where credential_id = any(cast(:ids as bigint[]))
    """
)
_OWNERS = every_batch(
    """
    select cast(owner_id as bigint), coalesce(cast(name as text), ''),
           cast(enabled as boolean) is not false, cast(group_ids as bigint[])
    from preflight_owner where owner_id = any(cast(:ids as bigint[]))
    """
)
_AUTOMATIONS = every_batch(
    """
    select cast(job_type as text), cast(target_id as bigint), coalesce(cast(name as text), ''),
           cast(enabled as boolean) is not false
    from preflight_automation
    where target_id = any(cast(:ids as bigint[])) and job_type = any(cast(:types as text[]))
    """
)
_GRANTS = every_batch(
    """
    select cast(principal_kind as text), cast(principal_id as bigint), cast(job_type as text),
           cast(target_id as bigint)
    from preflight_grant
    where target_id = any(cast(:ids as bigint[])) and job_type = any(cast(:types as text[]))
      and (principal_kind = 'user' and principal_id = any(cast(:users as bigint[]))
           or principal_kind = 'group' and principal_id = any(cast(:groups as bigint[])))
    """
)
_VIEWS = {
    _JOBS.name: "preflight_job",
    _JOBS_OF_A_BATCH.name: "preflight_job",
    _PARAMETERS.name: "preflight_job",
    _CANARIES.name: "preflight_job",
    _SERVERS.name: "preflight_server",
    _ACCOUNTS.name: "preflight_account",
    _CREDENTIALS.name: "preflight_credential",
    _OWNERS.name: "preflight_owner",
    _AUTOMATIONS.name: "preflight_automation",
    _GRANTS.name: "preflight_grant",
}
_STATES = {str(state): state for state in ServerState}
_HOST_MASKS = ("/32", "/128")


def select_jobs(connection: Connection, ids: Collection[int]) -> dict[int, Job]:
    """Jobs by id; one that does not exist is absent."""
    return {row[0]: Job._make(row) for row in _rows(connection, _JOBS, ids)}


def select_job_rows(connection: Connection, ids: Collection[int]) -> dict[int, JobRow]:
    """Jobs by id, without large parameters.

    Their lengths cost the server nothing: a large value is kept apart from its row.
    """
    return {
        row[0]: JobRow(Job._make(row[:-1]), row[-1])
        for row in _rows(connection, _JOBS_OF_A_BATCH, ids)
    }


def select_parameters(connection: Connection, ids: Collection[int]) -> dict[int, str | None]:
    """Parameters by job id, as saved."""
    return dict(_rows(connection, _PARAMETERS, ids))


def select_canaries(connection: Connection, ids: Collection[int]) -> frozenset[int]:
    """Those of the jobs that a trigger of kind `canary` may run.

    Without a column `is_canary` in the view, or with anything but true in it, a job is none.
    """
    return frozenset(row[0] for row in _rows(connection, _CANARIES, ids))


def select_servers(connection: Connection, ids: Collection[int]) -> dict[int, Server]:
    """Servers by id. A state that we do not know is `unknown`; an inet's host mask is cut."""
    unknown = ServerState.UNKNOWN
    return {
        server_id: Server(server_id, name, _host(ip), _STATES.get(state, unknown))
        for server_id, name, ip, state in _rows(connection, _SERVERS, ids)
    }


def _host(ip: str | None) -> str | None:
    return ip.removesuffix("/32").removesuffix("/128") if ip and ip.endswith(_HOST_MASKS) else ip


def select_accounts(
    connection: Connection, keys: Collection[tuple[int, str]]
) -> dict[tuple[int, str], Account]:
    """Accounts by server id and name."""
    ids, names = zip(*keys, strict=True) if keys else ((), ())
    return {
        (row[0], row[1]): Account._make(row)
        for row in _rows(connection, _ACCOUNTS, ids, accounts=texts(names))
    }


def select_credentials(connection: Connection, ids: Collection[int]) -> dict[int, Credential]:
    """Credentials by id."""
    return {row[0]: Credential._make(row) for row in _rows(connection, _CREDENTIALS, ids)}


def select_owners(connection: Connection, ids: Collection[int]) -> dict[int, Owner]:
    """Owners by id, each with the groups that they are in."""
    return {
        owner_id: Owner(owner_id, name, enabled, tuple(group_ids or ()))
        for owner_id, name, enabled, group_ids in _rows(connection, _OWNERS, ids)
    }


def select_automations(
    connection: Connection, keys: Collection[tuple[str, int]]
) -> dict[tuple[str, int], Automation]:
    """Automations by job type and target id; perhaps others than those asked for, too."""
    ids, types = {target_id for _, target_id in keys}, {job_type for job_type, _ in keys}
    return {
        (row[0], row[1]): Automation._make(row)
        for row in _rows(connection, _AUTOMATIONS, ids, types=texts(types))
    }


def select_grants(
    connection: Connection,
    keys: Collection[tuple[str, int]],
    users: Collection[int],
    groups: Collection[int],
) -> set[Grant]:
    """Who of these users and groups may use which of these automations."""
    ids, types = {target_id for _, target_id in keys}, {job_type for job_type, _ in keys}
    rows = _rows(
        connection,
        _GRANTS,
        ids,
        types=texts(types),
        users=bigints(users),
        groups=bigints(groups),
    )
    return set(map(Grant._make, rows))


def _rows(
    connection: Connection, statement: Prepared, ids: Collection[int], **columns: str
) -> Rows:
    if not ids:
        return []
    with errors.reading(_VIEWS[statement.name]):
        return statement.rows(connection, {"ids": bigints(ids), **columns})
