"""What an address asks for: filters, read with a fault beside each that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain.cause import LONGEST_KEY
from job_trigger_worker.domain.read_models import JobFilter, JobSort, RecordFilter, Status
from job_trigger_worker.domain.trigger import MAX_ID

Choice = TypeVar("Choice", bound=StrEnum)

_LONGEST = 200
_YEARS = range(2000, 2201)


@dataclass
class Choices:
    """Reads a query. `faults` has a sentence for each field that could not be read."""

    query: Mapping[str, str]
    words: Words
    zone: ZoneInfo
    faults: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, longest: int = _LONGEST) -> str | None:
        """What was typed, without blanks around it."""
        given = self.query.get(name, "").strip()
        if "\0" in given or len(given) > longest:
            self._fault(name, gettext_noop("Use fewer characters, and none that is invisible."))
            return None
        return given or None

    def number(self, name: str) -> int | None:
        """An id."""
        given = self.text(name)
        if given is None:
            return None
        if given.isascii() and given.isdigit() and 0 < int(given) <= MAX_ID:
            return int(given)
        self._fault(name, gettext_noop("An id is a whole number, such as 17."))
        return None

    def one_of(self, name: str, known: Iterable[Choice]) -> Choice | None:
        """One word of a list."""
        given = self.text(name)
        for each in known:
            if given == each:
                return each
        if given:
            self._fault(name, gettext_noop("Choose one of the list."))
        return None

    def is_true(self, name: str) -> bool | None:
        """`yes` or `no`."""
        given = self.text(name)
        if given is None or given in ("yes", "no"):
            return None if given is None else given == "yes"
        self._fault(name, gettext_noop("Choose one of the list."))
        return None

    def uuid(self, name: str) -> UUID | None:
        """An id of 32 hexadecimal digits."""
        given = self.text(name)
        try:
            return UUID(given) if given else None
        except ValueError:
            self._fault(name, gettext_noop("This id has 32 hexadecimal digits."))
            return None

    def moment(self, name: str) -> datetime | None:
        """A time; without a zone it is meant in the viewer's."""
        given = self.text(name)
        if given is None:
            return None
        try:
            at = datetime.fromisoformat(given)
            at = at if at.tzinfo else at.replace(tzinfo=self.zone)
            if at.year in _YEARS:
                return at
        except ValueError:
            pass
        self._fault(name, gettext_noop("A time looks like 2026-11-23 08:00."))
        return None

    def job(self, *, with_outcome: bool) -> JobFilter:
        """Which jobs are meant; `with_outcome` reads what their newest record has to be, too."""
        return JobFilter(
            name_prefix=self.text("name"),
            text=self.text("q"),
            server_id=self.number("server"),
            owner_id=self.number("owner"),
            job_type=self.text("type"),
            group_id=self.number("group"),
            is_enabled=self.is_true("enabled"),
            status=self.one_of("status", Status) if with_outcome else None,
            code=self.text("code") if with_outcome else None,
            cause=self.text("cause", LONGEST_KEY) if with_outcome else None,
            is_overdue=with_outcome and self.is_true("overdue") is True,
        )

    def records(self) -> RecordFilter:
        """Which records are meant."""
        return RecordFilter(
            job_id=self.number("job"),
            since=self.moment("since"),
            until=self.moment("until"),
            status=self.one_of("status", [s for s in Status if s is not Status.NEVER_RUN]),
            code=self.text("code"),
            cause=self.text("cause", LONGEST_KEY),
            kind=self.text("kind"),
            trigger_id=self.uuid("trigger"),
            text=self.text("q"),
            job=self.job(with_outcome=False),
        )

    def sort(self) -> JobSort:
        """The order; trouble first where none is chosen."""
        return self.one_of("sort", JobSort) or JobSort.TROUBLE

    def _fault(self, name: str, text: str) -> None:
        self.faults[name] = self.words.gettext(text)
