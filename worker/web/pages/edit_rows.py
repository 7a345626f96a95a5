"""The rows of a job's edit as its page shows them: what was typed, and what is there now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.domain.verdict import Target
from worker.web.changing.draft import Edits, Place, Row, ServerList, as_id
from worker.web.live_preflight import Live
from worker.web.pages import edit_form
from worker.web.pages.edit_form import Form, Typed
from worker.web.pages.job_now import Now, now_of
from worker.web.pages.showing import short
from worker.web.words import Words, marked

MOST = 40
_MOST_BYTES = 16_000
_LONGEST = 160
Fault = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the form. `number` counts through the whole form."""

    number: int
    list: int
    at: str
    was: str
    server: str
    account: str
    is_removed: bool
    faults: Fault
    name: str
    now: Now | None


@dataclass(frozen=True, slots=True)
class Block:
    """One list of servers: an action's, or a node's. `left_out` rows stay as they are."""

    node: str | None
    lines: tuple[Line, ...]
    left_out: int
    can_grow: bool


def typed_rows(lists: Sequence[ServerList], edits: Edits, form: Form | None) -> list[Typed]:
    """Every row: as typed where the form has it, else as saved."""
    sent = {each.at: each for each in form.rows if each.at} if form else {}
    rows = []
    for each in lists:
        for row in each.rows:
            if row.place is None:
                continue
            typed = sent.get(row.place) or Typed(
                each.place, row.place, "", row.server, row.account, is_removed=False
            )
            is_removed = typed.is_removed or row.place in edits.removed
            rows.append(
                Typed(
                    each.place,
                    row.place,
                    edit_form.was(row),
                    typed.server,
                    typed.account,
                    is_removed,
                )
            )
        if form:
            rows += [typed for typed in form.rows if typed.at is None and typed.list == each.place]
    return rows


def blocks(
    lists: Sequence[ServerList],
    rows: Sequence[Typed],
    edits: Edits,
    faults: Mapping[Place | Row, Fault],
    live: Live,
    words: Words,
) -> tuple[list[Block], frozenset[Place]]:
    """What is shown, and the places of removed rows for which there is no room."""
    nodes = {each.place: each.node_id for each in lists}
    known = {target.server_id for target in live.verdict.targets} if live.verdict else set()
    nows = {
        row: _now(row, nodes.get(row.list), known, live, words)
        for row in rows
        if not row.is_removed and faults.get(row.at or row.row) is None
    }
    shown = _chosen(rows, edits, faults, nows)
    found: list[Block] = []
    number = 0
    for each in lists:
        lines = []
        mine = [row for row in rows if row.list == each.place]
        for row in (row for row in mine if row in shown):
            server = live.facts.servers.get(as_id(row.server) or 0) if live.facts else None
            lines.append(
                Line(
                    number,
                    row.list,
                    str(row.at) if row.at else "",
                    row.was,
                    row.server,
                    row.account,
                    row.is_removed,
                    faults.get(row.at or row.row) or (None, None),
                    short(server.name, 60) if server else "",
                    nows.get(row),
                )
            )
            number += 1
        if each.can_grow:
            lines.append(Line(number, each.place, "", "", "", "", False, (None, None), "", None))
            number += 1
        node = None if each.node_id is None else short(each.node_id, 60)
        left_out = sum(1 for row in mine if row not in shown and not row.is_removed)
        found.append(Block(node, tuple(lines), left_out, each.can_grow))
    hidden = frozenset(row.at for row in rows if row.at and row.is_removed and row not in shown)
    return found, hidden


def _chosen(
    rows: Sequence[Typed],
    edits: Edits,
    faults: Mapping[Place | Row, Fault],
    nows: dict[Typed, Now],
) -> set[Typed]:
    """The rows that a page has room for: what was typed, what is in trouble, then the first."""

    def rank(row: Typed) -> int:
        if row.at is None or row.at in edits.changed or row.at in faults:
            return 0
        now = nows.get(row)
        return 1 if now is not None and now.tone == "bad" else 3 if row.is_removed else 2

    chosen: set[Typed] = set()
    size = 0
    for row in sorted(rows, key=rank):
        size += len(row.account.encode(errors="replace")) + len(row.server)
        if rank(row) and (len(chosen) >= MOST or size > _MOST_BYTES):
            break
        chosen.add(row)
    return chosen


def _now(row: Typed, node_id: str | None, known: set[int], live: Live, words: Words) -> Now:
    number = as_id(row.server)
    if live.facts is not None and (number is None or number not in known):
        return Now("warn", words.gettext(marked("Cannot be read, see above")))
    target = Target(number or 0, None, row.account, None, node_id)
    now = now_of(target, live, words)
    findings = tuple(
        type(each)(each.code, short(each.message, _LONGEST), "") for each in now.findings
    )
    return Now(now.tone, now.text, findings)
