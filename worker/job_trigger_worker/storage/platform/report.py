"""What was found: problems, which fail triggers or hide something, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

MOST_NAMED = 5
"""How many rows of a kind are named; the others are counted."""


class PlatformProblem(StrEnum):
    """What is wrong."""

    MISSING_VIEW = "missing_view"
    MISSING_COLUMN = "missing_column"
    NO_PERMISSION = "no_permission"
    WRONG_TYPE = "wrong_type"
    UNREADABLE = "unreadable"
    RAISING_ROW = "raising_row"
    NULL = "null"
    UNKNOWN_VALUE = "unknown_value"
    NO_ID = "no_id"
    DUPLICATE = "duplicate"
    UNREADABLE_SCHEDULE = "unreadable_schedule"
    UNKNOWN_ZONE = "unknown_zone"
    MISSING_INDEX = "missing_index"
    NO_TIME_ZONE = "no_time_zone"
    UNFIT_TABLE = "unfit_table"
    LOST_GRANTS = "lost_grants"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a view, or with a table that the worker writes to.

    `is_note` where it costs no trigger and hides nothing. `rows` are how many it concerns, where
    that is known, and `ids` name the first of them, as `server_id=7, account=deploy`.
    """

    fault: PlatformProblem
    view: str
    message: str
    column: str | None = None
    rows: int | None = None
    ids: tuple[str, ...] = ()
    is_note: bool = False


@dataclass(slots=True)
class Report:
    """What a check found; `rows` are how many of each view it read."""

    findings: list[Finding] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, findings: Iterable[Finding]) -> None:
        """Take more findings."""
        self.findings += findings

    @property
    def not_looked_at(self) -> list[str]:
        """The views that this login may not read; each is a problem, too."""
        return [each.view for each in self.findings if each.fault is PlatformProblem.NO_PERMISSION]

    @property
    def problems(self) -> list[Finding]:
        """What has to be corrected."""
        return [finding for finding in self.findings if not finding.is_note]

    @property
    def notes(self) -> list[Finding]:
        """What is good to know."""
        return [finding for finding in self.findings if finding.is_note]


def named(ids: Sequence[str], rows: int) -> str:
    """Some of the rows by their keys, and how many there are more."""
    more = rows - len(ids)
    listed = "; ".join(ids)
    return f"{listed}; and {more:,} more" if more > 0 else listed
