"""Jobs with trouble first: the home page's list (R4).

Three parts: jobs whose newest trigger failed, however many; other trouble, looked for among the
newest slots; and the rest. Each goes by the newest slot, the second by rank before that. The first
page that looks for other trouble says where that ended, the `edge`, and cursors keep it, so that no
job is in two parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from worker.domain.reading import TROUBLE, Window
from worker.storage.queries import paging
from worker.storage.queries.job_pages import (
    FAILED,
    HAS_FAILED,
    Meant,
    Places,
    following_place,
    window_of,
)
from worker.storage.queries.job_streams import Place, Stream, take, take_trouble

EDGE = 1_000
"""Jobs of the newest slots among which other trouble is looked for."""

_KIND = "trouble"
_LIKE: dict[str, int | str] = {
    "part": 0,
    "rank": 0,
    "slot": "",
    "id": 0,
    "edge_slot": "",
    "edge_id": 0,
}
_FIRST, _SECOND, _LAST = range(3)
_IS_SHOWN_FIRST = "(coalesce(shown_status, 0) = 2 and coalesce(trigger_status, 0) = 2)"
"""A job of the first part: by its projection, for the index, and by its record."""

_IS_SHOWN_SECOND = f"""(status in ({", ".join(f"'{status}'" for status in TROUBLE)})
    and (key, job_id) >= (cast(:edge_key as timestamptz), :edge_id))"""


@dataclass(frozen=True, slots=True)
class _At:
    """Where a page begins: the part, and behind which job in it; without one, at its start."""

    part: int = _FIRST
    rank: int = 0
    place: Place | None = None
    edge: Place | None = None

    def cursor(self) -> str:
        """As a cursor."""
        slot, job_id = self.place or ("", 0)
        edge_slot, edge_id = self.edge or ("", 0)
        return paging.cursor(
            _KIND,
            {
                "part": self.part,
                "rank": self.rank,
                "slot": slot,
                "id": job_id,
                "edge_slot": edge_slot,
                "edge_id": edge_id,
            },
        )

    @classmethod
    def of(cls, after: str) -> _At:
        """From a cursor; raises `Misused` for what is none."""
        said = paging.place(_KIND, after, _LIKE)
        place = (said["slot"], said["id"]) if said["slot"] else None
        edge = (said["edge_slot"], said["edge_id"]) if said["edge_slot"] else None
        return cls(said["part"], said["rank"], place, edge)


@dataclass(slots=True)
class _Page:
    """A page as it fills up."""

    connection: Connection
    meant: Meant
    size: int
    at: _At
    ids: list[int] = field(default_factory=list)
    window: Window | None = None

    @property
    def room(self) -> int:
        return self.size - len(self.ids)


def by_trouble(connection: Connection, meant: Meant, after: str | None, size: int) -> Places:
    """A page. Raises `Misused` for an `after` that is no cursor of this list."""
    page = _Page(connection, meant, size, _At() if after is None else _At.of(after))
    following: _At | None = None
    if page.at.part == _FIRST:
        following = _failed(page)
    if following is None and page.at.part == _SECOND:
        following = _other_trouble(page)
    if following is None:
        following = _rest(page)
    return Places(page.ids, None if following is None else following.cursor(), page.window)


def _failed(page: _Page) -> _At | None:
    """Fill with failed triggers; where the next page begins, None when they are all here."""
    stream = page.meant.stream
    if page.meant.is_projected:
        narrowed = replace(
            stream,
            base=f"{stream.base} and {FAILED}",
            rest=HAS_FAILED,
            most=stream.most if page.meant.asks_text else 4 * page.size,
        )
        taken = take(page.connection, narrowed, page.at.place, page.size + 1)
        page.ids += [job_id for _, job_id in taken.places[: page.size]]
        if (following := following_place(taken, page.size)) is not None:
            if page.meant.asks_text:
                page.window = window_of(stream.order, taken)
            return _At(_FIRST, place=following)
    page.at = _At(_SECOND)
    return None


def _other_trouble(page: _Page) -> _At | None:
    """Fill with other trouble; where the next page begins, None when it is all here."""
    stream, at = page.meant.stream, page.at
    # Jobs that have got a newer slot since the first page count on top of its thousand.
    narrowed = replace(
        stream, rest=f"not {_IS_SHOWN_FIRST}", most=EDGE if at.edge is None else 2 * EDGE
    )
    found = take_trouble(
        page.connection,
        narrowed,
        edge=at.edge,
        after=None if at.place is None else (at.rank, at.place),
        size=page.room + 1,
    )
    page.window = None if found.is_complete else window_of(stream.order, found)
    room = page.room
    page.ids += [job_id for _, (_, job_id) in found.places[:room]]
    if len(found.places) > room:
        rank, place = found.places[room - 1] if room else (0, None)
        return _At(_SECOND, rank, place, found.edge)
    page.at = _At(_LAST, edge=found.edge)
    return None


def _rest(page: _Page) -> _At | None:
    """Fill with the jobs of neither other part; where the next page begins, None at the end."""
    at, room = page.at, page.room
    stream = _others(page.meant, at.edge or page.meant.stream.order.start, page.size)
    taken = take(page.connection, stream, at.place, room + 1)
    if page.meant.asks_text:
        page.window = window_of(stream.order, taken)
    page.ids += [job_id for _, job_id in taken.places[:room]]
    if room == 0 and taken.places:
        return at
    following = following_place(taken, room)
    return None if following is None else replace(at, place=following)


def _others(meant: Meant, edge: Place, size: int) -> Stream:
    stream = meant.stream
    return replace(
        stream,
        rest=f"not {_IS_SHOWN_FIRST} and not {_IS_SHOWN_SECOND}",
        values={**stream.values, "edge_key": edge[0], "edge_id": edge[1]},
        most=stream.most if meant.asks_text else max(EDGE, 4 * size),
    )
