"""Jobs in an order that an index gives, and how far a page goes through them.

What no index knows, the status of the newest record above all, is asked of each job on the way. A
job's projection (R3) says where in the order it stands; what it is, its records say. Where a
platform keeps no projection, jobs go by their ids.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, text

from worker.domain.reading import JobSort
from worker.domain.trigger import MAX_ID
from worker.storage.queries.combined import JOB_STATUS, RANK, RUN, TROUBLE_RANKS, newest
from worker.storage.queries.paging import NO_SLOT

Place = tuple[str, int]
"""Where a job stands in an order: its key as text, and its id."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order of jobs, by `key` and id. `source` has the job as `c`, its projection as `j`."""

    sort: JobSort
    source: str
    key: str
    type: str
    id: str
    is_descending: bool = False

    @property
    def by(self) -> str:
        """The words behind `order by`; a key that is the same for all is left out."""
        direction = " desc" if self.is_descending else ""
        key = "" if self.is_by_id else f"{self.key}{direction}, "
        return f"{key}{self.id}{direction}"

    @property
    def behind(self) -> str:
        """A condition: behind the place in the parameters `key` and `id`."""
        comparison = "<" if self.is_descending else ">"
        if self.is_by_id:
            return f"{self.id} {comparison} :id"
        return f"({self.key}, {self.id}) {comparison} (cast(:key as {self.type}), :id)"

    @property
    def up_to(self) -> str:
        """A condition: not behind the place in the parameters `edge_key` and `edge_id`."""
        comparison = ">=" if self.is_descending else "<="
        return f"({self.key}, {self.id}) {comparison} (cast(:edge_key as {self.type}), :edge_id)"

    @property
    def start(self) -> Place:
        """A place before the first job."""
        if self.is_descending:
            return ("infinity", MAX_ID)
        return ("", 0)

    @property
    def is_by_id(self) -> bool:
        """True when all keys are the same."""
        return self.key.startswith("cast(")


SLOT = "coalesce(j.last_scheduled_at, '-infinity')"
"""The newest slot in an index's words; a job that has none stands behind all others."""

_PROJECTED = "awp_automcation_job j join console_job c on c.job_id = j.id"
_LISTED = "console_job c left join awp_automcation_job j on j.id = c.job_id"
_BY_SLOT = Order(JobSort.NEWEST_SLOT, _PROJECTED, SLOT, "timestamptz", "j.id", is_descending=True)
_UNPROJECTED = Order(
    JobSort.NEWEST_SLOT,
    _LISTED,
    f"cast('{NO_SLOT}' as timestamptz)",
    "timestamptz",
    "c.job_id",
    is_descending=True,
)
_BY_NAME = Order(JobSort.NAME, _LISTED, 'lower(c.name) collate "C"', "text", "c.job_id")
_BY_ID = Order(JobSort.ID, _LISTED, "cast('' as text)", "text", "c.job_id")


_ORDERS = {JobSort.NAME: _BY_NAME, JobSort.ID: _BY_ID}


def has_projection(connection: Connection) -> bool:
    """False where a platform has jobs of its own and nothing in place of our columns."""
    kept = connection.execute(text("select true from awp_automcation_job limit 1"))
    return kept.first() is not None


def order_of(sort: JobSort, *, is_projected: bool) -> Order:
    """The order of a sort; `trouble` goes by slots, in parts."""
    return _ORDERS.get(sort, _BY_SLOT if is_projected else _UNPROJECTED)


@dataclass(frozen=True, slots=True)
class Stream:
    """Jobs in an order, at most `most` of them.

    `base` is what an index serves, over `c` and `j`. `rest` is asked of each job on the way, over
    `job_id`, `status`, `shown_status` (the projection's), `key` and the newest
    record's `trigger_status`, `trigger_code` and `causes`; `found` before that, over `c` alone.
    """

    order: Order
    base: str
    values: dict[str, Any]
    most: int
    found: str = "true"
    rest: str | None = None

    @property
    def looked(self) -> str:
        """SQL of the jobs that a page goes through."""
        order = self.order
        return f"""
            select c.job_id, c.name, {order.key} as key, j.trigger_status as shown_status
            from {order.source} where {self.base} and {order.behind}
            order by {order.by} limit :most
        """

    @property
    def known(self) -> str:
        """SQL of the jobs in `looked` with their status; one after the other, as they are asked."""
        return f"""
            select c.job_id, c.key, c.shown_status, {JOB_STATUS} as status, r.trigger_status,
                r.trigger_code, r.causes
            from (select * from looked order by {self.by()}) as c
            {newest("c.job_id")} {RUN} where {self.found}
        """

    def by(self, *first: str) -> str:
        """The words behind `order by` for jobs that were looked at."""
        direction = " desc" if self.order.is_descending else ""
        keys = () if self.order.is_by_id else (f"key{direction}",)
        return ", ".join((*first, *keys, f"job_id{direction}"))


