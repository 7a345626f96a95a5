"""The database's address as drivers take it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_ANY = "-"
"""Tried on a client key that has one and was given none: a driver that has nothing to try would ask
the terminal, and wait for it."""


def parsed(url: str) -> URL:
    """An address, with what its author left out. Raises ArgumentError for one that is none."""
    try:
        address = make_url(url)
    except ValueError:  # of a port, which after a password with an @ is a part of it
        raise ArgumentError("a port is a number") from None
    if "@" in (address.host or ""):  # what stands before it is the end of a password
        raise ArgumentError("an @ in a password is written as %40")
    if "sslpassword" in address.query:
        return address
    return address.update_query_dict({"sslpassword": _ANY})


def options(url: URL, settings: Mapping[str, object]) -> str:
    """Server settings as libpq's `options`: what the address says of others, and these."""
    said = url.query.get("options", ())
    before = [said] if isinstance(said, str) else said
    return " ".join([*before, *(f"-c {name}={value}" for name, value in settings.items())])
