"""Which jobs a list or a count is about, and a page of them in one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from worker.domain.reading import (
    AsOf,
    JobFilter,
    JobSort,
    Scope,
    Status,
    Window,
)
from worker.storage.arrays import bigints
from worker.storage.queries import combined, paging
from worker.storage.queries.job_streams import (
    SLOT,
    Order,
    Place,
    Stream,
    Taken,
    Trouble,
    has_projection,
    order_of,
    take,
)
from worker.storage.queries.paging import NO_SLOT
from worker.storage.queries.record_streams import RARE
from worker.storage.queries.scope import few_jobs, is_found, is_meant

WINDOW = 10_000
"""Jobs that one page looks at, at most, for a text or a status that no index knows."""

CAUSED = 5_000
"""Jobs whose trigger failed that one page looks at, at most, for a code or cause of many."""

FAILED = "j.trigger_status = 2"
HAS_FAILED = "trigger_status = 2"
"""Conditions: on a projection, for the index; and on the newest record, for the truth."""


@dataclass(frozen=True, slots=True)
class Places:
    """The ids of a page's jobs, where the next one begins, and how far this one looked."""

    ids: list[int]
    next: str | None
    window: Window | None


@dataclass(frozen=True, slots=True)
class Meant:
    """The jobs that a list or a count is about. `stream` is all of them; `rest` in it is text."""

    wanted: JobFilter
    is_projected: bool
    stream: Stream

    @classmethod
    def of(
        cls,
        connection: Connection,
        scope: Scope,
        as_of: AsOf,
        wanted: JobFilter,
        sort: JobSort,
    ) -> Meant:
        """What is meant, after at most two statements."""
        is_projected = has_projection(connection)
        condition, values = is_meant(scope, wanted)
        found, more = is_found(wanted)
        few = few_jobs(connection, scope, wanted)
        if few is not None:
            condition = f"c.job_id = any(cast(:few as bigint[])) and {condition}"
            values["few"] = bigints(few)
        stream = Stream(
            order=order_of(sort, is_projected=is_projected),
            base=condition,
            values={**values, **more, **combined.moment(as_of)},
            most=WINDOW,
            found=found,
            rest=None if found == "true" else "true",
        )
        return cls(wanted, is_projected, stream)

    @property
    def asks_status(self) -> bool:
        """True when the newest record decides whether a job is meant."""
        wanted = self.wanted
        return wanted.status is not None or bool(wanted.code or wanted.cause)

    @property
    def asks_text(self) -> bool:
        """True when a text or a target decides, which no index serves."""
        return self.stream.rest is not None


def in_order(
    connection: Connection, meant: Meant, kind: str, after: str | None, size: int
) -> Places:
    """A page of one stream. Raises `Misused` for an `after` that is no cursor of this `kind`."""
    stream, is_bounded = narrowed(connection, meant)
    if not is_bounded:
        stream = replace(stream, most=4 * size if meant.asks_status else size + 1)
    key = "slot" if stream.order.is_descending else "key"
    place = None
    if after is not None:
        found = paging.place(kind, after, {key: "", "id": 0})
        place = (found[key], found["id"])
    taken = take(connection, stream, place, size + 1)
    following = following_place(taken, size)
    again = None
    if following is not None:
        said: dict[str, int | str] = {key: following[0], "id": following[1]}
        again = paging.cursor(kind, said)
    return Places(
        ids=[job_id for _, job_id in taken.places[:size]],
        next=again,
        window=window_of(stream.order, taken) if is_bounded else None,
    )


def following_place(taken: Taken, size: int) -> Place | None:
    """Where the next page begins; None when there is none."""
    if len(taken.places) > size:
        return taken.places[size - 1]
    return None if taken.is_complete else taken.bottom


def window_of(order: Order, taken: Taken | Trouble) -> Window:
    """How far a page looked; only an order by slots knows a time."""
    bottom = taken.bottom if isinstance(taken, Taken) else taken.edge
    since = None
    if order.is_descending and bottom[0] not in {NO_SLOT, "infinity"}:
        since = datetime.fromisoformat(bottom[0])
    return Window(taken.read, since, taken.is_complete)


def narrowed(connection: Connection, meant: Meant) -> tuple[Stream, bool]:
    """The stream with status, code and cause, and whether it asks what no index knows."""
    wanted, stream = meant.wanted, meant.stream
    if not meant.asks_status:
        return stream, meant.asks_text
    values = dict(stream.values)
    if wanted.status not in {None, Status.TRIGGER_FAILED}:
        values["status"] = str(wanted.status)
        rest = "status = :status and not (:code_or_cause)"
        values["code_or_cause"] = bool(wanted.code or wanted.cause)  # of failed triggers only
        base = stream.base
        if wanted.status is Status.NEVER_RUN and meant.is_projected:
            base += f" and {SLOT} = '{NO_SLOT}'"
        return replace(stream, base=base, rest=rest, values=values), True
    base, rest = stream.base, HAS_FAILED
    is_bounded = meant.asks_text or not meant.is_projected
    most = stream.most if is_bounded else CAUSED
    if meant.is_projected:
        base += f" and {FAILED}"
    for name, condition in (
        ("code", "trigger_code = :code"),
        ("cause", "causes @> array[cast(:cause as text)]"),
    ):
        value = getattr(wanted, name)
        if value is None:
            continue
        values[name] = value
        rest += f" and {condition}"
        few = _jobs_of_rare(connection, f"f.{condition}", {name: value})
        if few is None:
            is_bounded = True
        else:
            base += f" and c.job_id = any(cast(:{name}_jobs as bigint[]))"
            values[f"{name}_jobs"] = bigints(few)
    return replace(stream, base=base, rest=rest, values=values, most=most), is_bounded


def _jobs_of_rare(
    connection: Connection, condition: str, values: Mapping[str, Any]
) -> list[int] | None:
    """The jobs of the failures with a code or cause, when these are few; one statement."""
    found = connection.execute(
        text(
            f"""
            select f.job_id from awp_job_execution f
            where f.trigger_status = 2 and {condition} limit {RARE + 1}
            """
        ),
        values,
    )
    ids = list(found.scalars())
    return sorted(set(ids)) if len(ids) <= RARE else None
