"""A scenario: its name, what it needs, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from tests.faults.scenario_run import ScenarioRun


class Lane(Enum):
    """What a scenario may have neighbours on."""

    CALM = auto()
    """It leaves the brokers alone, and shares them with others."""
    ROUGH = auto()
    """It harms the brokers, and has a cluster for itself."""
    ALONE = auto()
    """It measures speed: nothing else runs meanwhile."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What `make faults` plays under a name.

    `workers` run when it begins. `is_linked`: they reach the brokers by links. `is_short`: it
    belongs to the selection of CI. `mixes`: a soak may play it again and again in one run.
    """

    name: str
    play: Callable[[ScenarioRun], None]
    workers: int = 1
    lane: Lane = Lane.CALM
    is_linked: bool = False
    is_short: bool = False
    mixes: bool = True
