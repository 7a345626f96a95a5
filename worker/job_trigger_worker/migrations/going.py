"""What going down one revision drops, shown before anybody agrees to it."""

from __future__ import annotations

from typing import NamedTuple


class Goes(NamedTuple):
    """A whole table, or these `columns` of one; with a `mark`, only what bears it as its comment.

    Each revision lists its own as `DROPS`, and its `downgrade` drops no other table or column.
    """

    table: str
    mark: str | None = None
    columns: tuple[str, ...] = ()
