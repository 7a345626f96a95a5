"""Addresses of lists: the filters that they carry, and the way back through their pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request

_MOST_BACK = 12
_PAGING = ("after", "back")


@dataclass(frozen=True, slots=True)
class Address:
    """This page's path and its filters; without what is empty."""

    path: str
    values: Mapping[str, str]

    def to(self, **changes: str | int | None) -> str:
        """The same list with filters changed, from its beginning; None takes one away."""
        values = {**self.values, **{name: str(v) for name, v in changes.items() if v is not None}}
        kept = [(name, v) for name, v in values.items() if changes.get(name, v) is not None]
        return self.path + (f"?{urlencode(kept)}" if kept else "")


@dataclass(frozen=True, slots=True)
class Trail:
    """The place of a page in its list: its own cursor, and those of the pages before it."""

    address: Address
    after: str | None
    back: tuple[str, ...]

    @property
    def newer(self) -> str | None:
        """The page before; the first one where the way back is too long to be kept."""
        if self.after is None:
            return None
        if not self.back:
            return self.address.to()
        return self._page(self.back[-1], self.back[:-1])

    def older(self, following: str | None) -> str | None:
        """The page after, by the `next` of a list."""
        if following is None:
            return None
        back = self.back if self.after is None else (*self.back, self.after)
        return self._page(following, back[-_MOST_BACK:])

    def _page(self, after: str, back: tuple[str, ...]) -> str:
        paging = urlencode([("after", after), *(("back", each) for each in back)])
        start = self.address.to()
        return f"{start}{'&' if '?' in start else '?'}{paging}"


def trail_of(request: Request) -> Trail:
    """What a request's address says."""
    query = request.query_params
    values = {n: v for n, v in query.items() if n not in _PAGING and v.strip()}
    back = tuple(query.getlist("back"))[-_MOST_BACK:]
    return Trail(Address(request.url.path, values), query.get("after") or None, back)
