"""The filters of a page's address: those of the API, as forms of a browser send them.

A form sends fields that nobody has filled in, and times of the viewer's zone. What cannot be read
costs a sentence beside its field, never the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from job_trigger_schemas.fields import write_time
from job_trigger_worker.console.shared import validation_messages
from job_trigger_worker.console.shared.rendering import Page
from job_trigger_worker.console.shared.texts import Words, gettext_noop

Asked = TypeVar("Asked", bound=BaseModel)

_TIMES = ("since", "until")
_CHOICE = gettext_noop("Choose one from the list.")
_TIME = gettext_noop("A time looks like 2026-11-23 08:00.")
_OF_FORMS: Mapping[str, str] = {
    "enum": _CHOICE,
    "literal_error": _CHOICE,
    "bool_parsing": _CHOICE,
    "time_format": _TIME,
    "time_date": _TIME,
    "time_leap_second": _TIME,
}
"""What is said otherwise than by the API, because people choose from lists and type local times."""


@dataclass(frozen=True, slots=True)
class PageQuery(Generic[Asked]):
    """`asked` has what could be read; `faults` has a sentence for each field that could not."""

    asked: Asked
    faults: Mapping[str, str]

    def for_api(self) -> dict[str, str]:
        """The same filters as the API writes them, without those that are not used."""
        said = self.asked.model_dump(mode="json", exclude_defaults=True)
        return {
            name: str(value).lower() if value is True or value is False else str(value)
            for name, value in said.items()
        }


def read_query(model: type[Asked], query: Mapping[str, str], view: Page) -> PageQuery[Asked]:
    """Read the fields of `model`; what the address has besides is somebody else's."""
    given = {name: query[name].strip() for name in model.model_fields if name in query}
    given = {name: _zoned(name, value, view.zone) for name, value in given.items() if value}
    faults: dict[str, str] = {}
    while True:
        try:
            return PageQuery(model.model_validate(given), faults)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                name = str(found["loc"][0])
                faults.setdefault(name, _sentence(found, view.words))
                given.pop(name, None)


def _zoned(name: str, value: str, zone: ZoneInfo) -> str:
    """A time that somebody typed without a zone is meant in theirs."""
    if name in _TIMES:
        with suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(value)
            return write_time(at if at.tzinfo else at.replace(tzinfo=zone))
    return value


def _sentence(found: Any, words: Words) -> str:
    of_form = _OF_FORMS.get(found["type"])
    if of_form is not None:
        return words.gettext(of_form)
    placed = {**found, "loc": ("query", *found["loc"])}
    return validation_messages.sentence_of(validation_messages.of_pydantic(placed), words)[
        "message"
    ]
