"""Pages of jobs, put together from parts (R4).

Trouble first: jobs whose newest trigger failed, those that began to fail last at the head; then
other trouble among the recent jobs; then the rest of these by the newest slot; then the others by
their ids. Recent are all jobs when they are few, otherwise those of the newest records. The first
page settles which records these are, and cursors keep the `edge`, so that no job is in two parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import TROUBLE, JobSort, Window
from job_trigger_worker.storage.read import paging
from job_trigger_worker.storage.read.job_scan import (
    BY_ID,
    BY_NAME,
    BY_SLOT_OF_RECENT,
    Order,
    OrderedJobScan,
    Place,
    ScanResult,
    take,
    take_trouble,
)
from job_trigger_worker.storage.read.job_selection import HAS_FAILED, JobSelection
from job_trigger_worker.storage.read.paging import NO_SLOT

RECENT = 1_000
"""Records whose jobs are recent."""

RECENT_WIDE = 10_000
"""The same for a list by a status or text that no index knows."""

_PASSED = 1_000
"""Jobs among which a page looks for those that it has not shown first."""

_FAILING, _TROUBLE, _RECENT, _OTHERS, _ONE = range(5)
"""Parts of a list, as cursors name them; the last is a list of one part."""

_LIKE: dict[str, int | str] = {"part": 0, "rank": 0, "edge": 0, "slot": "", "key": "", "id": 0}
_IS_SHOWN_FIRST = "(coalesce(shown_status, 0) = 2 and coalesce(trigger_status, 0) = 2)"
"""A job of the first part: by its projection, for the index, and by its record."""

_TROUBLES = ", ".join(f"'{status}'" for status in TROUBLE)
_IS_IN_TROUBLE = f"status in ({_TROUBLES})"


@dataclass(frozen=True, slots=True)
class Places:
    """The ids of a page's jobs, where the next one begins, and how far this one looked."""

    ids: list[int]
    next: str | None
    window: Window | None


@dataclass(frozen=True, slots=True)
class _At:
    """Where a page begins: the part, and behind which job in it; without one, at its start.

    `edge` is the smallest id of a recent record; -1 while that is not settled.
    """

    part: int
    rank: int = 0
    place: Place | None = None
    edge: int = -1


@dataclass(slots=True)
class _Page:
    """A page as it fills up."""

    connection: Connection
    meant: JobSelection
    sort: JobSort
    size: int
    at: _At
    ids: list[int] = field(default_factory=list)
    window: Window | None = None

    @property
    def room(self) -> int:
        return self.size - len(self.ids)

    @property
    def puts_trouble_first(self) -> bool:
        return self.sort is JobSort.TROUBLE and self.meant.wanted.status is None


def page(
    connection: Connection, meant: JobSelection, sort: JobSort, after: str | None, size: int
) -> Places:
    """A page of a list. Raises `UsageError` for an `after` that is no cursor of this sort."""
    parts: tuple[int, ...] = (_RECENT, _OTHERS)
    if sort in {JobSort.NAME, JobSort.ID} or meant.asks_failure:
        parts = (_ONE,)
    elif sort is JobSort.TROUBLE and meant.wanted.status is None:
        parts = (_FAILING, _TROUBLE, _RECENT, _OTHERS)
    at = _At(parts[0]) if after is None else _read(str(sort), after)
    filled = _Page(connection, meant, sort, size, at)
    for part in parts:
        if part < at.part:
            continue
        if part != filled.at.part:
            filled.at = _At(part, edge=filled.at.edge)
        following = _FILL[part](filled)
        if following is not None:
            return Places(filled.ids, _written(str(sort), following), filled.window)
    return Places(filled.ids, None, filled.window)


def _written(kind: str, at: _At) -> str:
    key, job_id = at.place or ("", 0)
    is_time = at.part in {_FAILING, _TROUBLE, _RECENT}
    return paging.cursor(
        kind,
        {
            "part": at.part,
            "rank": at.rank,
            "edge": at.edge,
            "slot": key if is_time else "",
            "key": "" if is_time else key,
            "id": job_id,
        },
    )


def _read(kind: str, after: str) -> _At:
    said = paging.place(kind, after, _LIKE)
    key = said["slot"] or said["key"]
    place = (key, said["id"]) if said["id"] else None
    return _At(said["part"], said["rank"], place, said["edge"])


def _fill(page: _Page, taken: ScanResult, *, order: Order, is_bounded: bool) -> _At | None:
    """Put what was found on the page; where the next one begins, None when all is here."""
    at, room = page.at, page.room
    page.ids += [job_id for _, (_, job_id) in taken.places[:room]]
    if is_bounded:
        page.window = window_of(order, taken)
    if len(taken.places) > room:
        if room == 0:
            return at
        rank, place = taken.places[room - 1]
        return replace(at, rank=rank, place=place)
    return None if taken.is_complete else replace(at, place=taken.bottom)


def window_of(order: Order, taken: ScanResult) -> Window:
    """How far a page looked; only an order by slots knows a time."""
    key = taken.bottom[0]
    since = None
    if order.is_by_slot and key not in {NO_SLOT, "infinity"}:
        since = datetime.fromisoformat(key)
    return Window(taken.read, since, taken.is_complete)