@dataclass(frozen=True, slots=True)
class Taken:
    """What a page found, in order, and the last place that it looked at.

    `is_complete` when there was nothing behind it. `read` jobs were looked at.
    """

    places: tuple[Place, ...]
    bottom: Place
    read: int
    is_complete: bool


def take(connection: Connection, stream: Stream, after: Place | None, size: int) -> Taken:
    """The next `size` jobs of a stream, behind `after`: one statement, one snapshot."""
    hits = "select job_id, key from looked" if stream.rest is None else stream.known
    condition = stream.rest or "true"
    key, job_id = after or stream.order.start
    found = connection.execute(
        text(
            f"""
            with looked as materialized ({stream.looked}), hits as (
                select job_id, key from ({hits}) as known where {condition}
                order by {stream.by()} limit :size
            )
            select job_id, cast(key as text) as key, false as is_bottom, 0 as read,
                row_number() over (order by {stream.by()}) as place
            from hits
            union all
            (select job_id, cast(key as text), true, cast(count(*) over () as int), 0
             from looked order by {_reversed(stream)} limit 1)
            order by place
            """
        ),
        {**stream.values, "key": key, "id": job_id, "most": stream.most, "size": size},
    ).all()
    places = tuple((row.key, row.job_id) for row in found if not row.is_bottom)
    bottom = next((row for row in found if row.is_bottom), None)
    if bottom is None:
        return Taken((), (key, job_id), 0, is_complete=True)
    return Taken(places, (bottom.key, bottom.job_id), bottom.read, bottom.read < stream.most)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Jobs in trouble, the worst first, with their ranks; and the `edge` of where was looked."""

    places: tuple[tuple[int, Place], ...]
    edge: Place
    read: int
    is_complete: bool


def take_trouble(
    connection: Connection,
    stream: Stream,
    *,
    edge: Place | None,
    after: tuple[int, Place] | None,
    size: int,
) -> Trouble:
    """The next `size` jobs in trouble among the first of a stream: one statement, one snapshot.

    `edge` is the last place to look at; without one, `most` jobs are looked at.
    """
    values = dict(stream.values)
    condition = f"rank < {TROUBLE_RANKS} and {stream.rest or 'true'}"
    if edge is not None:
        stream = replace(stream, base=f"{stream.base} and {stream.order.up_to}")
        values |= {"edge_key": edge[0], "edge_id": edge[1]}
    if after is not None:
        condition += """ and (rank > :after_rank or rank = :after_rank
            and (key, job_id) < (cast(:after_key as timestamptz), :after_id))"""
        values |= {"after_rank": after[0], "after_key": after[1][0], "after_id": after[1][1]}
    key, job_id = stream.order.start
    found = connection.execute(
        text(
            f"""
            with looked as materialized ({stream.looked}), ranked as (
                select *, {RANK} as rank from ({stream.known}) as known
            ), hits as (
                select * from ranked where {condition} order by rank, {stream.by()} limit :size
            )
            select job_id, cast(key as text) as key, rank, 0 as read,
                row_number() over (order by rank, {stream.by()}) as place
            from hits
            union all
            (select job_id, cast(key as text), null, cast(count(*) over () as int), 0
             from looked order by {_reversed(stream)} limit 1)
            order by place
            """
        ),
        {**values, "key": key, "id": job_id, "most": stream.most, "size": size},
    ).all()
    places = tuple((row.rank, (row.key, row.job_id)) for row in found if row.rank is not None)
    bottom = next((row for row in found if row.rank is None), None)
    if bottom is None or bottom.read < stream.most:
        return Trouble(places, edge or (NO_SLOT, 0), bottom.read if bottom else 0, is_complete=True)
    return Trouble(places, edge or (bottom.key, bottom.job_id), bottom.read, is_complete=False)


def _reversed(stream: Stream) -> str:
    direction = "" if stream.order.is_descending else " desc"
    return f"key{direction}, job_id{direction}"
