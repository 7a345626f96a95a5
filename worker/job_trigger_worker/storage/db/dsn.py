"""The database's address as drivers take it."""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_ANY = "-"
"""Tried on a client key that has one and was given none: a driver that has nothing to try would ask
the terminal, and wait for it."""
_WORD = re.compile(r"(?:\\.|[^\s\\])+")
_ESCAPED = re.compile(r"\\(.)")


class Dsn(NamedTuple):
    """Where a database is, and the server settings that its address asks for (`options=-c …`)."""

    url: URL
    settings: dict[str, str]


def parse(url: str) -> Dsn:
    """An address, completed by defaults. Raises ArgumentError for an invalid one.

    Its settings are taken out of it: a session sets them itself, because a connection pooler drops
    or refuses what is asked for while connecting.
    """
    try:
        address = make_url(url)
    except ValueError:  # of a port, which after a password with an @ is a part of it
        raise ArgumentError("a port is a number") from None
    if "@" in (address.host or ""):  # what stands before it is the end of a password
        raise ArgumentError("an @ in a password is written as %40")
    said = address.query.get("options", ())
    settings = _settings(said if isinstance(said, str) else " ".join(said))
    address = address.difference_update_query(["options"])
    if "sslpassword" not in address.query:
        address = address.update_query_dict({"sslpassword": _ANY})
    return Dsn(address, settings)


def _settings(options: str) -> dict[str, str]:
    """The settings in libpq's `options`: `-c name=value`, `-cname=value` or `--name=value`.

    Raises ArgumentError for anything else that may stand there.
    """
    words = iter(_ESCAPED.sub(r"\1", word) for word in _WORD.findall(options))
    settings = {}
    for word in words:
        if word == "-c":
            setting = next(words, "")
        elif word.startswith(("-c", "--")):
            setting = word[2:]
        else:
            raise ArgumentError("options may only set something: -c name=value")
        name, is_set, value = setting.partition("=")
        if not is_set or not name:
            raise ArgumentError("options set something as -c name=value")
        settings[name.replace("-", "_")] = value
    return settings
