"""Facts when some rows cannot be read: which jobs are affected, and the others' facts.

A row of the platform that makes its view raise (a parameter that is not JSON, under a cast) costs
the jobs that need it, not their neighbours (promise 5). A view of which nothing can be read is an
outage, and costs nobody a verdict (promise 6).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection

from job_trigger_worker.domain.cost import KnownCosts
from job_trigger_worker.domain.inventory import Job, UnreadableRow
from job_trigger_worker.domain.parameter import Parameter, parse
from job_trigger_worker.errors import Unknown, ViewRaised
from job_trigger_worker.preflight.facts import (
    Change,
    Facts,
    facts_in,
    facts_of_first,
    first_with_room,
    large,
    parse_first,
    told_apart,
)
from job_trigger_worker.storage.platform import inventory, neighbours

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found", bound=Collection[object])
Row = TypeVar("Row")

_MOST_READS = 500
"""Statements for one view; what takes more is tried again in a smaller batch."""


Snapshot = Callable[[], AbstractContextManager[Connection]]
"""Begins a REPEATABLE READ READ ONLY transaction."""


def read_facts(snapshot: Snapshot, job_ids: Collection[int]) -> Facts:
    """The facts for these jobs, all of one moment; `unreadable` where some rows cannot be read.

    In the usual case `facts_in`, at most seven statements. Raises what cannot be told apart by job:
    then there is no verdict for anybody.
    """
    try:
        with snapshot() as connection:
            return facts_in(connection, job_ids)
    except ViewRaised:
        with snapshot() as connection:
            return isolated_facts(connection, job_ids)


def read_facts_of_first(snapshot: Snapshot, job_ids: Sequence[int], known: KnownCosts) -> Facts:
    """The same for as many of the first of these jobs as a batch has room for.

    In the usual case `facts_of_first`, at most eight statements.
    """
    try:
        with snapshot() as connection:
            return facts_of_first(connection, job_ids, known)
    except ViewRaised:
        with snapshot() as connection:
            return _isolated_facts_of_first(connection, job_ids, known)


def read_canaries(snapshot: Snapshot, job_ids: Collection[int]) -> frozenset[int]:
    """The jobs that a trigger of kind `canary` may run, without those whose row cannot be read.

    Asked only where there are such triggers: a platform's view may lack the column.
    """
    try:
        with snapshot() as connection:
            return inventory.select_canaries(connection, job_ids)
    except ViewRaised:
        with snapshot() as connection:
            needed = {job_id: {job_id} for job_id in job_ids}
            found = _Isolation(connection).read(
                "preflight_job", inventory.select_canaries, needed, ("job_id",)
            )
            return frozenset().union(*found)


def isolated_facts(
    connection: Connection, job_ids: Collection[int], change: Change | None = None
) -> Facts:
    """The facts that `facts_in` reads, with `unreadable` for the jobs that need a row that raises.

    A view that raises is halved by its keys, with a savepoint a step, until the rows are found that
    raise, or rows that one job alone needs: n of m keys cost about 2 * n * log2(m / n) statements.
    All of them see the snapshot of the connection's transaction. Raises `ViewRaised` where no row
    of a view can be read, and `Unknown` where too many of them raise for one batch.
    """
    isolation = _Isolation(connection)
    rows = isolation.read_jobs(inventory.select_jobs, job_ids)
    jobs = {job_id: change(job) if change else job for job_id, job in rows.items()}
    parameters = {job.job_id: parse(job.job_type, job.parameter) for job in jobs.values()}
    return _rest_of(isolation, jobs, parameters)


def _isolated_facts_of_first(
    connection: Connection, job_ids: Sequence[int], known: KnownCosts
) -> Facts:
    """What `isolated_facts` finds of as many of the first jobs as a batch has room for."""
    isolation = _Isolation(connection)
    rows = isolation.read_jobs(inventory.select_job_rows, job_ids)
    first = first_with_room(job_ids, rows, known)
    texts = isolation.read_jobs(inventory.select_parameters, large(first, rows))
    rows = {i: row for i, row in rows.items() if i not in isolation.unreadable}
    jobs, parameters, unread = parse_first(job_ids, first, rows, texts, known)
    return _rest_of(isolation, jobs, parameters, unread)


def _rest_of(
    isolation: _Isolation,
    jobs: Mapping[int, Job],
    parameters: Mapping[int, Parameter],
    unread: AbstractSet[int] = frozenset(),
) -> Facts:
    """The facts around jobs that have been read."""
    targets = _by_key(
        ((target.server_id, target.account), job_id)
        for job_id, parameter in parameters.items()
        for target in parameter.targets
    )
    of_servers = _by_key((key[0], job_id) for key, ids in targets.items() for job_id in ids)
    servers = _merged(
        isolation.read("preflight_server", inventory.select_servers, of_servers, ("server_id",))
    )
    accounts = _merged(
        isolation.read(
            "preflight_account", inventory.select_accounts, targets, ("server_id", "account")
        )
    )
    credentials = _merged(
        isolation.read(
            "preflight_credential",
            inventory.select_credentials,
            _by_key(
                (account.credential_id, job_id)
                for key, account in accounts.items()
                if account.credential_id is not None
                for job_id in targets.get(key, ())  # where it was asked for by just that name
            ),
            ("credential_id",),
        )
    )
    owners = _merged(
        isolation.read(
            "preflight_owner",
            inventory.select_owners,
            _by_key((job.owner_id, i) for i, job in jobs.items() if job.owner_id is not None),
            ("owner_id",),
        )
    )
    automated = {i: job for i, job in jobs.items() if job.target_id is not None}
    automations = _merged(
        isolation.read(
            "preflight_automation",
            inventory.select_automations,
            _by_key(((job.job_type, job.target_id or 0), i) for i, job in automated.items()),
            ("job_type", "target_id"),
        )
    )
    groups = {owner_id: owner.group_ids for owner_id, owner in owners.items()}
    granted = _merged(
        isolation.read(
            "preflight_grant",
            lambda connection, keys: inventory.select_grants(
                connection,
                {(job_type, target_id) for job_type, target_id, _ in keys},
                {owner_id for _, _, owner_id in keys},
                {group_id for _, _, owner_id in keys for group_id in groups.get(owner_id, ())},
            ),
            _by_key(
                ((job.job_type, job.target_id or 0, job.owner_id), i)
                for i, job in automated.items()
                if job.owner_id in groups
            ),
            ("job_type", "target_id", "principal_id"),
        )
    )
    grants, unclear_grants = told_apart(granted)
    return Facts(
        jobs,
        parameters,
        servers,
        accounts,
        credentials,
        owners,
        automations,
        grants,
        isolation.unreadable,
        unread,
        unclear_grants=unclear_grants,
    )


@dataclass(slots=True)
class _Isolation:
    """Reads views in the transaction of `connection`; `unreadable` are rows, by job id."""

    connection: Connection
    unreadable: dict[int, UnreadableRow] = field(default_factory=dict)
    reads: int = 0

    def read_jobs(
        self,
        select: Callable[[Connection, Collection[int]], Mapping[int, Row]],
        job_ids: Collection[int],
    ) -> dict[int, Row]:
        """What `select` finds of jobs, but for the rows that raise."""
        return _merged(self.read("preflight_job", select, {i: {i} for i in job_ids}, ("job_id",)))

    def read(
        self,
        view: str,
        select: Callable[[Connection, Collection[Key]], Found],
        needed: Mapping[Key, set[int]],
        columns: tuple[str, ...],
    ) -> list[Found]:
        """What `select` finds of `needed`, but for the rows that raise.

        `needed` has the jobs that need a key; those that are unreadable already need nothing more.
        `columns` are those of a key.
        """
        wanted = {
            key: left for key, ids in needed.items() if (left := ids - self.unreadable.keys())
        }
        if not wanted:
            return []
        self.reads = 0
        found: list[Found] = []
        raised: list[tuple[Sequence[Key], ViewRaised]] = []
        in_order = sorted(wanted, key=lambda key: min(wanted[key]))
        is_whole = self._halve(select, wanted, in_order, found, raised)
        if not raised:
            return found
        if not any(found) and not neighbours.can_be_read(self.connection, view, needed):
            raise raised[0][1]
        if not is_whole:
            raise Unknown(
                f"More rows of the view {view} raise ({raised[0][1].sqlstate}) than one batch can "
                "tell apart."
            )
        for keys, error in raised:
            for job_id in {job_id for key in keys for job_id in wanted[key]}:
                row = _named(columns, keys[0]) if len(keys) == 1 else (("job_id", str(job_id)),)
                self.unreadable[job_id] = UnreadableRow(view, error.sqlstate, row, error.words)
        return found

    def _halve(
        self,
        select: Callable[[Connection, Collection[Key]], Found],
        wanted: Mapping[Key, set[int]],
        keys: Sequence[Key],
        found: list[Found],
        raised: list[tuple[Sequence[Key], ViewRaised]],
    ) -> bool:
        """Add what of the keys can be read to `found`, and what raises to `raised`.

        False when there were too many statements for the rest of them.
        """
        if self.reads >= _MOST_READS:
            return False
        self.reads += 1
        try:
            with self.connection.begin_nested():
                found.append(select(self.connection, keys))
        except ViewRaised as error:
            if len(keys) == 1 or len(set().union(*(wanted[key] for key in keys))) == 1:
                raised.append((keys, error))
                return True
            middle = len(keys) // 2
            return all(
                self._halve(select, wanted, half, found, raised)
                for half in (keys[:middle], keys[middle:])
            )
        return True


def _by_key(pairs: Iterable[tuple[Key, int]]) -> dict[Key, set[int]]:
    needed: dict[Key, set[int]] = {}
    for key, job_id in pairs:
        needed.setdefault(key, set()).add(job_id)
    return needed


def _merged(found: Iterable[Mapping[Key, Row]]) -> dict[Key, Row]:
    return {key: row for rows in found for key, row in rows.items()}


def _named(columns: tuple[str, ...], key: object) -> tuple[tuple[str, str], ...]:
    values = key if isinstance(key, tuple) else (key,)
    return tuple((name, str(value)) for name, value in zip(columns, values, strict=True))
