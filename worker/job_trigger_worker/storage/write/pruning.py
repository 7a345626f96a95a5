"""Deleting old records and dead letters so that the count still closes (promise 7).

What is deleted is added to the ledger in the same transaction: `pruned_…` and the rows that are
left are what the ledger counted. The newest record of a job stays, whatever its age, and so does a
dead letter that nobody has answered for, or that tells where a batch cannot be unpacked: the log
may hold it for longer, and who reads the log has to know where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.write.acknowledgements import OPEN_LETTERS

PAGE_ROWS = 2_000
"""Rows of a transaction: the worker waits for a ledger row no longer than that takes."""

_RECORDS = text(
    """
    with page as (
        select r.id, r.decided_at from awp_job_execution r
        where r.idempotency_key is not null and r.ledger_id is not null
          and r.decided_at < :before
          and (r.decided_at, r.id) > (cast(:decided_at as timestamptz), cast(:id as bigint))
          and not exists (select from awp_automcation_job j
                          where j.id = r.job_id and j.last_execution_id = r.id)
        order by r.decided_at, r.id limit :rows
    ), gone as (
        delete from awp_job_execution r using page p where r.id = p.id
        returning r.id, r.ledger_id, r.duplicate_count
    ), sums as (
        select ledger_id, count(*) as records, sum(duplicate_count) as repeats
        from gone group by ledger_id
    ), noted as (
        update awp_trigger_ledger l set
            pruned_records = l.pruned_records + sums.records,
            pruned_repeats = l.pruned_repeats + sums.repeats,
            pruned_before = greatest(l.pruned_before, :before)
        from sums where l.id = sums.ledger_id
    )
    select (select count(*) from gone) as deleted, p.decided_at, p.id
    from page p order by p.decided_at desc, p.id desc limit 1
    """
)
_LETTERS = text(
    f"""
    with page as (
        select d.id from awp_dead_letter d
        where d.created_at < :before and d.id > :id and d.last_offset is null
          and not ({OPEN_LETTERS})
        order by d.id limit :rows
    ), gone as (
        delete from awp_dead_letter d using page p where d.id = p.id
        returning d.ledger_id, d.execution_id
    ), sums as (
        select ledger_id, count(*) as letters from gone where execution_id is null
        group by ledger_id
    ), noted as (
        update awp_trigger_ledger l set pruned_letters = l.pruned_letters + sums.letters
        from sums where l.id = sums.ledger_id
    )
    select (select count(*) from gone) as deleted, max(p.id) as id from page p
    """
)
_LONG_AGO = "-infinity"


@dataclass(slots=True)
class Pruned:
    """How many rows were deleted."""

    records: int = 0
    letters: int = 0


def prune(engine: Engine, before: datetime, tell: Callable[[Pruned], None]) -> Pruned:
    """Delete what was decided or dead-lettered before a moment, a page a transaction.

    `tell` hears of each page. Interrupted, it has deleted whole pages; run again, it goes on.
    """
    pruned = Pruned()
    place: tuple[datetime | str, int] = (_LONG_AGO, 0)
    while True:
        values = {"before": before, "decided_at": place[0], "id": place[1], "rows": PAGE_ROWS}
        with errors.translate_write_errors(), engine.begin() as connection:
            page = connection.execute(_RECORDS, values).one_or_none()
        if page is None:
            break
        pruned.records += page.deleted
        place = (page.decided_at, page.id)
        tell(pruned)
    last = 0
    while True:
        with errors.translate_write_errors(), engine.begin() as connection:
            page = connection.execute(
                _LETTERS, {"before": before, "id": last, "rows": PAGE_ROWS}
            ).one()
        if page.id is None:
            return pruned
        pruned.letters += page.deleted
        last = page.id
        tell(pruned)
