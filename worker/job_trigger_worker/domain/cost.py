"""What a trigger costs a batch: the bytes and targets of its job, and the bytes of its outcome.

A batch is bounded by its cost, because a job may have one target or 30,000. What a job costs is
known when its parameter has been read; the costs of large jobs are remembered, so that a batch
takes no more of them than it has room for and nothing is read or judged in vain.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple


class Cost(NamedTuple):
    """Bytes of a job's parameter, its targets, and bytes of the outcome of one of its triggers."""

    parameter_bytes: int = 0
    targets: int = 0
    outcome_bytes: int = 0

    @classmethod
    def about(cls, parameter_bytes: int, targets: int = 0) -> Cost:
        """What is expected of a job that nobody has judged: that its trigger passes."""
        return cls(parameter_bytes, targets, outcome_bytes(parameter_bytes, targets))

    def plus(self, other: Cost) -> Cost:
        """The sum."""
        return Cost(self[0] + other[0], self[1] + other[1], self[2] + other[2])

    @property
    def is_too_much(self) -> bool:
        """True when any part is more than a batch may cost."""
        return is_too_much(*self)


MOST = Cost(parameter_bytes=2 * 1024 * 1024, targets=20_000, outcome_bytes=2 * 1024 * 1024)
"""About what a batch may cost. A single trigger may cost more: it is then alone in its batch."""

SMALL = Cost(
    parameter_bytes=MOST[0] // 1000, targets=MOST[1] // 1000, outcome_bytes=MOST[2] // 1000
)
_REMEMBERED = 10_000
_LEARNED_OF = 2
"""How many parameters make what is expected of the next one: neighbours are often alike."""

_TARGET_BYTES = 250
"""What a target takes in a dispatch and in the record together."""


def outcome_bytes(parameter_bytes: int, targets: int) -> int:
    """What is expected to go out for a trigger that passes, of a job that nobody has judged."""
    return parameter_bytes + targets * _TARGET_BYTES


def is_too_much(parameter_bytes: int, targets: int, outcome: int) -> bool:
    """True when any of them is more than a batch may cost: for those who add them up."""
    return parameter_bytes > MOST[0] or targets > MOST[1] or outcome > MOST[2]


class KnownCosts:
    """What large jobs cost the last time, by job id; about 2 MB at most.

    A job that is not remembered counts as nothing: it is small, or has not been met. Used by one
    thread.
    """

    def __init__(self) -> None:
        self._costs: OrderedDict[int, Cost | int] = OrderedDict()
        # Of a byte that a parameter is said to have; none of them is known at first.
        self._bytes, self._targets = 1.0, 0.01

    def __len__(self) -> int:
        return len(self._costs)

    def note(self, job_id: int, cost: Cost) -> None:
        """Remember what a job costs, if that is worth remembering; the oldest is forgotten."""
        if cost[0] <= SMALL[0] and cost[1] <= SMALL[1] and cost[2] <= SMALL[2]:
            if self._costs:
                self._costs.pop(job_id, None)
        else:
            self._keep(job_id, cost)

    def note_length(self, job_id: int, about_bytes: int) -> None:
        """Remember of a job that was not read how long its parameter is, about."""
        if not isinstance(self._costs.get(job_id), Cost):
            self._keep(job_id, about_bytes)

    def learn(self, about_bytes: int, parameter_bytes: int, targets: int) -> None:
        """Learn from a parameter, said to have about so many bytes, what to expect of others."""
        self._bytes += (parameter_bytes / about_bytes - self._bytes) / _LEARNED_OF
        self._targets += (targets / about_bytes - self._targets) / _LEARNED_OF

    def judged(self, job_id: int) -> Cost | None:
        """What a job cost the last time, None where only its length may be known."""
        known = self._costs.get(job_id)
        return known if isinstance(known, Cost) else None

    def of(self, job_id: int, about_bytes: int = 0) -> Cost:
        """What a job cost the last time, or may cost: of one not read its length is known."""
        known = self._costs.get(job_id, about_bytes)
        if isinstance(known, Cost):
            return known
        if not known:
            return _NOTHING
        return Cost.about(int(known * self._bytes), int(known * self._targets))

    def _keep(self, job_id: int, known: Cost | int) -> None:
        self._costs[job_id] = known
        self._costs.move_to_end(job_id)
        if len(self._costs) > _REMEMBERED:
            self._costs.popitem(last=False)


_NOTHING = Cost()


class Plan:
    """Takes triggers in their order as long as there is room, by what is known of their jobs.

    A job is read once, however many of its triggers a batch holds.
    """

    def __init__(self, known: KnownCosts) -> None:
        self._known = known
        self._jobs: set[int] = set()
        self._sum = _NOTHING
        self.is_full = False

    def take(self, job_id: int) -> bool:
        """Take the next trigger; False, and full from then on, if that would be too much."""
        cost = self._known.of(job_id)
        if cost is _NOTHING:
            return True
        if job_id in self._jobs:
            cost = Cost(outcome_bytes=cost.outcome_bytes)
        sum_ = self._sum.plus(cost)
        if self._sum is not _NOTHING and sum_.is_too_much:
            self.is_full = True
            return False
        self._jobs.add(job_id)
        self._sum = sum_
        return True
