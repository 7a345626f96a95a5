"""Jobs whose columns (R3) are behind their records, because somebody else had the row locked.

Noted in the transaction that writes the records, so that whoever runs next knows of them, whatever
has crashed meanwhile; `projection.reproject` sets the columns again. Nothing here waits for a lock:
a job may be noted more than once, by several workers, and a note that is being worked on is
somebody else's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import Connection, text

from job_trigger_worker.storage.db.arrays import bigints
from job_trigger_worker.storage.db.prepared_statements import prepared

# A note that we have locked nobody can be done with before this transaction ends; of one that we
# cannot lock, somebody may have read the records already.
_NOTE = prepared(
    """
    with noted as materialized (
        select n.job_id from awp_job_reprojection n
        where n.job_id = any(cast(:job_id as bigint[])) for key share skip locked
    )
    insert into awp_job_reprojection (job_id)
    select b.job_id from unnest(cast(:job_id as bigint[])) as b (job_id)
    where b.job_id not in (select job_id from noted)
    """
)
_PAGE = text(
    """
    select n.id, n.job_id, extract(epoch from now() - n.noted_at) as age_s
    from awp_job_reprojection n
    where n.id > :after order by n.id limit :most for update skip locked
    """
)
_FORGET = text("delete from awp_job_reprojection where id = any(cast(:ids as bigint[]))")
_COUNT = text("select count(distinct job_id) from awp_job_reprojection")


class Note(NamedTuple):
    """That a job is behind; `age_s` is for how many seconds."""

    id: int
    job_id: int
    age_s: float


def note(connection: Connection, job_ids: Collection[int]) -> None:
    """Note that these jobs are behind, unless that is noted."""
    _NOTE.count(connection, {"job_id": bigints(job_ids)})


def page(connection: Connection, after: int, most: int) -> list[Note]:
    """The next notes behind one, ours until the transaction ends; without those of others."""
    rows = connection.execute(_PAGE, {"after": after, "most": most})
    return [Note(row.id, row.job_id, float(row.age_s)) for row in rows]


def forget(connection: Connection, ids: Iterable[int]) -> None:
    """Delete notes of a page whose jobs are no longer behind."""
    connection.execute(_FORGET, {"ids": bigints(ids)})


def count(connection: Connection) -> int:
    """How many jobs are behind."""
    return int(connection.execute(_COUNT).scalar_one())
