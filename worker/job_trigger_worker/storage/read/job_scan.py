"""Jobs in an order that an index gives, and how far a page goes through them.

What no index knows, the status of the newest record above all, is asked of each job on the way. A
job's projection (R3) says where in the order it stands; what it is, its records say.

No index holds what every trigger changes, such as a job's newest slot: each update of a projection
would then write to every index of the jobs. The jobs with the newest slots are reached through the
newest records.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, text

from job_trigger_worker.domain.trigger import MAX_ID
from job_trigger_worker.storage.read.paging import NO_SLOT
from job_trigger_worker.storage.read.run_states import JOB_STATUS, RANK, RUN, TROUBLE_RANKS, newest

Place = tuple[str, int]
"""Where a job stands in an order: its key as text, and its id."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order of jobs, by `key` and id. `source` has the job as `c`, its projection as `j`."""

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
    def start(self) -> Place:
        """A place before the first job."""
        if self.is_descending:
            return ("infinity", MAX_ID)
        return ("", 0)

    @property
    def is_by_id(self) -> bool:
        """True when all keys are the same."""
        return self.key.startswith("cast(")

    @property
    def asked(self) -> Order:
        """The same, each job's projection asked one by one: for a long way, or one from the middle.

        Joined as a whole, projections may be read from the first on.
        """
        return replace(self, source=_ASKED)

    @property
    def is_by_slot(self) -> bool:
        """True when keys are times."""
        return self.type == "timestamptz"


_PROJECTED = "awp_automcation_job j join console_job c on c.job_id = j.id"
_RECENT = """
    awp_job_execution n join awp_automcation_job j on j.id = n.job_id and j.last_execution_id = n.id
    join console_job c on c.job_id = j.id
"""
_ASKED = """
    console_job c left join lateral (
        select p.id, p.trigger_status, p.last_execution_id, p.last_scheduled_at, p.failing_since
        from awp_automcation_job p where p.id = c.job_id offset 0) j on true
"""
_LISTED = "console_job c left join awp_automcation_job j on j.id = c.job_id"
_SLOT = f"coalesce(j.last_scheduled_at, '{NO_SLOT}')"

BY_SLOT = Order(_PROJECTED, _SLOT, "timestamptz", "j.id", is_descending=True)
"""All jobs by their newest slots; no index gives it, so it is for few."""

BY_SLOT_OF_RECENT = Order(_RECENT, _SLOT, "timestamptz", "j.id", is_descending=True)
"""The same of jobs whose newest record is `n`."""

BY_FAILING = Order(
    _PROJECTED,
    f"coalesce(j.failing_since, '{NO_SLOT}')",
    "timestamptz",
    "j.id",
    is_descending=True,
)
"""By when jobs began to fail, for those that do."""

BY_NAME = Order(_LISTED, 'lower(c.name) collate "C"', "text", "c.job_id")
BY_ID = Order(_LISTED, "cast('' as text)", "text", "c.job_id")


@dataclass(frozen=True, slots=True)
class OrderedJobScan:
    """Jobs in an order, at most `most` of them.

    `base` is what an index serves, over `c` and `j`. `rest` is asked of each job on the way, over
    `job_id`, `status`, `shown_status` (the projection's), `key` and the newest record's
    `trigger_status`, `trigger_code` and `causes`; `found` before that, over `c` alone.
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
            select c.job_id, c.name, c.owner_id, c.job_type, c.enabled, {order.key} as key,
                j.trigger_status as shown_status
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

    def by(self, *, is_reversed: bool = False) -> str:
        """The words behind `order by` for jobs that were looked at."""
        direction = " desc" if self.order.is_descending is not is_reversed else ""
        key = "" if self.order.is_by_id else f"key{direction}, "
        return f"{key}job_id{direction}"


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a page found, in order and with ranks, and the last place that it looked at.

    `is_complete` when there was nothing behind it. `read` jobs were looked at.
    """

    places: tuple[tuple[int, Place], ...]
    bottom: Place
    read: int
    is_complete: bool


def take(
    connection: Connection, stream: OrderedJobScan, after: Place | None, size: int
) -> ScanResult:
    """The next `size` jobs of a stream, behind `after`: one statement, one snapshot."""
    hits = "select job_id, key from looked" if stream.rest is None else stream.known
    key, job_id = after or stream.order.start
    hits = f"""
        select job_id, key, 0 as rank from ({hits}) as known where {stream.rest or "true"}
        order by {stream.by()} limit :size
    """
    return _taken(connection, stream, hits, {"key": key, "id": job_id, "size": size})


def take_trouble(
    connection: Connection, stream: OrderedJobScan, after: tuple[int, Place] | None, size: int
) -> ScanResult:
    """The next `size` jobs in trouble of a whole stream, the worst first, behind rank and place.

    One statement, one snapshot.
    """
    key, job_id = stream.order.start
    values: dict[str, Any] = {"key": key, "id": job_id, "size": size}
    condition = f"rank < {TROUBLE_RANKS} and {stream.rest or 'true'}"
    if after is not None:
        comparison = "<" if stream.order.is_descending else ">"
        condition += f""" and (rank > :after_rank or rank = :after_rank and (key, job_id)
            {comparison} (cast(:after_key as {stream.order.type}), :after_id))"""
        values |= {"after_rank": after[0], "after_key": after[1][0], "after_id": after[1][1]}
    hits = f"""
        select job_id, key, rank from (select *, {RANK} as rank from ({stream.known}) as known)
            as ranked
        where {condition} order by rank, {stream.by()} limit :size
    """
    return _taken(connection, stream, hits, values)


def _taken(
    connection: Connection, stream: OrderedJobScan, hits: str, values: dict[str, Any]
) -> ScanResult:
    found = connection.execute(
        text(
            f"""
            with looked as materialized ({stream.looked}), hits as ({hits})
            select job_id, cast(key as text) as key, rank, 0 as read,
                row_number() over (order by rank, {stream.by()}) as place
            from hits
            union all
            (select job_id, cast(key as text), null, cast(count(*) over () as int), 0
             from looked order by {stream.by(is_reversed=True)} limit 1)
            order by place
            """
        ),
        {**stream.values, **values, "most": stream.most},
    ).all()
    places = tuple((row.rank, (row.key, row.job_id)) for row in found if row.rank is not None)
    bottom = next((row for row in found if row.rank is None), None)
    if bottom is None:
        return ScanResult((), (values["key"], values["id"]), 0, is_complete=True)
    return ScanResult(places, (bottom.key, bottom.job_id), bottom.read, bottom.read < stream.most)
