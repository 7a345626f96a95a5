"""The fields that a list is filtered by, and the chips of those in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.domain.reading import JobSort, Status
from worker.web.pages.addresses import Address
from worker.web.pages.showing import KINDS, TYPES, short, word
from worker.web.statuses import look
from worker.web.words import Words, marked


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a filter form; with `choices` (value, label) it is a list to choose from."""

    name: str
    label: str
    choices: tuple[tuple[str, str], ...] = ()
    type: str = "text"
    is_main: bool = False


SORTS: Mapping[str, str] = {
    JobSort.TROUBLE: marked("Trouble first"),
    JobSort.NEWEST_SLOT: marked("Newest slot first"),
    JobSort.NAME: marked("By name"),
    JobSort.ID: marked("By id"),
}
_SWITCHED: Mapping[str, str] = {"yes": marked("Switched on"), "no": marked("Switched off")}
_YES: Mapping[str, str] = {"yes": marked("Yes"), "no": marked("No")}
_LABELS: Mapping[str, str] = {
    "q": marked("Contains"),
    "name": marked("Name begins with"),
    "type": marked("Type"),
    "status": marked("Status"),
    "enabled": marked("State"),
    "overdue": marked("Overdue"),
    "owner": marked("Owner's id"),
    "group": marked("Group's id"),
    "server": marked("Server's id"),
    "code": marked("Failure code"),
    "cause": marked("Cause"),
    "kind": marked("Kind"),
    "job": marked("Job's id"),
    "trigger": marked("Trigger's id"),
    "since": marked("From"),
    "until": marked("Until"),
}


def of_jobs(words: Words) -> list[Field]:
    """The fields of the job list."""
    return [
        _field("q", words, is_main=True),
        _choice("type", TYPES, words),
        _choice("enabled", _SWITCHED, words),
        _field("name", words),
        _field("owner", words),
        _field("group", words),
        _field("server", words),
        _field("code", words),
        Field("sort", words.gettext(marked("Order")), _choices(SORTS, words), is_main=True),
    ]


def of_records(words: Words) -> list[Field]:
    """The fields of the history list."""
    statuses = {str(each): look(each).label for each in Status if each is not Status.NEVER_RUN}
    return [
        _choice("status", statuses, words, is_main=True),
        _choice("kind", KINDS, words, is_main=True),
        _field("since", words, type_="datetime-local", is_main=True),
        _field("until", words, type_="datetime-local", is_main=True),
        _field("code", words),
        _choice("type", TYPES, words),
        _field("name", words),
        _field("q", words),
        _field("job", words),
        _field("owner", words),
        _field("group", words),
        _field("trigger", words),
    ]


def chips(address: Address, words: Words) -> Sequence[tuple[str, str, str]]:
    """The filters in use: (name, value, address without it)."""
    found = []
    for name, label in _LABELS.items():
        value = address.values.get(name)
        if value is not None:
            shown = short(_said(name, value, words), 120)
            found.append((words.gettext(label), shown, address.to(**{name: None})))
    return found


def _said(name: str, value: str, words: Words) -> str:
    labels = {"type": TYPES, "enabled": _SWITCHED, "kind": KINDS, "overdue": _YES}.get(name)
    if labels is not None:
        return word(labels, value, words)
    if name == "status" and value in [*Status]:
        return words.gettext(look(value).label)
    return value


def _field(name: str, words: Words, type_: str = "text", *, is_main: bool = False) -> Field:
    return Field(name, words.gettext(_LABELS[name]), type=type_, is_main=is_main)


def _choice(name: str, labels: Mapping[str, str], words: Words, *, is_main: bool = False) -> Field:
    every = ("", words.gettext(marked("All")))
    choices = (every, *_choices(labels, words))
    return Field(name, words.gettext(_LABELS[name]), choices, is_main=is_main)


def _choices(labels: Mapping[str, str], words: Words) -> tuple[tuple[str, str], ...]:
    return tuple((str(value), words.gettext(label)) for value, label in labels.items())
