"""What a trigger costs where there are more records, and more jobs: it should cost the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks import cost, history, inventory
from tests.benchmarks.contest import Say
from tests.benchmarks.cost import Cost
from tests.benchmarks.stage import Stage
from tests.support.kafka import KafkaNode
from worker.storage import schema

RECORDS = (100_000, 1_000_000, 10_000_000)
JOBS = (1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Growth:
    """Costs by number of records (5,000 jobs), and by number of jobs (few records)."""

    by_records: dict[int, Cost]
    by_jobs: dict[int, Cost]


def measure(
    stage: Stage,
    node: KafkaNode,
    *,
    triggers: int,
    records: Sequence[int],
    jobs: Sequence[int],
    say: Say,
) -> Growth:
    """One platform filled up from size to size, then a fresh one for each number of jobs."""
    by_records: dict[int, Cost] = {}
    by_jobs: dict[int, Cost] = {}
    url = stage.server.create("growth")
    for size in sorted(records):
        history.fill_up(url, records=size, jobs=inventory.JOBS)
        say(f"{size:,} records are there")
        by_records[size] = cost.measure(stage, node, url, triggers=triggers, jobs=inventory.JOBS)
        _tell(say, f"{size:,} records", by_records[size])
    stage.server.drop("growth")
    for size in sorted(jobs):
        url = stage.server.create("growth", template="template0")
        schema.upgrade(url)
        inventory.fill(url, size)
        by_jobs[size] = cost.measure(stage, node, url, triggers=triggers, jobs=size)
        _tell(say, f"{size:,} jobs", by_jobs[size])
        stage.server.drop("growth")
    return Growth(by_records, by_jobs)


def _tell(say: Say, what: str, found: Cost) -> None:
    say(
        f"{what}: {found.client_us:.1f} µs client, {found.server_us:.1f} µs server, "
        f"{found.statements:.3f} statements, {found.wal_bytes:.0f} + {found.page_bytes:.0f} "
        f"bytes of WAL a trigger"
    )
