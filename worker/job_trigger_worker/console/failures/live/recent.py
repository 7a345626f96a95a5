"""The newest failures, in memory for everybody who watches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from job_trigger_worker.domain.read_models import RecordRow, Scope
from job_trigger_worker.domain.truncation import truncate
from job_trigger_worker.storage.read.scope import sees

MOST = 2_000
"""Failures that are kept: those of the last seconds of a storm, of hours otherwise."""


MOST_CAUSES = 20
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """A failure and the groups of its job; none where the job is gone."""

    record: RecordRow
    group_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """What is new for a viewer, the oldest first, and the position behind it.

    It `is_all` when nothing more is there yet.
    """

    rows: tuple[RecordRow, ...]
    position: int
    is_all: bool = True


def bounded(record: RecordRow) -> RecordRow:
    """A failure as it is kept and told: a job may have a thousand targets, or a name as long."""
    name = record.job_name and truncate(record.job_name, _LONGEST_NAME)
    return replace(record, causes=record.causes[:MOST_CAUSES], job_name=name)


class Recent:
    """All failures between two positions, `floor` and `position`; never more than `most`.

    A viewer whose position is below `floor` has to read the table.
    """

    def __init__(self, position: int, most: int = MOST) -> None:
        self.floor = self.position = position
        self._most = most
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entries: Sequence[Entry], position: int) -> None:
        """Add what follows, the oldest first; the oldest of what is too much is forgotten."""
        self._entries += entries
        self.position = max(self.position, position)
        if (surplus := len(self._entries) - self._most) > 0:
            self.floor = self._entries[surplus - 1].record.id
            del self._entries[:surplus]

    def covers(self, position: int) -> bool:
        """True when everything behind a position, as far as it was read, is here."""
        return position >= self.floor

    def after(self, position: int, scope: Scope, limit: int) -> Batch:
        """The next failures that a viewer may see, at most `limit`."""
        found: list[RecordRow] = []
        for place in range(self._behind(position), len(self._entries)):
            entry = self._entries[place]
            if sees(scope, entry.group_ids):
                found.append(entry.record)
                if len(found) == limit:
                    return Batch(tuple(found), entry.record.id, is_all=False)
        return Batch(tuple(found), max(position, self.position))

    def newest(self, position: int, scope: Scope, limit: int) -> Batch:
        """The newest failures behind a position that a viewer may see; older ones are left out."""
        found: list[RecordRow] = []
        for place in range(len(self._entries) - 1, self._behind(position) - 1, -1):
            if len(found) == limit:
                break
            if sees(scope, self._entries[place].group_ids):
                found.append(self._entries[place].record)
        return Batch(tuple(reversed(found)), max(position, self.position))

    def _behind(self, position: int) -> int:
        return bisect_right(self._entries, position, key=lambda entry: entry.record.id)
