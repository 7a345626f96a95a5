"""The worker's clock is wrong."""

from __future__ import annotations

from functools import partial

from tests.faults.arena import Arena
from tests.faults.scenarios.scenario import Scenario

_HOUR_S = 3600.0
_SHIFTED = """
    select count(*) from awp_job_execution
    where abs(extract(epoch from decided_at - created_at)) between 3500 and 3700
"""


def shift(arena: Arena, *, shift_s: float) -> None:
    """One whose clock is wrong works beside one whose clock is right, then alone."""
    (right,) = arena.workers
    arena.fault()
    arena.start(clock_shift_s=shift_s)
    arena.recovered()
    arena.look_until(_SHIFTED, lambda found: found > 0)
    arena.stop(right)
    arena.recovered()


SCENARIOS = (
    Scenario("clock an hour ahead", partial(shift, shift_s=_HOUR_S)),
    Scenario("clock an hour behind", partial(shift, shift_s=-_HOUR_S)),
)
