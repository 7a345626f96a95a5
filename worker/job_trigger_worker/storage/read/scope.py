"""What a viewer may see, and which jobs are meant (R10); the one definition of both.

Conditions over a job `c` of `console_job`, or over any expression that is a job's id, with the
parameters that they read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import EVERYTHING, JobFilter, Scope
from job_trigger_worker.storage.db.arrays import bigints

FEW = 300
"""Jobs whose records are merged."""

SOME = 1_000
"""Jobs that are named one by one in a statement; of more, each row is asked whose it is."""


def may_see(scope: Scope, job: str) -> str:
    """A condition: the viewer may see the job with the id `job`; asked of one row after the other.

    `offset 0` keeps it that: as a join, its estimates decide, and they are wrong by far.
    """
    if scope.group_ids is None:
        return "true"
    return f"""exists (select from console_job_group g where g.job_id = {job}
        and g.group_id = any(cast(:scope_groups as bigint[])) offset 0)"""


def viewer(scope: Scope) -> dict[str, Any]:
    """The parameters that `may_see` reads."""
    return {} if scope.group_ids is None else {"scope_groups": bigints(scope.group_ids)}


def sees(scope: Scope, group_ids: frozenset[int]) -> bool:
    """The same as `may_see`, for a job whose groups are known (`groups_of`)."""
    return scope.group_ids is None or not group_ids.isdisjoint(scope.group_ids)


def groups_of(connection: Connection, job_ids: Iterable[int]) -> dict[int, frozenset[int]]:
    """The groups of some jobs; a job that is gone has none and is not in it. One statement."""
    rows = connection.execute(
        text(
            """
            select g.job_id, array_agg(cast(g.group_id as bigint)) as group_ids
            from console_job_group g where g.job_id = any(cast(:job_ids as bigint[]))
            group by g.job_id
            """
        ),
        {"job_ids": bigints(sorted(set(job_ids)))},
    )
    return {row.job_id: frozenset(row.group_ids) for row in rows}


def where_scanned(scope: Scope, wanted: JobFilter) -> tuple[str, dict[str, Any]]:
    """A condition on the job `c` by what an index can serve: all but status, text and target."""
    conditions, values = [may_see(scope, "c.job_id")], viewer(scope)
    if wanted.name_prefix:
        conditions.append("""lower(c.name) collate "C" like :name_prefix""")
        values["name_prefix"] = escaped(wanted.name_prefix.lower()) + "%"
    if wanted.owner_id is not None:
        conditions.append("c.owner_id = :owner_id")
        values["owner_id"] = wanted.owner_id
    if wanted.job_type is not None:
        conditions.append("lower(cast(c.job_type as text)) = :job_type")
        values["job_type"] = wanted.job_type
    if wanted.group_id is not None:
        conditions.append(
            "exists (select from console_job_group w where w.job_id = c.job_id"
            " and w.group_id = :group_id offset 0)"
        )
        values["group_id"] = wanted.group_id
    if wanted.is_enabled is not None:
        negation = "" if wanted.is_enabled else "not "
        conditions.append(f"{negation}(cast(c.enabled as boolean) is true)")
    return " and ".join(conditions), values


def where_indexed(wanted: JobFilter) -> tuple[str, dict[str, Any]]:
    """A condition on the job `c` by what no index serves: text and target. `true` for none."""
    values: dict[str, Any] = {}
    conditions = ["true"]
    if wanted.text:
        conditions.append(
            """(c.name ilike :pattern or cast(c.job_id as text) = :text
                or exists (select from awp_automcation_job m where m.id = c.job_id
                           and m.trigger_message ilike :pattern)
                or exists (select from console_job_target t where t.job_id = c.job_id
                           and (cast(t.server_id as text) = :text or t.account = :text)))"""
        )
        values |= {"pattern": f"%{escaped(wanted.text)}%", "text": wanted.text}
    if wanted.server_id is not None:
        conditions.append(
            """exists (select from console_job_target t where t.job_id = c.job_id
                and t.server_id = :server_id)"""
        )
        values["server_id"] = wanted.server_id
    return " and ".join(conditions), values


def few_jobs(
    connection: Connection, scope: Scope, wanted: JobFilter, few: int | None = None
) -> list[int] | None:
    """The ids of the jobs meant, when they are few; None when they are many, or not known so soon.

    At most two statements: the jobs of the scope, and if these are many those of the filter by what
    an index serves. Of neither are more than `few` gone through.
    """
    few = FEW if few is None else few
    drivers: list[tuple[str, dict[str, Any]]] = []
    if scope.group_ids is not None:
        drivers.append((OF_SCOPE, viewer(scope)))
    if wanted.group_id is not None:
        drivers.append((f"{_OF_GROUPS} :group_id", {"group_id": wanted.group_id}))
    elif _is_selective(wanted):
        served = JobFilter(name_prefix=wanted.name_prefix, owner_id=wanted.owner_id)
        condition, values = where_scanned(EVERYTHING, served)
        drivers.append((f"select c.job_id from console_job c where {condition}", values))
    for number, (driver, values) in enumerate(drivers):
        is_of_scope = number == 0 and scope.group_ids is not None
        asked = EVERYTHING if is_of_scope else scope
        ids = _driven(connection, driver, values, asked, wanted, few)
        if ids is not None:
            return ids
    return None


_OF_GROUPS = "select g.job_id from console_job_group g where g.group_id ="
OF_SCOPE = f"{_OF_GROUPS} any(cast(:scope_groups as bigint[]))"
"""SQL of the jobs that the viewer may see; one of several groups may be there several times."""


def _driven(
    connection: Connection,
    driver: str,
    values: dict[str, Any],
    scope: Scope,
    wanted: JobFilter,
    few: int,
) -> list[int] | None:
    """Of the jobs that a `driver` gives, those meant; None when it gives more than a few."""
    meant = "driven"
    if narrows(scope, wanted):
        condition, more = where_scanned(scope, wanted)
        values = {**values, **more}
        meant = f"driven join console_job c on c.job_id = driven.id where {condition}"
    # A job of several groups may be there several times: then they are fewer than they seem.
    ids = connection.execute(
        text(
            f"""
            with driven as materialized (
                select cast(job_id as bigint) as id from ({driver} limit {few + 1}) as found)
            select case when (select count(*) from driven) <= {few}
                then coalesce((select array_agg(distinct driven.id) from {meant}), '{{}}') end
            """
        ),
        values,
    ).scalar_one()
    return None if ids is None else sorted(ids)


def narrows(scope: Scope, wanted: JobFilter) -> bool:
    """True when scope or filter leave jobs out by `where_scanned`."""
    return (
        scope.group_ids is not None
        or _is_selective(wanted)
        or wanted.job_type is not None
        or wanted.is_enabled is not None
    )


def _is_selective(wanted: JobFilter) -> bool:
    """True when an index finds the jobs meant among very many."""
    return bool(wanted.name_prefix or wanted.owner_id is not None or wanted.group_id is not None)


def escaped(words: str) -> str:
    """Text as a pattern of `like` that means nothing but itself."""
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
