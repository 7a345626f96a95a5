"""A job's parameter taken apart into rows of servers, and put together again. Pure.

What a form does not know stays exactly as it was saved: other keys, also of a server's entry or a
node, their order, numbers of any size and form. So nothing that is masked is ever written back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from job_trigger_worker.domain.inventory import JobType
from job_trigger_worker.domain.parameter import MAX_CHARACTERS
from job_trigger_worker.domain.trigger import MAX_ID


class Place(NamedTuple):
    """The place of an entry: which list of servers (0 for an action's), and where in it."""

    list: int
    entry: int

    def __str__(self) -> str:
        return f"{self.list}.{self.entry}"


class Row(NamedTuple):
    """A server and account, as text. `place` is None for one that is not saved yet."""

    list: int
    place: Place | None
    server: str
    account: str


class ServerList(NamedTuple):
    """One list of servers: an action's, or a node's. `can_grow` is False where no list stands."""

    place: int
    node_id: str | None
    rows: tuple[Row, ...]
    can_grow: bool


@dataclass(frozen=True, slots=True)
class Edits:
    """What becomes of the entries; those that are not named stay as they are."""

    changed: Mapping[Place, Row] = field(default_factory=dict)
    removed: frozenset[Place] = frozenset()
    added: tuple[Row, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed or self.added)


def parse(job_type: str, text: str | None) -> tuple[ServerList, ...] | None:
    """The lists of a parameter; None for one that can only be corrected where it was made.

    That is one that is no object, too large or too deep, and that of another type of job.
    """
    value = _read(job_type, text)
    if value is None:
        return None
    return tuple(
        _listed(place, node, job_type) for place, node in enumerate(_nodes(job_type, value))
    )


def apply(
    job_type: str,
    text: str | None,
    edits: Edits,
    ips: Mapping[int, str | None] | None = None,
    *,
    are_ids_text: bool = False,
) -> str | None:
    """The parameter with edits, as JSON; as it was where there are none.

    An entry that gets another server loses the ip that was saved of the old one, and takes that of
    `ips`. Its id is written as it was, that of a new one as those beside it, else as those of the
    job; where there are none, as `are_ids_text` says. Edits of places that are not there are passed
    over.
    """
    value = _read(job_type, text) if edits else None
    if value is None:
        return text
    nodes = _nodes(job_type, value)
    usual = _style((e for node in nodes for e in _entries(node)), str if are_ids_text else int)
    for place, node in enumerate(nodes):
        if not isinstance(node, dict):
            continue
        given, entries = node.get("servers"), _entries(node)
        style = _style(entries, usual)
        kept = []
        for position, entry in enumerate(entries):
            at = Place(place, position)
            if at in edits.removed:
                continue
            if at in edits.changed:
                kept.append(_changed(entry, edits.changed[at], style, ips or {}))
            else:
                kept.append(entry)
        kept += [_changed({}, row, style, ips or {}) for row in edits.added if row.list == place]
        if isinstance(given, list) or (given is None and kept):
            node["servers"] = kept
    return orjson.dumps(value).decode()


def as_id(written: str) -> int | None:
    """The id that was typed; None for what can be none."""
    written = written.strip()
    if written.isascii() and written.isdigit() and len(written) <= len(str(MAX_ID)):
        number = int(written)
        return number if 0 < number <= MAX_ID else None
    return None


def diff(lists: Iterable[ServerList], wanted: Iterable[tuple[int, str, str]]) -> Edits:
    """The edits that make the saved entries what is wanted: (list, server, account) of each.

    An entry that is wanted as it is stays, with all that it holds; the rest goes, and what is
    wanted and not there comes at the end of its list.
    """
    free: dict[tuple[int, str, str], list[Place]] = {}
    for each in lists:
        for row in each.rows:
            if row.place is not None:
                free.setdefault((row.list, _plain(row.server), row.account), []).append(row.place)
    added = []
    for place, server, account in wanted:
        if places := free.get((place, _plain(server), account)):
            places.pop(0)
        else:
            added.append(Row(place, None, server, account))
    removed = frozenset(place for places in free.values() for place in places)
    return Edits(removed=removed, added=tuple(added))


def _plain(server: str) -> str:
    """An id without what does not change it: zeros before it, blanks around it."""
    number = as_id(server)
    return server if number is None else str(number)


def _read(job_type: str, text: str | None) -> dict[str, Any] | None:
    """The parameter with its numbers as they were written; what is absent is an empty object."""
    if job_type not in set(JobType) or (text is not None and len(text) > MAX_CHARACTERS):
        return None
    try:
        value = json.loads(text or "null", parse_int=_number, parse_float=orjson.Fragment)
        orjson.dumps(value)  # what cannot be written again is not taken apart
    except (ValueError, TypeError, RecursionError):
        return None
    return {} if value is None else value if isinstance(value, dict) else None


def _number(digits: str) -> Any:
    return int(digits) if len(digits) <= len(str(MAX_ID)) - 1 else orjson.Fragment(digits)


def _nodes(job_type: str, value: dict[str, Any]) -> list[Any]:
    """What holds a list of servers, each."""
    if job_type == JobType.ACTION:
        return [value]
    nodes = value.get("nodes")
    return nodes if isinstance(nodes, list) else []


def _entries(node: Any) -> list[Any]:
    given = node.get("servers") if isinstance(node, dict) else None
    return given if isinstance(given, list) else []


def _style(entries: Iterable[Any], usual: type) -> type:
    """As what these entries have their servers' ids: as the first one that has any."""
    ids = (entry.get("server_id") for entry in entries if isinstance(entry, dict))
    return next((type(each) for each in ids if _text(each)), usual)


def _listed(place: int, node: Any, job_type: str) -> ServerList:
    if not isinstance(node, dict):
        return ServerList(place, None, (), can_grow=False)
    node_id = _text(node.get("node_id")) if job_type == JobType.WORKFLOW else None
    entries = node.get("servers")
    if not isinstance(entries, list):
        return ServerList(place, node_id, (), can_grow=entries is None)
    rows = tuple(
        Row(place, Place(place, position), *_shown(entry)) for position, entry in enumerate(entries)
    )
    return ServerList(place, node_id, rows, can_grow=True)


def _shown(entry: Any) -> tuple[str, str]:
    """Server and account of an entry as text; '' for what is neither number nor text."""
    if not isinstance(entry, dict):
        return "", ""
    account = entry.get("account")
    return _text(entry.get("server_id")), account if isinstance(account, str) else ""


def _text(value: Any) -> str:
    if isinstance(value, orjson.Fragment):
        return str(value.contents)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _changed(entry: Any, row: Row, style: type, ips: Mapping[int, str | None]) -> dict[str, Any]:
    """An entry with what was typed; a new one in place of anything that is not an object."""
    before = _shown(entry)
    made: dict[str, Any] = dict(entry) if isinstance(entry, dict) else {}
    number = as_id(row.server)
    if row.server != before[0] and number is not None:
        style = _style([made], style)
        made["server_id"] = str(number) if style is str else orjson.Fragment(str(number))
        if ips.get(number):
            made["ip"] = ips[number]
        else:
            made.pop("ip", None)
    if row.account != before[1]:
        made["account"] = row.account
    return made
