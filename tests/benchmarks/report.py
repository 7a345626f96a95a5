"""What was measured, as an object for programs, and what of it is enough."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.benchmarks import growth, picture
from tests.benchmarks.contest import Contest
from tests.benchmarks.cost import Cost
from tests.benchmarks.crash import CatchUp
from tests.benchmarks.growth import Growth
from tests.benchmarks.latency import Latency
from tests.benchmarks.memory import Memory
from tests.benchmarks.proof import Proof
from tests.benchmarks.scaling import Scaled
from tests.benchmarks.shapes import Shaped

RATIO_ORDINARY = 2.5
RATIO_LIMIT = 0.75
RATIO_SESSION = 50
SESSION = "kafka-python"
JUDGED_PER_S = 200
P50_MS = 10
P99_MS = 30
RSS_MB = 150
PROOF_PER_S = 30_000


class Goal(NamedTuple):
    """What was to be reached, what was measured, and whether that is enough."""

    name: str
    goal: str
    measured: str
    is_reached: bool


@dataclass(slots=True)
class Report:
    """Filled as the measurements come; what was not asked for or cannot run stays empty.

    `not_run` says what cannot be run here, `failed` what was tried and could not be measured.
    """

    machine: Mapping[str, object]
    fsync_ms: float
    triggers: int
    contests: dict[str, Contest] = field(default_factory=dict)
    latency: Mapping[int, Latency] = field(default_factory=dict)
    memory: dict[int, Memory] = field(default_factory=dict)
    growth: Growth | None = None
    scaling: dict[int, Scaled] = field(default_factory=dict)
    crash: CatchUp | None = None
    shapes: dict[str, Shaped] = field(default_factory=dict)
    proofs: dict[int, Proof] = field(default_factory=dict)
    not_run: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """One object, rounded to what the figures are worth."""
        return {
            "throughput": _speeds(self.contests.get("kafka")),
            "embedded": _speeds(self.contests.get("embedded")),
            "latency_ms": {
                str(rate): {
                    **found.published.as_json(),
                    "seen": found.seen.as_json(),
                    "record": found.record.as_json(),
                }
                for rate, found in self.latency.items()
            },
            "growth": {
                "records": _costs(self.growth.by_records if self.growth else {}),
                "jobs": _costs(self.growth.by_jobs if self.growth else {}),
                "workers": {str(count): each.as_json() for count, each in self.scaling.items()},
            },
            "shapes": {name: found.as_json() for name, found in self.shapes.items()},
            "proof": {str(size): found.as_json() for size, found in self.proofs.items()},
            "crash": self.crash and self.crash.as_json(),
            "rss_mb": round(self.memory[max(self.memory)].rss_mb) if self.memory else None,
            "rss_mb_by_waiting": {
                str(waiting): round(found.rss_mb) for waiting, found in self.memory.items()
            },
            "triggers": self.triggers,
            "machine": dict(self.machine),
            "fsync_ms": round(self.fsync_ms, 2),
            "reached": {goal.name: goal.is_reached for goal in self.goals()},
            "not_run": [*self.not_run, *self.failed],
        }

    def picture(self) -> str:
        """The throughput on real Kafka as a picture (SVG)."""
        contest = self.contests["kafka"]
        shown = {each.name: contest.per_s(each.name) for each in contest.contenders}
        where = f"{self.machine['cores']} cores of {self.machine['cpu']}, all on one machine"
        below = f"draining {self.triggers:,} from Apache Kafka into PostgreSQL; {where}"
        return picture.bars("Triggers a second", below, shown, "product")

    def goals(self) -> list[Goal]:
        """The figures of the brief that could be judged."""
        goals: list[Goal] = []
        if kafka := self.contests.get("kafka"):
            for each in kafka.contenders[1:]:
                least = {"limit": RATIO_LIMIT, SESSION: RATIO_SESSION}.get(
                    each.name, RATIO_ORDINARY
                )
                goals.append(_at_least(f"ratio to {each.name}", least, kafka.ratio(each.name)))
        if judged := self.latency.get(JUDGED_PER_S):
            p50, p99 = judged.published.p50, judged.published.p99
            goals.append(_at_most(f"p50 at {JUDGED_PER_S}/s, ms", P50_MS, p50))
            goals.append(_at_most(f"p99 at {JUDGED_PER_S}/s, ms", P99_MS, p99))
        if self.growth and len(self.growth.by_records) > 1:
            costs = self.growth.by_records
            most, least_records = max(costs), min(costs)
            for figure, (of, wanted) in growth.FIGURES.items():
                name = f"{figure} a trigger, {most:,} records to {least_records:,}"
                goals.append(_at_most(name, wanted, self.growth.ratio(of)))
        if self.memory:
            waiting = max(self.memory)
            name = f"RSS with {waiting:,} waiting, MB"
            goals.append(_at_most(name, RSS_MB, self.memory[waiting].rss_mb))
        for name, found in self.shapes.items():
            goals.append(_at_least(f"{name}: ratio to batches of {found.best}", 1, found.ratio))
            goals.append(_at_most(f"{name}: RSS, MB", RSS_MB, found.product.rss_mb))
        if self.proofs:
            most = max(self.proofs)
            name = f"audit --deep of {most:,}, triggers/s"
            goals.append(_at_least(name, PROOF_PER_S, self.proofs[most].per_s))
        return goals


def _at_least(name: str, least: float, measured: float) -> Goal:
    return Goal(name, f">= {least:g}", f"{measured:.2f}", measured >= least)


def _at_most(name: str, most: float, measured: float) -> Goal:
    return Goal(name, f"<= {most:g}", f"{measured:.2f}", measured <= most)


def _speeds(contest: Contest | None) -> dict[str, dict[str, float]]:
    if contest is None:
        return {}
    return {
        each.name: {
            "per_s": round(contest.per_s(each.name)),
            "ratio": round(contest.ratio(each.name), 2),
            "cpu_us": round(contest.cpu_us(each.name), 1),
        }
        for each in contest.contenders
    }


def _costs(costs: Mapping[int, Cost]) -> dict[str, dict[str, float]]:
    return {str(size): cost.as_json() for size, cost in costs.items()}
