"""What a job shows of its records (R3): its newest one, and the run of failures that ends there.

`failing_since` and `consecutive_failures` are of the failures behind the job's last success, in the
order of `newest`. They follow from a batch alone while it is newer than all that the job has shown,
which is nearly always: one statement. Only what comes late is held against the records.

None of this waits for somebody else's transaction: a row that is locked is left as it is, and its
job is noted (`reprojections`). The first statement takes the rows that nobody has locked since they
were written last, which costs nothing (their `xmax` is 0); only the others are asked for one by
one. A view has no `xmax`: its rows are asked for first, where they are those of one table. Behind
any other view a row is waited for, for as long as `lock_timeout` says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.fast_tuples import new
from job_trigger_worker.domain.record import FAILED, SUCCEEDED, Record
from job_trigger_worker.domain.trigger import TriggerKind
from job_trigger_worker.storage.db.arrays import bigints, texts, timestamps
from job_trigger_worker.storage.db.prepared_statements import prepared
from job_trigger_worker.storage.write import job_locks, reprojections
from job_trigger_worker.storage.write.job_locks import JobRow
from job_trigger_worker.storage.write.newest_record import counts, moment, newest_first

# What is null here is that of the newest record, which nearly always is the only one of its job.
# A job that shows nothing is new, or its row is: then there may be records of before.
_PROJECT = f"""
    update awp_automcation_job j set
        trigger_status = b.status,
        trigger_message = b.message,
        last_execution_id = b.record_id,
        last_scheduled_at = b.scheduled_at,
        consecutive_failures = b.failures
            + case when b.failures < b.records then 0 else j.consecutive_failures end,
        failing_since = case when b.failures = 0 then null
            when b.failures < b.records then coalesce(b.failing_since, b.scheduled_at)
            else coalesce(j.failing_since, b.failing_since, b.scheduled_at) end
    from unnest(
        cast(:job_id as bigint[]), cast(:record_id as bigint[]),
        cast(:scheduled_at as timestamptz[]), cast(:status as int[]), cast(:message as text[]),
        cast(:records as int[]), cast(:failures as int[]), cast(:failing_since as timestamptz[]),
        cast(:first_at as timestamptz[]), cast(:first_id as bigint[])
    ) as b (job_id, record_id, scheduled_at, status, message, records, failures, failing_since,
            first_at, first_id)
    where j.id = b.job_id
      and ((j.last_scheduled_at, j.last_execution_id)
               < (coalesce(b.first_at, b.scheduled_at), coalesce(b.first_id, b.record_id))
           or j.last_scheduled_at is null and b.records = (
               select count(*) from (
                   select from awp_job_execution r
                   where r.job_id = j.id and {counts("r")} and {moment("r")} is not null
                   limit b.records + 1) as found))
    """
_PROJECT_IN_TURN = prepared(_PROJECT)
_PROJECT_UNLOCKED = prepared(f"{_PROJECT} and j.xmax = '0'")
_PROJECT_OURS = prepared(f"{_PROJECT} returning j.id")
_ADD = prepared(
    """
    update awp_automcation_job j set consecutive_failures = j.consecutive_failures + b.failures
    from unnest(cast(:job_id as bigint[]), cast(:failures as int[])) as b (job_id, failures)
    where j.id = b.job_id
    """
)
# `+ 0` keeps the index of all failures out of the plan: a job's own records are far fewer.
_REPROJECT = prepared(
    f"""
    update awp_automcation_job j set
        trigger_status = n.trigger_status,
        trigger_message = n.trigger_message,
        last_execution_id = n.record_id,
        last_scheduled_at = n.scheduled_at,
        failing_since = n.failing_since,
        consecutive_failures = n.failures
    from (
        select b.job_id, r.id as record_id, r.trigger_status, r.trigger_message, r.scheduled_at,
            run.failing_since, coalesce(run.failures, 0) as failures
        from unnest(cast(:job_id as bigint[])) as b (job_id)
        left join lateral (
            select r.id, r.trigger_status, r.trigger_message, r.scheduled_at
            from awp_job_execution r
            where r.job_id = b.job_id and {counts("r")} and {moment("r")} is not null
            order by {newest_first("r")} limit 1
        ) as r on true
        left join lateral (
            select {moment("g")} as at, g.id from awp_job_execution g
            where r.trigger_status = {FAILED} and g.job_id = b.job_id and {counts("g")}
              and {moment("g")} is not null and g.trigger_status = {SUCCEEDED}
            order by {newest_first("g")} limit 1
        ) as good on true
        left join lateral (
            select count(*) as failures, min({moment("f")}) as failing_since
            from awp_job_execution f
            where r.trigger_status = {FAILED} and f.job_id = b.job_id and {counts("f")}
              and f.trigger_status + 0 = {FAILED}
              and ({moment("f")}, f.id)
                  > (coalesce(good.at, '-infinity'), coalesce(good.id, 0))
        ) as run on true
    ) as n
    where j.id = n.job_id
      and (j.trigger_status, j.trigger_message, j.last_execution_id, j.last_scheduled_at,
           j.failing_since, j.consecutive_failures)
          is distinct from (n.trigger_status, n.trigger_message, n.record_id, n.scheduled_at,
           n.failing_since, n.failures)
    """
)


_JOBS_AFTER = text(
    """
    select j.id from awp_automcation_job j
    where j.id > :after and (:all or j.id = any(cast(:job_ids as bigint[])))
    order by j.id limit :most
    """
)


_CANARY, _TOO_EARLY = TriggerKind.CANARY, FailureCode.TOO_EARLY


class _Entry(NamedTuple):
    """A record in the order of `newest`."""

    at: datetime
    id: int
    record: Record


class Reprojected(NamedTuple):
    """How many of the jobs were wrong, and those that somebody else has locked."""

    changed: int
    locked: list[int]


def project(
    connection: Connection,
    records: Sequence[Record],
    ids: Mapping[str, int],
    *,
    is_deferred: bool = False,
) -> list[int]:
    """Show on each job its newest record, and the failures in a row that end with it (R3).

    Whatever came late, the columns are those of the records afterwards. `ids` is what
    `records.insert` returned for `records`. Jobs that somebody else has locked are returned, and
    noted in `reprojections`; with `is_deferred` that is all of them. Raises `JobsLocked` where
    nobody may change any job.
    """
    by_job: dict[int, list[_Entry]] = {}
    id_of = ids.get
    for record in records:
        trigger = record.trigger
        record_id = id_of(trigger.idempotency_key)
        if record_id is None or trigger.kind is _CANARY or record.code == _TOO_EARLY:
            continue  # as `newest_record.counts` has it
        slot, decided_at = trigger.scheduled_at, record.decided_at
        entry = new(_Entry, (min(slot, decided_at), record_id, record))
        entries = by_job.get(trigger.job_id)
        if entries is None:
            by_job[trigger.job_id] = [entry]
        else:
            entries.append(entry)
    if not by_job:
        return []
    jobs = sorted(by_job)
    if is_deferred:
        locked = jobs
    else:
        for entries in by_job.values():
            if len(entries) > 1:
                entries.sort(key=_order)
        with job_locks.not_waiting():
            locked = _project(connection, by_job, jobs)
    if locked:
        reprojections.note(connection, locked)
    return locked


def reproject(connection: Connection, job_ids: Collection[int]) -> Reprojected:
    """Set the columns of jobs again, from their records, but for the jobs that are locked.

    Locks the other jobs' rows until the transaction ends. A job without a record shows none.
    Raises `JobsLocked` where nobody may change any job.
    """
    with job_locks.not_waiting():
        rows, locked = job_locks.take(connection, dict.fromkeys(sorted(job_ids)))
        free = sorted(row.id for row in rows)
        return Reprojected(_REPROJECT.count(connection, {"job_id": bigints(free)}), locked)


def waits_for_rows(connection: Connection) -> bool:
    """True where a batch waits for a locked row: behind a view that is more than one table's."""
    is_view = job_locks.is_refused(connection, _PROJECT_UNLOCKED)
    return is_view and not job_locks.skips_locked(connection)


