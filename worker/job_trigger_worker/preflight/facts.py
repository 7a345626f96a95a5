"""Everything that the checks of a batch look at, read at one moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from job_trigger_worker.domain.cost import Cost, KnownCosts, is_too_much, outcome_bytes
from job_trigger_worker.domain.inventory import (
    Account,
    Automation,
    Credential,
    Grant,
    Job,
    JobRow,
    Owner,
    Server,
    UnclearColumns,
    UnreadableRow,
)
from job_trigger_worker.domain.parameter import Parameter, parse
from job_trigger_worker.storage.platform import inventory

Change = Callable[[Job], Job]
"""What somebody would make of a job before it is saved."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the inventory said about the jobs of a batch; what is absent does not exist.

    `parameters` has one for each job, read once. `grants` holds at least those of the jobs' owners
    and of their groups; `unclear_grants` are rows that may be such, and say something that is not
    allowed. `unreadable` says by job id which row that a job needs cannot be read:
    nothing else here may be taken for what is known of such a job. `unread` are jobs that were
    asked for and left out: of them nothing is known, not even whether they exist. `canaries` are
    the jobs that a canary may run, of those that `read_canaries` was asked for.
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
    unread: AbstractSet[int] = frozenset()
    canaries: AbstractSet[int] = frozenset()
    unclear_grants: Mapping[Grant, UnclearColumns] = field(default_factory=dict)


NO_FACTS = Facts({}, {}, {}, {}, {}, {}, {}, frozenset())
"""What is known of no jobs."""


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
    return _facts(connection, jobs, parameters)


def facts_of_first(connection: Connection, job_ids: Sequence[int], known: KnownCosts) -> Facts:
    """The facts for as many of the first of these jobs as a batch has room for; see `facts_in`.

    At most eight statements: large parameters are read by one of their own, when it is clear how
    many of them there is room for. Every job behind the first one left out is left out, too
    (`unread`); what those may cost that are large is noted in `known`.
    """
    rows = inventory.select_job_rows(connection, job_ids)
    first, texts = job_ids, dict[int, str | None]()
    if any(row.about_bytes is not None for row in rows.values()):
        first = first_with_room(job_ids, rows, known)
        texts = inventory.select_parameters(connection, large(first, rows))
    jobs, parameters, unread = parse_first(job_ids, first, rows, texts, known)
    return replace(_facts(connection, jobs, parameters), unread=unread)


def first_with_room(
    job_ids: Sequence[int], rows: Mapping[int, JobRow], known: KnownCosts
) -> Sequence[int]:
    """As many of the first jobs as a batch has room for, by the lengths of their parameters.

    At least one. Lengths of the others are noted in `known`.
    """
    sum_, room = Cost(), 0
    for place, job_id in enumerate(job_ids):
        row = rows.get(job_id)
        if row is None or row.about_bytes is None:
            continue
        sum_ = sum_.plus(known.of(job_id, row.about_bytes))
        if room or (place and sum_.is_too_much):
            room = room or place
            known.note_length(job_id, row.about_bytes)
    return job_ids[:room] if room else job_ids


def large(job_ids: Sequence[int], rows: Mapping[int, JobRow]) -> list[int]:
    """Those of the jobs whose parameters did not come with their rows."""
    return [i for i in job_ids if i in rows and rows[i].about_bytes is not None]


def parse_first(
    job_ids: Sequence[int],
    first: Sequence[int],
    rows: Mapping[int, JobRow],
    texts: Mapping[int, str | None],
    known: KnownCosts,
) -> tuple[dict[int, Job], dict[int, Parameter], AbstractSet[int]]:
    """The first jobs with their parameters, as many as a batch has room for, and all the others.

    `first` is what was read of `job_ids`, `texts` are their large parameters.
    """
    jobs: dict[int, Job] = {}
    parameters: dict[int, Parameter] = {}
    if not texts and len(first) == len(job_ids):  # as nearly always: nothing large, and all fit
        jobs = {job_id: row.job for job_id, row in rows.items()}
        parameters = {i: parse(job.job_type, job.parameter) for i, job in jobs.items()}
        length = sum(len(job.parameter) for job in jobs.values() if job.parameter)
        targets = sum(len(parameter.targets) for parameter in parameters.values())
        if not is_too_much(length, targets, outcome_bytes(length, targets)):
            return jobs, parameters, frozenset()
        jobs, parameters = {}, {}
    length = targets = outcome = 0
    cut: int | None = None
    for place, job_id in enumerate(first):
        row = rows.get(job_id)
        if row is None:
            continue
        job, about_bytes = row
        if about_bytes is not None:
            job = job._replace(parameter=texts.get(job_id))
        parameter = parse(job.job_type, job.parameter)
        own_length, own_targets = len(job.parameter or ""), len(parameter.targets)
        before = known.judged(job_id) if about_bytes else None
        if about_bytes:
            known.learn(about_bytes, own_length, own_targets)
        length += own_length
        targets += own_targets
        outcome += before.outcome_bytes if before else outcome_bytes(own_length, own_targets)
        if cut is None and jobs and is_too_much(length, targets, outcome):
            cut = place
        if cut is None:
            jobs[job_id] = job
            parameters[job_id] = parameter
        else:
            known.note(job_id, before or Cost.about(own_length, own_targets))
    return jobs, parameters, frozenset(job_ids[len(first) if cut is None else cut :])


def _facts(
    connection: Connection, jobs: Mapping[int, Job], parameters: Mapping[int, Parameter]
) -> Facts:
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
    rows = inventory.select_grants(connection, keys, owners, groups) if owners else {}
    grants, unclear_grants = told_apart(rows)
    return Facts(
        jobs,
        parameters,
        servers,
        accounts,
        credentials,
        owners,
        automations,
        grants,
        unclear_grants=unclear_grants,
    )


def told_apart(
    rows: Mapping[Grant, UnclearColumns],
) -> tuple[AbstractSet[Grant], Mapping[Grant, UnclearColumns]]:
    """What is granted, and the rows whose grant is unclear."""
    faults = {grant: columns for grant, columns in rows.items() if columns}
    return (rows.keys() - faults.keys() if faults else rows.keys()), faults
