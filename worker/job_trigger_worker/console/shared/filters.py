"""The fields that a list is filtered by, and the chips of those in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from job_trigger_worker.console.shared.addresses import Address
from job_trigger_worker.console.shared.badges import badge
from job_trigger_worker.console.shared.presenters import KINDS, TYPES, shorten, word
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain.read_models import JobSort, Status


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a filter form; with `choices` (value, label) it is a list to choose from."""

    name: str
    label: str
    choices: tuple[tuple[str, str], ...] = ()
    type: str = "text"
    is_main: bool = False


SORTS: Mapping[str, str] = {
    JobSort.TROUBLE: gettext_noop("Trouble first"),
    JobSort.NEWEST_SLOT: gettext_noop("Newest slot first"),
    JobSort.NAME: gettext_noop("By name"),
    JobSort.ID: gettext_noop("By id"),
}
_SWITCHED: Mapping[str, str] = {
    "yes": gettext_noop("Switched on"),
    "no": gettext_noop("Switched off"),
}
_YES: Mapping[str, str] = {"yes": gettext_noop("Yes"), "no": gettext_noop("No")}
_LABELS: Mapping[str, str] = {
    "q": gettext_noop("Contains"),
    "name": gettext_noop("Name begins with"),
    "type": gettext_noop("Type"),
    "status": gettext_noop("Status"),
    "enabled": gettext_noop("State"),
    "overdue": gettext_noop("Overdue"),
    "owner": gettext_noop("Owner's id"),
    "group": gettext_noop("Group's id"),
    "server": gettext_noop("Server's id"),
    "code": gettext_noop("Failure code"),
    "cause": gettext_noop("Cause"),
    "kind": gettext_noop("Kind"),
    "job": gettext_noop("Job's id"),
    "trigger": gettext_noop("Trigger's id"),
    "since": gettext_noop("From"),
    "until": gettext_noop("Until"),
}


def job_filters(words: Words) -> list[Field]:
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
        Field("sort", words.gettext(gettext_noop("Order")), _choices(SORTS, words), is_main=True),
    ]


def record_filters(words: Words) -> list[Field]:
    """The fields of the history list."""
    statuses = {str(each): badge(each).label for each in Status if each is not Status.NEVER_RUN}
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
            shown = shorten(_said(name, value, words), 120)
            found.append((words.gettext(label), shown, address.to(**{name: None})))
    return found


def _said(name: str, value: str, words: Words) -> str:
    labels = {"type": TYPES, "enabled": _SWITCHED, "kind": KINDS, "overdue": _YES}.get(name)
    if labels is not None:
        return word(labels, value, words)
    if name == "status" and value in [*Status]:
        return words.gettext(badge(value).label)
    return value


def _field(name: str, words: Words, type_: str = "text", *, is_main: bool = False) -> Field:
    return Field(name, words.gettext(_LABELS[name]), type=type_, is_main=is_main)


def _choice(name: str, labels: Mapping[str, str], words: Words, *, is_main: bool = False) -> Field:
    every = ("", words.gettext(gettext_noop("All")))
    choices = (every, *_choices(labels, words))
    return Field(name, words.gettext(_LABELS[name]), choices, is_main=is_main)


def _choices(labels: Mapping[str, str], words: Words) -> tuple[tuple[str, str], ...]:
    return tuple((str(value), words.gettext(label)) for value, label in labels.items())
