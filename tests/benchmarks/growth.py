"""What a trigger costs where there are more records, and more jobs: it should cost the same."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from job_trigger_worker.storage.schema import revisions
from tests.benchmarks import cost, history, inventory
from tests.benchmarks.contest import Say
from tests.benchmarks.cost import Cost
from tests.benchmarks.stage import Stage
from tests.support.kafka import KafkaNode

RECORDS = (100_000, 1_000_000, 10_000_000)
JOBS = (1_000, 10_000, 100_000, 1_000_000)
ROUNDS = 3

Of = Callable[[Cost], float]


@dataclass(frozen=True, slots=True)
class Growth:
    """Costs by number of records (5,000 jobs), round by round, and by number of jobs."""

    rounds: list[dict[int, Cost]]
    by_jobs: dict[int, Cost]

    @property
    def by_records(self) -> dict[int, Cost]:
        """The median of each figure."""
        return {size: cost.median([each[size] for each in self.rounds]) for size in self.rounds[0]}

    def ratios(self, of: Of) -> list[float]:
        """A figure with the most records over that with the fewest, round by round."""
        return [of(each[max(each)]) / of(each[min(each)]) for each in self.rounds]

    def ratio(self, of: Of) -> float:
        """Median of the ratios."""
        return statistics.median(self.ratios(of))


def log_bytes(found: Cost) -> float:
    """Of write-ahead log, with the pages that are logged whole, a trigger."""
    return found.wal_bytes + found.page_bytes


FIGURES: dict[str, tuple[Of, float]] = {
    "worker CPU": (lambda found: found.client_us, 1.15),
    "PostgreSQL CPU": (lambda found: found.server_us, 1.15),
    "statements": (lambda found: found.statements, 1.15),
    "log": (lambda found: found.wal_bytes, 1.15),
    "log with whole pages": (log_bytes, 2.0),
}
"""What is compared, and the most that it may grow from the fewest records to the most."""


def measure(
    stage: Stage,
    node: KafkaNode,
    *,
    triggers: int,
    records: Sequence[int],
    jobs: Sequence[int],
    say: Say,
) -> Growth:
    """A platform for each number of records, in turn, then a fresh one for each number of jobs.

    A round takes a part of the triggers, so that a small number of records stays one.
    """
    by_jobs: dict[int, Cost] = {}
    platforms: dict[int, str] = {}
    rounds: list[dict[int, Cost]] = []
    for size in sorted(records):
        platforms[size] = stage.server.create(f"growth_{size}")
        history.fill_up(platforms[size], records=size, jobs=inventory.JOBS)
        say(f"{size:,} records are there")
    for number in range(1, ROUNDS + 1):
        found: dict[int, Cost] = {}
        for size, url in platforms.items():
            found[size] = cost.measure(
                stage, node, url, triggers=triggers // ROUNDS, jobs=inventory.JOBS
            )
            _tell(say, f"{number}/{ROUNDS} {size:,} records", found[size])
        rounds.append(found)
    for size in platforms:
        stage.server.drop(f"growth_{size}")
    for size in sorted(jobs):
        url = stage.server.create("growth", template="template0")
        revisions.upgrade(url)
        inventory.fill(url, size)
        by_jobs[size] = cost.measure(stage, node, url, triggers=triggers, jobs=size)
        _tell(say, f"{size:,} jobs", by_jobs[size])
        stage.server.drop("growth")
    return Growth(rounds, by_jobs)


def _tell(say: Say, what: str, found: Cost) -> None:
    say(
        f"{what}: {found.client_us:.1f} µs client, {found.server_us:.1f} µs server, "
        f"{found.statements:.3f} statements, {found.wal_bytes:.0f} + {found.page_bytes:.0f} "
        f"bytes of WAL a trigger"
    )
