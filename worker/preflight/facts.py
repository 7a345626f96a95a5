"""Everything that the checks of a batch look at, read at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sqlalchemy import Connection

from worker.domain.inventory import Account, Automation, Credential, Grant, Job, Owner, Server
from worker.domain.parameter import Parameter, parse
from worker.storage import inventory


@dataclass(frozen=True, slots=True)
class Facts:
    """What the inventory said about the jobs of a batch; what is absent does not exist.

    `parameters` has one for each job, read once. `grants` holds at least those of the jobs' owners
    and of their groups.
    """

    jobs: Mapping[int, Job]
    parameters: Mapping[int, Parameter]
    servers: Mapping[int, Server]
    accounts: Mapping[tuple[int, str], Account]
    credentials: Mapping[int, Credential]
    owners: Mapping[int, Owner]
    automations: Mapping[tuple[str, int], Automation]
    grants: AbstractSet[Grant]


def read_facts(connection: Connection, job_ids: Collection[int]) -> Facts:
    """Read the facts for these jobs: at most seven statements, whatever their number.

    `connection` is in a REPEATABLE READ READ ONLY transaction, so that all statements see one
    snapshot (a server that is deleted meanwhile cannot appear as a missing account), and that
    transaction ends before anything is written. What a statement raises goes up as it is: a fact
    that could not be read is *unknown* and never a finding (promise 6).
    """
    return facts_of(connection, inventory.select_jobs(connection, set(job_ids)))


def facts_of(connection: Connection, jobs: Mapping[int, Job]) -> Facts:
    """Read the facts for jobs as given, saved like this or not; see `read_facts`."""
    parameters = {job.job_id: parse(job.job_type, job.parameter) for job in jobs.values()}
    targets = {
        (target.server_id, target.account)
        for parameter in parameters.values()
        for target in parameter.targets
    }
    servers = inventory.select_servers(connection, {server_id for server_id, _ in targets})
    accounts = inventory.select_accounts(connection, targets)
    credentials = inventory.select_credentials(
        connection,
        {row.credential_id for row in accounts.values() if row.credential_id is not None},
    )
    owners = inventory.select_owners(
        connection, {job.owner_id for job in jobs.values() if job.owner_id is not None}
    )
    keys = {(job.job_type, job.target_id) for job in jobs.values() if job.target_id is not None}
    automations = inventory.select_automations(connection, keys)
    groups = {group_id for owner in owners.values() for group_id in owner.group_ids}
    grants = inventory.select_grants(connection, keys, owners, groups) if owners else set()
    return Facts(jobs, parameters, servers, accounts, credentials, owners, automations, grants)