def _one(page: _Page) -> _At | None:
    """A list of one part: by name, by id, or of failures."""
    meant = page.meant
    order = {JobSort.NAME: BY_NAME, JobSort.ID: BY_ID.asked}.get(page.sort, meant.by_failing)
    if meant.asks_failure:
        stream, is_bounded = meant.failed(page.connection, order)
        if not (is_bounded or meant.wanted.code or meant.wanted.cause):
            stream = replace(stream, most=4 * page.size)
    else:
        stream, is_bounded = meant.narrowed(order), meant.is_bounded
        if not is_bounded:
            stream = replace(stream, most=page.size + 1)
    place = page.at.place
    if place is None and order is BY_NAME and meant.wanted.name_prefix:
        place = (meant.wanted.name_prefix.lower(), 0)  # where the index has to begin
    taken = take(page.connection, stream, place, page.room + 1)
    return _fill(page, taken, order=order, is_bounded=is_bounded)


def _failing(page: _Page) -> _At | None:
    """Jobs whose newest trigger failed."""
    meant = page.meant
    if not meant.is_projected:
        return None
    is_bounded = meant.asks_text or meant.needs_filtering
    stream = replace(meant.failing, rest=HAS_FAILED)
    if not is_bounded:
        stream = replace(stream, most=4 * page.size)
    taken = take(page.connection, stream, page.at.place, page.room + 1)
    return _fill(page, taken, order=stream.order, is_bounded=is_bounded)


def _other_trouble(page: _Page) -> _At | None:
    """Recent jobs in other trouble."""
    stream = replace(_recent_jobs(page), rest=f"not {_IS_SHOWN_FIRST}")
    after = None if page.at.place is None else (page.at.rank, page.at.place)
    taken = take_trouble(page.connection, stream, after, page.room + 1)
    page.window = None if page.meant.is_small else window_of(stream.order, taken)
    # All recent jobs were looked at.
    return _fill(page, replace(taken, is_complete=True), order=stream.order, is_bounded=False)


def _recent(page: _Page) -> _At | None:
    """The rest of the recent jobs."""
    stream = _recent_jobs(page)
    if page.puts_trouble_first:
        stream = replace(stream, rest=f"not {_IS_SHOWN_FIRST} and not {_IS_IN_TROUBLE}")
    taken = take(page.connection, stream, page.at.place, page.room + 1)
    return _fill(
        page,
        replace(taken, is_complete=True),
        order=stream.order,
        is_bounded=page.meant.is_bounded,
    )


def _others(page: _Page) -> _At | None:
    """The jobs that are not recent."""
    meant = page.meant
    if meant.is_small:
        return None
    stream = meant.narrowed(BY_ID.asked, meant.all if meant.is_bounded else None)
    stream = replace(
        stream,
        base=f"{stream.base} and {_is_other(meant)}",
        values={**stream.values, "edge": page.at.edge},
    )
    if page.puts_trouble_first:
        stream = replace(stream, rest=f"not {_IS_SHOWN_FIRST}")
    if not meant.is_bounded:
        # Where nothing is asked on the way, what is looked at is what is shown.
        most = page.room + 1 if stream.rest is None else max(_PASSED, 4 * page.size)
        stream = replace(stream, most=most)
    taken = take(page.connection, stream, page.at.place, page.room + 1)
    return _fill(page, taken, order=stream.order, is_bounded=meant.is_bounded)


def _is_other(meant: JobSelection) -> str:
    if meant.is_projected:
        return "coalesce(j.last_execution_id, 0) < :edge"
    return (
        "not exists (select from awp_job_execution n where n.job_id = c.job_id and n.id >= :edge)"
    )


def _recent_jobs(page: _Page) -> OrderedJobScan:
    """All recent jobs that are meant; settles which these are."""
    if page.at.edge < 0 and not page.meant.is_small:
        page.at = replace(page.at, edge=_edge(page.connection, page.meant))
    return _of_recent(page.meant, page.at.edge)


def recent_jobs(connection: Connection, meant: JobSelection) -> OrderedJobScan:
    """All recent jobs that are meant, for a count of them."""
    return _of_recent(meant, -1 if meant.is_small else _edge(connection, meant))


def _of_recent(meant: JobSelection, edge: int) -> OrderedJobScan:
    if meant.is_small:
        return meant.narrowed(meant.by_slot)
    if meant.is_projected:
        stream = meant.narrowed(BY_SLOT_OF_RECENT)
        base = "n.id >= :edge and n.id < :beyond"
    else:
        stream = meant.narrowed(BY_ID)
        base = """c.job_id in (select n.job_id from awp_job_execution n
            where n.id >= :edge and n.id < :beyond)"""
    # Records that came since the first page count up to as many again.
    most = 2 * _how_recent(meant)
    return replace(
        stream,
        base=f"{stream.base} and {base}",
        values={**stream.values, "edge": edge, "beyond": edge + most},
        most=most,
    )


def _how_recent(meant: JobSelection) -> int:
    return RECENT_WIDE if meant.is_bounded else RECENT


def _edge(connection: Connection, meant: JobSelection) -> int:
    newest = connection.execute(text("select coalesce(max(id), 0) from awp_job_execution"))
    return max(1, int(newest.scalar_one()) - _how_recent(meant) + 1)


_FILL: dict[int, Callable[[_Page], _At | None]] = {
    _FAILING: _failing,
    _TROUBLE: _other_trouble,
    _RECENT: _recent,
    _OTHERS: _others,
    _ONE: _one,
}
