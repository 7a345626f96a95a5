"""Plays scenarios, several side by side where they do not disturb each other."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random

from tests.faults.environment import Environment, environment
from tests.faults.scenario_run import ScenarioRun, playing
from tests.faults.scenarios import Lane, Scenario
from tests.support import checker
from tests.support.checker import Kind, Violation
from tests.support.cluster import KafkaCluster, running_cluster

CALM_LANES = 3
"""How many scenarios share one cluster."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """A scenario played once: what was counted, and every promise that was broken.

    `unanswered` are triggers of which no broker has said where they are: each may have a record.
    """

    name: str
    triggers: int
    faults: int
    records: int
    repeats: int
    recover_s: float
    took_s: float
    violations: tuple[Violation, ...]
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A scenario to be played, and which of its runs this is."""

    scenario: Scenario
    number: int


class Campaign:
    """Everything that one command plays; logs of runs with a violation stay under `folder`."""

    def __init__(self, seed: int, folder: Path, say: Say) -> None:
        self._seed = seed
        self._folder = folder
        self._say = say
        self._runs: list[Run] = []
        self._total = 0

    def play(self, scenarios: Sequence[Scenario], *, runs: int) -> list[Run]:
        """Play each so many times; what is alone comes last."""
        turns = [Turn(each, number) for number in range(1, runs + 1) for each in scenarios]
        self._total = len(turns)
        lanes = {lane: [each for each in turns if each.scenario.lane is lane] for lane in Lane}
        with ThreadPoolExecutor(CALM_LANES + 1) as pool:
            ways = [
                pool.submit(self._on_a_cluster, lanes[Lane.ROUGH], 1),
                pool.submit(self._on_a_cluster, lanes[Lane.CALM], CALM_LANES),
            ]
            for way in ways:
                way.result()
        self._on_a_cluster(lanes[Lane.ALONE], 1)
        return self._runs

    def soak(self, scenarios: Sequence[Scenario], *, minutes: float) -> list[Run]:
        """Play whatever mixes, at random and again and again, in one run for so long.

        Each finds as many workers as it asks for; how many are there before depends on chance.
        """

        def mixed(field: ScenarioRun) -> None:
            end = time.monotonic() + minutes * 60
            while time.monotonic() < end:
                chosen = field.rng.choice(scenarios)
                while len(field.workers) > chosen.workers:
                    field.stop(field.rng.choice(field.workers))
                field.start(chosen.workers - len(field.workers))
                self._say(f"{(end - time.monotonic()) / 60:5.1f} min left  {chosen.name}")
                chosen.play(field)

        self._total = 1
        soak = Scenario("soak", mixed, workers=2, is_linked=True)
        self._on_a_cluster([Turn(soak, 1)], 1)
        return self._runs

    def _on_a_cluster(self, turns: Sequence[Turn], lanes: int) -> None:
        if not turns:
            return
        left: SimpleQueue[Turn] = SimpleQueue()
        for turn in turns:
            left.put(turn)
        with running_cluster() as cluster, ThreadPoolExecutor(lanes) as pool:
            ways = [pool.submit(self._in_an_environment, cluster, left) for _ in range(lanes)]
            for way in ways:
                way.result()

    def _in_an_environment(self, cluster: KafkaCluster, left: SimpleQueue[Turn]) -> None:
        with environment(cluster) as made, contextlib.suppress(Empty):
            while True:
                self._note(self._run(made, left.get_nowait()))

    def _note(self, run: Run) -> None:
        self._runs.append(run)
        result = "ok" if not run.violations else f"{len(run.violations)} VIOLATIONS"
        self._say(
            f"{len(self._runs):3}/{self._total}  {run.name:<34} {result:<8} {run.triggers:7,} "
            f"triggers {run.took_s:5.0f} s"
        )
        if run.unanswered:
            self._say(f"         {run.unanswered} triggers have no answer that says where they are")
        for violation in run.violations[:5]:
            self._say(f"         {violation}")

    def _run(self, made: Environment, turn: Turn) -> Run:
        scenario = turn.scenario
        began = time.monotonic()
        rng = Random(f"{self._seed}/{scenario.name}/{turn.number}")  # noqa: S311 - no secret
        words = "".join(c if c.isalnum() else "-" for c in scenario.name.lower())
        name = f"{words}-{turn.number}"
        place = self._folder / name
        place.mkdir(parents=True)
        run = Run(scenario.name, 0, 0, 0, 0, 0.0, 0.0, ())
        try:
            with playing(made, name, rng, place, is_linked=scenario.is_linked) as field:
                run = _judged(scenario, field, began)
        except Exception:  # noqa: BLE001 - neither is the end of what it stood on
            broken = Violation(Kind.UNPLAYED, traceback.format_exc())
            run = replace(run, violations=(*run.violations, broken))
        if run.violations:
            (place / "violations.txt").write_text("\n".join(map(str, run.violations)))
        else:
            shutil.rmtree(place)
        return run


def _judged(scenario: Scenario, field: ScenarioRun, began: float) -> Run:
    """Play it, and hold what is left against the promises."""
    found = None
    broken: list[Violation] = []
    try:
        field.begin(scenario.workers)
        scenario.play(field)
    except AssertionError as error:
        broken.append(Violation(Kind.STUCK, str(error)))
    except Exception:  # noqa: BLE001 - one scenario's end is not the campaign's
        broken.append(Violation(Kind.UNPLAYED, traceback.format_exc()))
    try:
        field.cluster.restore()
        found = field.end()
        broken += checker.violations(found)
    except AssertionError as error:
        broken.append(Violation(Kind.STUCK, f"at the end: {error}"))
    except Exception:  # noqa: BLE001 - as above
        broken.append(Violation(Kind.UNPLAYED, traceback.format_exc()))
    return Run(
        name=scenario.name,
        triggers=field.traffic.slots(),
        faults=field.tally.faults,
        records=len(found.records) if found else 0,
        repeats=checker.repeats(found.outcomes) if found else 0,
        recover_s=field.tally.recover_s,
        took_s=time.monotonic() - began,
        violations=(*field.tally.violations, *broken),
        unanswered=len(field.traffic.unanswered()),
    )


@contextlib.contextmanager
def campaign(seed: int, say: Say) -> Iterator[Campaign]:
    """A campaign; its folder is gone afterwards, unless logs of a violation are in it."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    yield Campaign(seed, folder, say)
    if any(folder.iterdir()):
        say(f"The logs of runs with violations are in {folder}.")
    else:
        folder.rmdir()