def jobs_after(
    connection: Connection, after: int, most: int, job_ids: Collection[int] = ()
) -> list[int]:
    """The next ids of jobs behind one, in order: of all jobs, or of these."""
    rows = connection.execute(
        _JOBS_AFTER,
        {
            "after": after,
            "most": most,
            "all": not job_ids,
            "job_ids": bigints(sorted(job_ids)),
        },
    )
    return list(rows.scalars())


def _project(
    connection: Connection, by_job: Mapping[int, Sequence[_Entry]], jobs: Sequence[int]
) -> list[int]:
    """See `project`; each job's entries are in order. Returns the jobs that are locked."""
    values = _values(by_job, jobs)
    shown = job_locks.allowed(
        connection, _PROJECT_UNLOCKED, lambda each: each.count(connection, values)
    )
    is_tried = shown is None and not job_locks.skips_locked(connection)
    if is_tried:
        shown = _PROJECT_IN_TURN.count(connection, values)
    if shown == len(jobs):
        return []
    # Late, locked, locked once, or no job of ours; or all of them, of a view.
    rows, locked = job_locks.take(connection, {job_id: by_job[job_id][-1].id for job_id in jobs})
    if not is_tried:
        newer = [row.id for row in rows if _is_newer(by_job[row.id][0], row)]
        if newer:
            done = set(_PROJECT_OURS.rows(connection, _values(by_job, newer)))
            rows = [row for row in rows if (row.id,) not in done]
    if rows:
        _hold_against_records(connection, by_job, rows)
    return locked


