"""A job's changes in words: who, when, and what became what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.domain.masking import Masker
from worker.storage.changes import Change
from worker.web.pages.showing import short
from worker.web.words import Words, marked

_ACTIONS: Mapping[str, str] = {
    "run": marked("asked to run it"),
    "enable": marked("switched it on"),
    "disable": marked("switched it off"),
    "edit": marked("edited it"),
}
_LABELS: Mapping[str, str] = {
    "name": marked("Name"),
    "schedule": marked("Schedule"),
    "timezone": marked("Time zone"),
}
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field; `before` is '' for what there was not."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One change. `run` is the id of the trigger that was asked for, '' where it was no run."""

    at: datetime
    login: str
    action: str
    run: str
    fields: tuple[FieldLine, ...]


def lines(changes: Sequence[Change], masker: Masker, words: Words) -> list[ChangeLine]:
    """Changes as a page shows them, with what looks secret hidden."""
    return [_line(each, masker, words) for each in changes]


def _line(change: Change, masker: Masker, words: Words) -> ChangeLine:
    before = masker.value(change.before or {})
    after = masker.value(change.after or {})
    known = _ACTIONS.get(change.action)
    return ChangeLine(
        change.at,
        short(change.login, 120),
        words.gettext(known) if known else short(change.action, 60),
        str(after.get("trigger_id", ""))[:36] if change.action == "run" else "",
        tuple(_fields(before, after, words)) if change.action == "edit" else (),
    )


def _fields(before: Mapping[str, Any], after: Mapping[str, Any], words: Words) -> list[FieldLine]:
    nothing = words.gettext(marked("none"))
    found = [
        FieldLine(
            words.gettext(label), _text(before[name]) or nothing, _text(after[name]) or nothing
        )
        for name, label in _LABELS.items()
        if name in before and name in after
    ]
    for label, targets in (
        (marked("Targets removed"), before.get("targets")),
        (marked("Targets added"), after.get("targets")),
    ):
        if isinstance(targets, list) and targets:
            text = _text(", ".join(map(str, targets)))
            found.append(FieldLine(words.gettext(label), "", text))
    return found


def _text(value: Any) -> str:
    return "" if value is None else short(str(value), _LONGEST)
