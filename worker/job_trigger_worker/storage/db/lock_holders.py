"""Who holds the lock that one of our sessions waits for, or because of which a job was skipped.

Whose sessions a role may look into is the server's to say: of others' sessions everybody sees the
pid and the application, and members of `pg_read_all_stats` also since when a transaction is open.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.storage.db.arrays import bigints

_NO_COLUMN = "42703"
_NO_RIGHT = "42501"

# A row's lock is waited for as the transaction that holds it, by whoever has the row's turn; that
# turn is a lock which names the row. Of several sessions in a row the last one waits for nobody.
_WAITING = text(
    """
    with recursive waiting as materialized (
        select w.pid, w.relation, w.page, w.tuple, w.waitstart from pg_locks w
        where not w.granted and w.pid = any(cast(:pids as bigint[]))
    ), chain as (
        select w.pid, b.pid as holder, 1 as depth
        from waiting w cross join lateral unnest(pg_blocking_pids(w.pid)) as b (pid)
        union
        select c.pid, b.pid, c.depth + 1
        from chain c cross join lateral unnest(pg_blocking_pids(c.holder)) as b (pid)
        where c.holder <> 0 and c.depth < 5
    )
    select w.pid, coalesce(
            cast(cast(coalesce(t.relation, w.relation) as regclass) as text),
            (select string_agg(c.relname, ', ' order by c.relname)
             from pg_locks l join pg_class c on c.oid = l.relation
             where l.pid = w.pid and l.granted and l.mode = 'RowExclusiveLock'
               and c.relkind in ('r', 'p') and c.relname like 'awp\\_%'),
            'something that has no name') as relation,
        coalesce(t.page, w.page) as page, coalesce(t.tuple, w.tuple) as place,
        coalesce(extract(epoch from clock_timestamp() - w.waitstart), 0) as waited_s,
        h.holder, a.application_name, a.usename,
        extract(epoch from clock_timestamp() - a.xact_start) as open_s
    from waiting w
    join lateral (
        select c.holder from chain c where c.pid = w.pid order by c.depth desc limit 1
    ) as h on true
    left join lateral (
        select l.relation, l.page, l.tuple from pg_locks l
        where l.pid = w.pid and l.locktype = 'tuple' and l.granted limit 1
    ) as t on true
    left join pg_stat_activity a on a.pid = h.holder
    """
)
_OF_JOBS = text(
    """
    select j.id, l.pid as holder, a.application_name, a.usename,
        extract(epoch from clock_timestamp() - a.xact_start) as open_s
    from awp_automcation_job j
    join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = j.xmax
    left join pg_stat_activity a on a.pid = l.pid
    where j.id = any(cast(:job_ids as bigint[])) order by j.id limit 1
    """
)
# Whoever has locked a row has one of these locks on its table, too.
_ALONE = text(
    """
    with recursive reads (oid) as (
        select cast(cast('awp_automcation_job' as regclass) as oid)
        union
        select d.refobjid from reads r join pg_rewrite w on w.ev_class = r.oid
        join pg_depend d on d.classid = cast('pg_rewrite' as regclass) and d.objid = w.oid
            and d.refclassid = cast('pg_class' as regclass)
    )
    select s.pid as holder, a.application_name, a.usename,
        extract(epoch from clock_timestamp() - a.xact_start) as open_s
    from (
        select distinct l.pid from pg_locks l join reads r on r.oid = l.relation
        where l.granted and l.mode not in ('AccessShareLock', 'ShareUpdateExclusiveLock')
          and l.database = (select oid from pg_database where datname = current_database())
          and l.pid is distinct from pg_backend_pid()
    ) as s
    left join pg_stat_activity a on a.pid = s.pid limit 2
    """
)
_OF_PARTITIONS = text(
    """
    select l.pid as holder, a.application_name, a.usename,
        extract(epoch from clock_timestamp() - a.xact_start) as open_s
    from awp_trigger_ledger t
    join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = t.xmax
    left join pg_stat_activity a on a.pid = l.pid
    where t.topic = :topic and t.topic_id = :topic_id
      and t."partition" = any(cast(:partitions as int[]))
    order by t."partition" limit 1
    """
)
_OF_OUTBOX_ROWS = text(
    """
    select l.pid as holder, a.application_name, a.usename,
        extract(epoch from clock_timestamp() - a.xact_start) as open_s
    from awp_trigger_outbox t
    join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = t.xmax
    left join pg_stat_activity a on a.pid = l.pid
    where t.id = any(cast(:ids as bigint[])) order by t.id limit 1
    """
)
_ROWS = {
    "awp_trigger_ledger": text(
        """
        select concat('partition ', "partition", ' of ', topic) from awp_trigger_ledger
        where ctid = cast(:place as tid)
        """
    ),
    "awp_automcation_job": text(
        "select concat('job ', id) from awp_automcation_job where ctid = cast(:place as tid)"
    ),
    "awp_job_execution": text(
        """
        select concat('record ', id, ' of job ', job_id) from awp_job_execution
        where ctid = cast(:place as tid)
        """
    ),
    "awp_action_execution": text(
        """
        select concat('execution ', execution_id) from awp_action_execution
        where ctid = cast(:place as tid)
        """
    ),
    "awp_workflow_execution": text(
        """
        select concat('execution ', execution_id) from awp_workflow_execution
        where ctid = cast(:place as tid)
        """
    ),
}
"""What a row is called in each table whose rows may be waited for."""


class Holder(NamedTuple):
    """A session that holds a lock; `pid` is None for a prepared transaction.

    `open_s` is for how many seconds its transaction has been open, None where that is not ours to
    see.
    """

    pid: int | None
    application: str
    role: str | None
    open_s: float | None

    def __str__(self) -> str:
        if self.pid is None:
            return "a prepared transaction (see pg_prepared_xacts)"
        known = [f"application '{self.application}'"]
        if self.role is not None:
            known.append(f"role '{self.role}'")
        if self.open_s is not None:
            known.append(f"transaction open for {self.open_s:.0f} s")
        return f"session {self.pid} ({', '.join(known)})"


class Wait(NamedTuple):
    """What a session of ours waits for. `row` is empty where no row is known."""

    table: str
    row: str
    waited_s: float
    holder: Holder

    def __str__(self) -> str:
        place = f"{self.table}, row {self.row}" if self.row else self.table
        return f"It has waited {self.waited_s:.0f} s for {place}, which {self.holder} has locked."


def waits(connection: Connection, pids: Collection[int]) -> dict[int, Wait]:
    """What the sessions that wait for a lock wait for, by pid.

    `connection` commits each statement by itself.
    """
    found = {}
    for row in connection.execute(_WAITING, {"pids": bigints(pids)}):
        found[row.pid] = Wait(
            row.relation,
            _named(connection, row.relation, row.page, row.place),
            float(row.waited_s),
            _holder(row),
        )
    return found


def of_jobs(connection: Connection, job_ids: Collection[int]) -> tuple[int, Holder] | None:
    """The first of these jobs that is locked, and by whom; None where that is not known.

    It is not where several sessions share a lock, or where nobody holds it any more. Where the
    platform's jobs are a view, it is known of a session that is the only one.
    """
    try:
        with connection.begin_nested():
            row = connection.execute(_OF_JOBS, {"job_ids": bigints(job_ids)}).one_or_none()
    except DBAPIError as error:
        state = getattr(error.orig, "pgcode", None)
        if state not in {_NO_COLUMN, _NO_RIGHT}:
            raise
        alone = alone_with_jobs(connection) if state == _NO_COLUMN else None
        return None if alone is None else (min(job_ids), alone)
    return None if row is None else (row.id, _holder(row))


def alone_with_jobs(connection: Connection) -> Holder | None:
    """The only other session that has locked any of the platform's jobs.

    None where there are several, or none. Waits for no lock, whatever is locked.
    """
    found = connection.execute(_ALONE).all()
    return _holder(found[0]) if len(found) == 1 else None


def of_partitions(
    connection: Connection, topic: str, topic_id: str, partitions: Collection[int]
) -> Holder | None:
    """Who has locked the ledger's row of the first of these; None where that is not known.

    It is not where several sessions share a lock, or nobody holds it any more.
    """
    values = {"topic": topic, "topic_id": topic_id, "partitions": bigints(partitions)}
    row = connection.execute(_OF_PARTITIONS, values).one_or_none()
    return None if row is None else _holder(row)


def of_outbox_rows(connection: Connection, ids: Collection[int]) -> Holder | None:
    """Who has locked the first of these rows of the outbox; None where that is not known."""
    row = connection.execute(_OF_OUTBOX_ROWS, {"ids": bigints(ids)}).one_or_none()
    return None if row is None else _holder(row)


def _named(connection: Connection, relation: str, page: int | None, place: int | None) -> str:
    """What a row is called, where it has a place."""
    if page is None or place is None:
        return ""
    statement = _ROWS.get(relation)
    at = f"({page},{place})"
    if statement is None:
        return f"at {at}"
    try:
        row = connection.execute(statement, {"place": at}).scalar_one_or_none()
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) != _NO_RIGHT:
            raise
        row = None
    return str(row or f"at {at}")


def _holder(row: Any) -> Holder:
    return Holder(
        row.holder or None,
        row.application_name or "",
        row.usename,
        None if row.open_s is None else float(row.open_s),
    )
