"""The way between a worker and its database, or the brokers, is bad."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from tests.faults.scenario_run import ScenarioRun
from tests.faults.scenarios.scenario import Lane, Scenario
from tests.support.link import Link

_DELAY_EACH_WAY_S = 0.25
_DELAYED_S = 8.0
_SLOWLY_S = 90.0
_SILENT_S = 8.0
_DRIPPING_S = 5.0
_DRIPPED_S = 180.0
_PATIENT = {
    "max_poll_interval_ms": 30_000,
    "session_timeout_ms": 6_000,
    "metadata_interval_ms": 30_000,  # as it is by default: each look takes nine round trips
}

Ways = Callable[[ScenarioRun], Sequence[Link]]


def cut(run: ScenarioRun, *, ways: Ways) -> None:
    """Connections break, at once and without a word, five times."""
    for _ in range(5):
        run.rest(0.1, 0.8)
        run.fault()
        for way in ways(run):
            way.cut()
    run.recovered()


def delay(run: ScenarioRun, *, ways: Ways) -> None:
    """Half a second from question to answer."""
    run.changes = _PATIENT
    (hurried,) = run.workers
    run.stop(hurried)
    run.start()
    run.recovered()
    run.fault()
    for way in ways(run):
        way.delay_s = _DELAY_EACH_WAY_S
    time.sleep(_DELAYED_S)
    run.recovered(_SLOWLY_S)  # a batch takes sixteen round trips, half of them beside another
    _heal(run, ways)
    run.changes = {}


def fall_silent(run: ScenarioRun, *, ways: Ways) -> None:
    """Half-open: nothing is closed, and nothing arrives."""
    run.fault()
    for way in ways(run):
        way.is_silent = True
    time.sleep(_SILENT_S)
    _heal(run, ways)


def drip(run: ScenarioRun, *, ways: Ways) -> None:
    """Byte by byte."""
    run.fault()
    for way in ways(run):
        way.is_dripping = True
    time.sleep(_DRIPPING_S)
    run.recovered(_DRIPPED_S)  # as fast as the harness can pass on single bytes
    _heal(run, ways)


def _heal(run: ScenarioRun, ways: Ways) -> None:
    for way in ways(run):
        way.heal()
    run.recovered()


def _to_database(run: ScenarioRun) -> Sequence[Link]:
    return [run.proxy]


def _to_brokers(run: ScenarioRun) -> Sequence[Link]:
    return list(run.cluster.links.values())


_HARMS = {
    "cut": cut,
    "delayed 500 ms": delay,
    "half-open": fall_silent,
    "byte by byte": drip,
}

SCENARIOS = (
    *(
        Scenario(
            f"database {how}",
            partial(harm, ways=_to_database),
            is_short=how == "half-open",
        )
        for how, harm in _HARMS.items()
    ),
    *(
        Scenario(
            f"brokers {how}",
            partial(harm, ways=_to_brokers),
            lane=Lane.ROUGH,
            is_linked=True,
            is_short=how == "half-open",
        )
        for how, harm in _HARMS.items()
    ),
)
