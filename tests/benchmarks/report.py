"""What was measured, as a table for people and as an object for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from tests.benchmarks.contest import Contest
from tests.benchmarks.latency import Latency
from tests.benchmarks.memory import Memory

RATIO_PLAIN = 1.2
RATIO_LIMIT = 0.6
P50_MS = 10
P99_MS = 60
RSS_MB = 150


@dataclass(slots=True)
class Report:
    """Filled as the measurements come; what was not asked for or cannot run stays None."""

    machine: Mapping[str, object]
    fsync_ms: float
    triggers: int
    contests: dict[str, Contest] = field(default_factory=dict)
    latency: Latency | None = None
    latency_per_s: int = 0
    memory: Memory | None = None
    memory_waiting: int = 0
    not_run: Sequence[str] = ()

    def as_json(self) -> dict[str, object]:
        """One object, rounded to what the figures are worth."""
        latency, memory = self.latency, self.memory
        return {
            "kafka": _speeds(self.contests.get("kafka")),
            "embedded": _speeds(self.contests.get("embedded")),
            "latency_ms": latency
            and {
                "p50": round(latency.p50, 1),
                "p99": round(latency.p99, 1),
                "seen_p50": round(latency.seen_p50, 1),
                "seen_p99": round(latency.seen_p99, 1),
                "per_s": self.latency_per_s,
            },
            "rss_mb": memory and round(memory.rss_mb),
            "machine": dict(self.machine),
            "fsync_ms": round(self.fsync_ms, 2),
            "triggers": self.triggers,
            "reached": {name: is_reached for name, _, _, is_reached in self._goals()},
            "not_run": list(self.not_run),
        }

    def show(self, console: Console) -> None:
        """Tables: speeds, then what was to be reached."""
        for contest in self.contests.values():
            console.print(_speed_table(contest, self.triggers))
        goals = Table(title="To be reached (on real Kafka)", title_justify="left")
        for name in ("what", "at", "measured", ""):
            goals.add_column(name, justify="left" if name in ("what", "") else "right")
        for name, goal, measured, is_reached in self._goals():
            goals.add_row(name, goal, measured, "reached" if is_reached else "[bold]MISSED[/bold]")
        if goals.row_count:
            console.print(goals)
        if self.latency:
            console.print(
                f"At {self.latency_per_s}/s a consumer saw the events after "
                f"{self.latency.seen_p50:.1f} ms (p50) and {self.latency.seen_p99:.1f} ms (p99); "
                f"{self.latency.count:,} triggers in batches of {self.latency.batch:.1f}."
            )
        console.print(f"The database's disk keeps 8 KiB in {self.fsync_ms:.2f} ms (write + fsync).")
        console.print(", ".join(f"{name} {value}" for name, value in self.machine.items()))
        for sentence in self.not_run:
            console.print(f"[bold red]NOT RUN: {sentence}[/bold red]")

    def _goals(self) -> list[tuple[str, str, str, bool]]:
        """Name, goal, what was measured, and whether that is enough."""
        goals: list[tuple[str, str, str, bool]] = []
        if kafka := self.contests.get("kafka"):
            for name, least in (("plain", RATIO_PLAIN), ("limit", RATIO_LIMIT)):
                ratio = kafka.ratio(name)
                goals.append((f"ratio to {name}", f">= {least}", f"{ratio:.2f}", ratio >= least))
        if self.latency:
            for name, ms, most in (
                ("p50", self.latency.p50, P50_MS),
                ("p99", self.latency.p99, P99_MS),
            ):
                what = f"{name} at {self.latency_per_s}/s"
                goals.append((what, f"<= {most} ms", f"{ms:.1f} ms", ms <= most))
        if self.memory:
            rss = self.memory.rss_mb
            what = f"RSS with {self.memory_waiting:,} waiting"
            goals.append((what, f"< {RSS_MB} MB", f"{rss:.0f} MB", rss < RSS_MB))
        return goals


def _speeds(contest: Contest | None) -> dict[str, float] | None:
    if contest is None:
        return None
    speeds: dict[str, float] = {
        "per_s": round(contest.per_s("product")),
        "ratio_plain": round(contest.ratio("plain"), 2),
        "ratio_limit": round(contest.ratio("limit"), 2),
        "plain_per_s": round(contest.per_s("plain")),
        "limit_per_s": round(contest.per_s("limit")),
    }
    for name in ("product", "plain", "limit"):
        key = "cpu_us" if name == "product" else f"{name}_cpu_us"
        speeds[key] = round(contest.cpu_us(name), 1)
    return speeds


def _speed_table(contest: Contest, triggers: int) -> Table:
    rounds = len(contest.rounds)
    where = {"kafka": "real Apache Kafka", "embedded": "the embedded broker"}[contest.broker]
    table = Table(
        title=f"{triggers:,} triggers on {where}, median of {rounds} rounds", title_justify="left"
    )
    table.add_column("")
    for name in ("triggers/s", "least - most", "CPU µs/trigger", "product is", "least - most"):
        table.add_column(name, justify="right")
    for name in ("product", "plain", "limit"):
        least, most = contest.spread(name)
        row = [name, f"{contest.per_s(name):,.0f}", f"{least:,.0f} - {most:,.0f}"]
        row.append(f"{contest.cpu_us(name):.1f}")
        if name == "product":
            row += ["", ""]
        else:
            ratios = contest.ratios(name)
            row += [f"{contest.ratio(name):.2f} of it", f"{min(ratios):.2f} - {max(ratios):.2f}"]
        table.add_row(*row)
    return table
