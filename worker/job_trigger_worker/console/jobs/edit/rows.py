"""The rows of a job's edit as its page shows them: what was typed, and what is there now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from job_trigger_worker.console.jobs.detail.now import Now, now_of
from job_trigger_worker.console.jobs.edit import form as edit_form
from job_trigger_worker.console.jobs.edit.draft import Edits, Place, Row, ServerList, as_id
from job_trigger_worker.console.jobs.edit.form import Form, TypedValues
from job_trigger_worker.console.shared.findings import PresentedFinding
from job_trigger_worker.console.shared.live_preflight import LivePreflightResult
from job_trigger_worker.console.shared.presenters import shorten
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain.verdict import Finding, Target

MOST = 40
MOST_LISTS = 15
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


def typed_rows(lists: Sequence[ServerList], edits: Edits, form: Form | None) -> list[TypedValues]:
    """Every row: as typed where the form has it, else as saved."""
    sent = {each.at: each for each in form.rows if each.at} if form else {}
    rows = []
    for each in lists:
        for row in each.rows:
            if row.place is None:
                continue
            typed = sent.get(row.place) or TypedValues(
                each.place, row.place, "", row.server, row.account, is_removed=False
            )
            is_removed = typed.is_removed or row.place in edits.removed
            rows.append(
                TypedValues(
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
    rows: Sequence[TypedValues],
    edits: Edits,
    faults: Mapping[Place | Row, Fault],
    live: LivePreflightResult,
    words: Words,
) -> tuple[list[Block], int, frozenset[Place]]:
    """What is shown, how many lists are not, and the removed rows for which there is no room."""
    nows = _nows(lists, rows, faults, live, words)
    shown = _chosen(rows, edits, faults, nows)
    by_list: dict[int, list[TypedValues]] = {each.place: [] for each in lists}
    for row in rows:
        by_list[row.list].append(row)
    places = {row.list for row in shown}
    for each in lists:
        if len(places) < MOST_LISTS:
            places.add(each.place)
    found: list[Block] = []
    number = 0
    for each in lists:
        if each.place not in places:
            continue
        mine = by_list[each.place]
        lines = []
        for row in (row for row in mine if row in shown):
            lines.append(_line(number, row, faults, live, nows))
            number += 1
        if each.can_grow:
            lines.append(Line(number, each.place, "", "", "", "", False, (None, None), "", None))
            number += 1
        node = None if each.node_id is None else shorten(each.node_id, 60)
        left_out = sum(1 for row in mine if row not in shown and not row.is_removed)
        found.append(Block(node, tuple(lines), left_out, each.can_grow))
    hidden = frozenset(row.at for row in rows if row.at and row.is_removed and row not in shown)
    return found, len(lists) - len(found), hidden


def _line(
    number: int,
    row: TypedValues,
    faults: Mapping[Place | Row, Fault],
    live: LivePreflightResult,
    nows: Mapping[TypedValues, Now],
) -> Line:
    server = live.facts.servers.get(as_id(row.server) or 0) if live.facts else None
    return Line(
        number,
        row.list,
        str(row.at) if row.at else "",
        row.was,
        row.server,
        row.account,
        row.is_removed,
        faults.get(row.at or row.row) or (None, None),
        shorten(server.name, 60) if server else "",
        nows.get(row),
    )


def _chosen(
    rows: Sequence[TypedValues],
    edits: Edits,
    faults: Mapping[Place | Row, Fault],
    nows: dict[TypedValues, Now],
) -> set[TypedValues]:
    """The rows that a page has room for: what was typed, what is in trouble, then the first."""

    def rank(row: TypedValues) -> int:
        if row.at is None or row.at in edits.changed or row.at in faults:
            return 0
        now = nows.get(row)
        return 1 if now is not None and now.tone == "bad" else 3 if row.is_removed else 2

    chosen: set[TypedValues] = set()
    places: set[int] = set()
    size = 0
    for row in sorted(rows, key=rank):
        size += len(row.account.encode(errors="replace")) + len(row.server)
        if rank(row) and (len(chosen) >= MOST or size > _MOST_BYTES):
            break
        if rank(row) and row.list not in places and len(places) >= MOST_LISTS:
            continue
        chosen.add(row)
        places.add(row.list)
    return chosen


def _nows(
    lists: Sequence[ServerList],
    rows: Sequence[TypedValues],
    faults: Mapping[Place | Row, Fault],
    live: LivePreflightResult,
    words: Words,
) -> dict[TypedValues, Now]:
    """What became of each row that stays and can be read."""
    nodes = {each.place: each.node_id for each in lists}
    known: set[int] = set()
    found: dict[str, list[Finding]] = {}
    if live.verdict:
        known = {target.server_id for target in live.verdict.targets}
        for finding in live.findings:
            found.setdefault(str(finding.objects.get("server_id")), []).append(finding)
    made = {}
    for row in rows:
        if row.is_removed or (row.at or row.row) in faults:
            continue
        number = as_id(row.server)
        if live.facts is not None and (number is None or number not in known):
            made[row] = Now("warn", words.gettext(gettext_noop("Cannot be read, see above")))
            continue
        target = Target(number or 0, None, row.account, None, nodes.get(row.list))
        now = now_of(target, live, found.get(str(number), ()), words)
        told = tuple(
            PresentedFinding(f.code, shorten(f.message, _LONGEST), "") for f in now.findings
        )
        made[row] = Now(now.tone, now.text, told)
    return made
