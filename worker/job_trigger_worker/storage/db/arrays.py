"""Columns of rows as PostgreSQL array literals: one bound text parameter a column.

`unnest(cast(:ids as bigint[]))` with such a literal costs about half of what psycopg2's own list
adaptation does (design 6.1). Every function takes the values of one column in row order,
`None` for SQL null, and returns the literal; an empty column is `{}`. The statement casts it, in
the words that each docstring gives.

Nothing is refused here but a time without a zone and a number of more than 64 bits: a NUL character
or a lone surrogate raises ValueError when psycopg2 binds the literal.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from job_trigger_worker.domain.trigger import Uuid


def bigints(values: Iterable[int | None]) -> str:
    """Whole numbers; cast to `bigint[]`, or to `int[]` where they fit."""
    return _listed(list(values))


def texts(values: Iterable[str | None]) -> str:
    """Texts of any content; cast to `text[]`, or to `jsonb[]` when each is JSON.

    A column whose values are arrays themselves is a column of literals:
    `texts(texts(row) for row in rows)`, unnested as text and each cast to `text[]`.
    """
    column = list(values)
    try:
        literal = _listed(column)
    except TypeError:  # half a surrogate pair
        return "{" + ",".join(map(_quoted, column)) + "}"
    # JSON and an array literal differ in how they escape control characters, and in nothing else:
    # where every backslash stands before a quote there is none.
    if literal.count("\\") != literal.count('\\"'):
        return "{" + ",".join(map(_quoted, column)) + "}"
    return literal


def _listed(column: list[Any]) -> str:
    """A JSON list in the brackets of an array literal, where null is NULL, too."""
    return "{" + orjson.dumps(column)[1:-1].decode() + "}"


def _quoted(value: str | None) -> str:
    """One element. Always in quotes, so that NULL, blanks and nothing at all stay texts."""
    if value is None:
        return "NULL"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def uuids(values: Iterable[Uuid | None]) -> str:
    """UUIDs; cast to `uuid[]`."""
    return _listed(list(values))


def timestamps(values: Iterable[datetime | None]) -> str:
    """Moments; cast to `timestamptz[]`. Raises ValueError for one without a zone."""
    column = list(values)
    listed = orjson.dumps(column, option=orjson.OPT_UTC_Z)[1:-1].decode()
    if listed.count("Z") + listed.count("null") != len(column):
        for value in column:
            if value is not None and value.tzinfo is None:
                raise ValueError(f"The time {value.isoformat()} has no zone; pass aware UTC.")
    return "{" + listed + "}"


def booleans(values: Iterable[bool | None]) -> str:
    """Truth values; cast to `boolean[]`."""
    return _listed(list(values))


def bytestrings(values: Iterable[bytes | None]) -> str:
    """Bytes; cast to `bytea[]`."""
    return (
        "{"
        + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values])
        + "}"
    )
