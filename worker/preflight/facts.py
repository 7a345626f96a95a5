"""Everything that the checks of a batch look at, read at one moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from sqlalchemy import Connection

from worker.domain.inventory import (
    Account,
    Automation,
    Credential,
    Grant,
    Job,
    Owner,
    Server,
    UnreadableRow,
)
from worker.domain.parameter import Parameter, parse
from worker.storage import inventory

Change = Callable[[Job], Job]
"""What somebody would make of a job before it is saved."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the inventory said about the jobs of a batch; what is absent does not exist.

    `parameters` has one for each job, read once. `grants` holds at least those of the jobs' owners
    and of their groups. `unreadable` says by job id which row that a job needs cannot be read:
    nothing else here may be taken for what is known of such a job.
    """

    jobs: Mapping[int, Job]
    parameters: Mapping[int, Parameter]
    servers: Mapping[int, Server]
    accounts: Mapping[tuple[int, str], Account]
    credentials: Mapping[int, Credential]
    owners: Mapping[int, Owner]
    automations: Mapping[tuple[str, int], Automation]
    grants: AbstractSet[Grant]
    unreadable: Mapping[int, UnreadableRow] = field(default_factory=dict)


def facts_in(
    connection: Connection, job_ids: Collection[int], change: Change | None = None
) -> Facts:
    """Read the facts for these jobs: at most seven statements, whatever their number.

    `connection` is in a REPEATABLE READ READ ONLY transaction, so that all statements see one
    snapshot (a server that is deleted meanwhile cannot appear as a missing account), and that
    transaction ends before anything is written. `change` makes of each saved job what is to be
    looked at. What a statement raises goes up: a fact that could not be read is *unknown* and never
    a finding (promise 6). After a `ViewRaised`, `isolated_facts` finds the jobs that it concerns.
    """
    jobs: Mapping[int, Job] = inventory.select_jobs(connection, set(job_ids))
    if change is not None:
        jobs = {job_id: change(job) for job_id, job in jobs.items()}
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