def _values(by_job: Mapping[int, Sequence[_Entry]], jobs: Sequence[int]) -> dict[str, str]:
    """What `_PROJECT` is sent for these jobs."""
    rows = [
        _of_one(*entries[0]) if len(entries) == 1 else _of_several(entries)
        for entries in map(by_job.__getitem__, jobs)
    ]
    newest, slots, statuses, messages, records, failures, since, first_at, first_ids = zip(
        *rows, strict=True
    )
    return {
        "job_id": bigints(jobs),
        "record_id": bigints(newest),
        "scheduled_at": timestamps(slots),
        "status": bigints(statuses),
        "message": texts(messages),
        "records": bigints(records),
        "failures": bigints(failures),
        "failing_since": timestamps(since),
        "first_at": timestamps(first_at),
        "first_id": bigints(first_ids),
    }


def _of_one(at: datetime, record_id: int, record: Record) -> tuple[Any, ...]:
    """What `_of_several` says of a single entry, in a third of the time."""
    slot = record.trigger.scheduled_at
    moment = None if at == slot else at
    if record.code is None:
        return record_id, slot, SUCCEEDED, record.message, 1, 0, None, moment, None
    return record_id, slot, FAILED, record.message, 1, 1, moment, moment, None


def _of_several(entries: Sequence[_Entry]) -> tuple[Any, ...]:
    """A job's columns of `_PROJECT` behind its id, in their order."""
    _, record_id, record = entries[-1]
    run = _run(entries)
    return (
        record_id,
        record.trigger.scheduled_at,
        record.status,
        record.message,
        len(entries),
        len(run),
        _moment(run),
        _moment(entries),
        entries[0].id,
    )


def _hold_against_records(
    connection: Connection, by_job: Mapping[int, Sequence[_Entry]], rows: Sequence[JobRow]
) -> None:
    """Count what came late to these jobs, which are ours until the transaction ends.

    A failure between the first and the last of a run makes it one longer. Anything else that can
    change a run is looked up in the records, in a statement that sees all of whoever had the job
    before.
    """
    longer: dict[int, int] = {}
    unsure: list[int] = []
    for row in rows:
        entries = by_job[row.id]
        if _is_newer(entries[-1], row):
            unsure.append(row.id)  # it shows a slot from ahead of its decision, or nothing
        elif row.status == SUCCEEDED:
            continue
        elif row.failing_since is None or any(
            entry.at <= row.failing_since
            if entry.record.status == FAILED
            else entry.at >= row.failing_since
            for entry in entries
        ):
            unsure.append(row.id)
        elif failures := sum(entry.record.status == FAILED for entry in entries):
            longer[row.id] = failures
    if longer:
        _ADD.count(connection, {"job_id": bigints(longer), "failures": bigints(longer.values())})
    if unsure:
        _REPROJECT.count(connection, {"job_id": bigints(sorted(unsure))})


def _is_newer(entry: _Entry, row: JobRow) -> bool:
    """True for a record that is newer than what a job shows, or than nothing."""
    if row.shown_at is None or row.record_id is None:
        return True
    return (entry.at, entry.id) > (row.shown_at, row.record_id)


def _run(entries: Sequence[_Entry]) -> Sequence[_Entry]:
    """The failures at the end of a job's entries."""
    length = 0
    for entry in reversed(entries):
        if entry.record.status != FAILED:
            break
        length += 1
    return entries[len(entries) - length :]


def _moment(entries: Sequence[_Entry]) -> datetime | None:
    """When the first of them was, unless that is the slot of the last."""
    if not entries or entries[0].at == entries[-1].record.trigger.scheduled_at:
        return None
    return entries[0].at


def _order(entry: _Entry) -> tuple[datetime, int]:
    return entry.at, entry.id
