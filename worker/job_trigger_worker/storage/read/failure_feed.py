"""Failures as they come: how a live page begins, and goes on without missing one.

Ids are given before a transaction commits, so a smaller id may appear after a greater one. A feed
therefore waits at a failure that was written while another transaction still runs; a failure of
some minutes ago is not waited at, whatever else runs in the database.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import AsOf, Feed, Scope
from job_trigger_worker.storage.read import run_states
from job_trigger_worker.storage.read.records import NAME, NAMED, record
from job_trigger_worker.storage.read.run_states import RUN
from job_trigger_worker.storage.read.scope import may_see, viewer

LOOKED = 2_000
"""Failures that one call looks at, at most, whoever may see them."""

_SETTLED = "interval '2 minutes'"
"""Older transactions than this have ended: no statement of the worker may take so long."""


def newest_failures(connection: Connection, scope: Scope, as_of: AsOf, *, limit: int = 50) -> Feed:
    """The newest failures, the newest first, and the position to go on from."""
    found = _read(
        connection,
        scope,
        as_of,
        f"""
        select f.id, f.decided_at, f.xmin from awp_job_execution f
        where f.trigger_status = 2 order by f.id desc limit {LOOKED}
        """,
        {"start": 0, "limit": limit, "first": "desc"},
    )
    return Feed(found.rows, found.position)


def failures_after(
    connection: Connection, scope: Scope, as_of: AsOf, position: int, *, limit: int = 500
) -> Feed:
    """Failures behind a position, the oldest first, and the position behind them.

    The position moves on past failures that the viewer may not see.
    """
    return _read(
        connection,
        scope,
        as_of,
        f"""
        select f.id, f.decided_at, f.xmin from awp_job_execution f
        where f.trigger_status = 2 and f.id > :start order by f.id limit {LOOKED}
        """,
        {"start": position, "limit": limit, "first": "asc"},
    )


def _read(
    connection: Connection, scope: Scope, as_of: AsOf, looked: str, values: dict[str, object]
) -> Feed:
    direction = values.pop("first")
    # Where none of the newest has settled, a feed begins before all of them.
    unread = "(select min(id) - 1 from looked)" if direction == "desc" else "null"
    rows = connection.execute(
        text(
            f"""
            with looked as materialized ({looked}), settled as (
                select id from looked where id < coalesce((
                    select min(id) from looked
                    where decided_at > cast(:now as timestamptz) - {_SETTLED}
                      and age(xmin) <= age(cast(pg_snapshot_xmin(pg_current_snapshot()) as xid))
                ), {2**63 - 1})
            ), page as (
                select r.id from settled join awp_job_execution r on r.id = settled.id
                where {may_see(scope, "r.job_id")} order by r.id {direction} limit :limit
            ), ended as (
                select case when count(*) = :limit and '{direction}' = 'asc' then max(id)
                    else (select max(id) from settled) end as position
                from page
            )
            select {NAMED}, coalesce(ended.position, {unread}, :start) as position
            from ended left join page on true
            left join awp_job_execution r on r.id = page.id {RUN} {NAME}
            order by r.id {direction}
            """
        ),
        {**values, **viewer(scope), **run_states.moment(as_of)},
    ).mappings()
    found = list(rows)
    return Feed(tuple(record(row) for row in found if row["id"] is not None), found[0]["position"])
