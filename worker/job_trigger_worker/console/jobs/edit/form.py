"""The form of a job's edit: what it holds, and how it is read again.

A row says where it stands in the parameter as saved (`at`), and what stood there (`was`), so that
an edit can be laid over a version that somebody else has saved meanwhile. What the form has no room
for stays as it is, and what of it is to go is in `drop`, a bit for each entry of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from job_trigger_worker.console.jobs.edit.draft import Edits, Place, Row, ServerList

MOST_ROWS = 200
_LONGEST = 2_000
_AT = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})")
_NUMBER = re.compile(r"[0-9]{1,6}")
_DROP = re.compile(r"([0-9]{1,6}):([0-9a-f]{1,300000})")


@dataclass(frozen=True, slots=True)
class TypedValues:
    """A row as it was typed."""

    list: int
    at: Place | None
    was: str
    server: str
    account: str
    is_removed: bool

    @property
    def row(self) -> Row:
        """As the draft knows it."""
        return Row(self.list, self.at, self.server, self.account)


@dataclass(frozen=True, slots=True)
class Form:
    """Everything that was sent."""

    name: str
    schedule: str
    timezone: str
    version: int
    mark: str
    rows: tuple[TypedValues, ...]
    dropped: frozenset[Place]


def read(sent: Mapping[str, str]) -> Form:
    """Read a form; what cannot be of ours is as if it had not been sent."""
    rows = []
    for number in range(MOST_ROWS):
        written = sent.get(f"r{number}.list")
        if written is None:
            break
        if not _NUMBER.fullmatch(written):
            continue
        at = _AT.fullmatch(sent.get(f"r{number}.at", ""))
        account = sent.get(f"r{number}.account", "")[:_LONGEST]
        typed = TypedValues(
            int(written),
            Place(int(at[1]), int(at[2])) if at else None,
            sent.get(f"r{number}.was", ""),
            sent.get(f"r{number}.server", "").strip()[:_LONGEST],
            account if at else account.strip(),
            sent.get(f"r{number}.remove") == "yes",
        )
        if typed.at is not None or typed.server or typed.account:
            rows.append(typed)
    version = sent.get("version", "")
    return Form(
        sent.get("name", "").strip(),
        sent.get("schedule", "").strip(),
        sent.get("timezone", "").strip(),
        int(version) if version.isascii() and version.isdigit() and len(version) < 19 else 0,  # noqa: PLR2004
        sent.get("mark", ""),
        tuple(rows),
        _dropped(sent.get("drop", "")),
    )


def edits(form: Form, lists: Iterable[ServerList]) -> Edits:
    """What the form makes of the saved entries."""
    saved = {row.place: row for each in lists for row in each.rows}
    changed, removed, added = {}, set(form.dropped & saved.keys()), []
    for typed in form.rows:
        if typed.at is None:
            if not typed.is_removed:
                added.append(typed.row)
        elif typed.at in saved:
            before = saved[typed.at]
            if typed.is_removed:
                removed.add(typed.at)
            elif (row := _over(before, typed.row)) != before:
                changed[typed.at] = row
    return Edits(changed, frozenset(removed), tuple(added))


def _over(before: Row, typed: Row) -> Row:
    """What was typed; a value that was only shown stays exactly as it was."""
    is_shown = typed.server == _sent(before.server).strip(), typed.account == _sent(before.account)
    return typed._replace(
        server=before.server if is_shown[0] else typed.server,
        account=before.account if is_shown[1] else typed.account.strip(),
    )


def _sent(value: str) -> str:
    """A value as a browser sends it back from a field: on one line, and not longer than we read."""
    return value.replace("\r", "").replace("\n", "")[:_LONGEST]


def rebased(form: Form, lists: Iterable[ServerList]) -> Form:
    """The form over another version: each row looked for where what it was of stands now.

    A row whose entry is gone goes with it, unless something else was typed into it: then it is one
    to add. What was dropped without being shown has to be dropped again.
    """
    free: dict[tuple[int, str], list[Place]] = {}
    for each in lists:
        for row in each.rows:
            if row.place is not None:
                free.setdefault((each.place, was(row)), []).append(row.place)
    rows = []
    for typed in form.rows:
        places = free.get((typed.list, typed.was), []) if typed.at is not None else []
        if typed.at is None:
            rows.append(typed)
        elif places:
            at = typed.at if typed.at in places else places[0]
            places.remove(at)
            rows.append(replace(typed, at=at))
        elif not typed.is_removed and typed.was != was(typed.row):
            rows.append(replace(typed, at=None, was=""))
    return replace(form, rows=tuple(rows), dropped=frozenset())


def was(row: Row) -> str:
    """What a row was, short enough for a hidden field."""
    return sha256(f"{row.server}\0{row.account}".encode(errors="replace")).hexdigest()[:12]


def mark(parameter: str | None) -> str:
    """Says whether two parameters are the same."""
    return sha256((parameter or "").encode(errors="replace")).hexdigest()[:16]


def drop(places: Iterable[Place]) -> str:
    """Places as `_dropped` reads them."""
    masks: dict[int, int] = {}
    for each in places:
        masks[each.list] = masks.get(each.list, 0) | 1 << each.entry
    return " ".join(f"{each}:{mask:x}" for each, mask in masks.items())


def _dropped(written: str) -> frozenset[Place]:
    found = set()
    for part in written.split():
        match = _DROP.fullmatch(part)
        if match:
            bits = f"{int(match[2], 16):b}"[::-1]
            found |= {Place(int(match[1]), at) for at, bit in enumerate(bits) if bit == "1"}
    return frozenset(found)
