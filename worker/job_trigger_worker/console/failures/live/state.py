"""What the live parts of this instance of the console share, made once when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from job_trigger_worker.console.failures.live.hub import Hub
from job_trigger_worker.console.failures.live.serializer import EventSerializer
from job_trigger_worker.console.failures.live.single_flight import SingleFlightCache
from job_trigger_worker.console.failures.live.stats import FailureStats
from job_trigger_worker.console.shared.state import Collaborators

SUMS_S = 5.0
"""How long sums stand, and how often they follow while something fails."""


@dataclass(frozen=True, slots=True)
class Live:
    """What routes of streams work with, as `request.app.state.live` (`live`)."""

    hub: Hub
    telling: EventSerializer
    sums: SingleFlightCache[FailureStats]
    sum_parts: SingleFlightCache[bytes]

    @classmethod
    def of(cls, given: Collaborators) -> Live:
        """Made of what the console is given; reads nothing until somebody watches."""
        return cls(
            hub=Hub(given.pool, given.clock, given.settings.no_answer_after_s, given.tail),
            telling=EventSerializer(given.clock),
            sums=SingleFlightCache(SUMS_S),
            sum_parts=SingleFlightCache(SUMS_S),
        )


def live(request: Request) -> Live:
    """What routes of streams work with."""
    found: Live = request.app.state.live
    return found
