"""Cursors: where a page ended, as an opaque text that is safe in an address."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from job_trigger_worker.domain.trigger import MAX_ID
from job_trigger_worker.errors import UsageError

NO_SLOT = "-infinity"
"""The slot of a job that has none: behind all others."""


def cursor(kind: str, place: Mapping[str, int | str]) -> str:
    """A cursor of one kind of list."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, dict(place)])).decode().rstrip("=")


def place(kind: str, after: str, like: Mapping[str, int | str]) -> dict[str, Any]:
    """What a cursor says: the names of `like`, each of the type that it has there.

    A name that ends in `slot` holds a time as text, or nothing. Raises `UsageError` for anything
    that is no cursor of this kind of list: a cursor comes back from outside.
    """
    try:
        padded = after.encode("ascii") + b"=" * (-len(after) % 4)
        written, found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if written == kind and found.keys() == like.keys():
            for name, value in found.items():
                _check(name, value, type(like[name]))
            return dict(found)
    except (ValueError, TypeError, AttributeError):  # whatever a stranger's text raises
        pass
    raise UsageError("The cursor is not one of this list.", remedy="Begin at the first page.")


def _check(name: str, value: object, kind: type) -> None:
    """Raise ValueError for a value that the database would refuse."""
    if type(value) is not kind or (isinstance(value, int) and not -MAX_ID <= value <= MAX_ID):
        raise ValueError(name)
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError(name)
        if name.endswith("slot") and value not in {"", NO_SLOT}:
            datetime.fromisoformat(value)
