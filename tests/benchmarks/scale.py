"""`make scale`: what a rate of triggers needs and what breaks first, from measured costs of one.

Everything grows with the rate in a straight line, which is what the measurements show as far as
they go (figures.toml, docs/scale.md); what one server can do is assumed there and named. Prints the
two tables of docs/scale.md; `--write` puts them there.
"""

import argparse
import math
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.benchmarks.cost import Cost

RATES = (10_000, 100_000, 1_000_000)
FIGURES = Path(__file__).with_name("figures.toml")
PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
DAY_S = 86_400
MOST_PRIMARIES = 1
FEWEST_BROKERS = 3
FEWEST_PARTITIONS = 6
BRIEF_DAYS = 7

Table = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Trigger(Cost):
    """What one costs, as measured, and what its idempotency key adds to the index of all keys."""

    key_bytes: float


@dataclass(frozen=True, slots=True)
class Assumed:
    """One server of each kind, and how the rate lies over a day; not measured.

    A rate is a peak: over a day the average is `average_share` of it. Of everything `used_share`
    is to be used at the peak.
    """

    used_share: float
    average_share: float
    retention_days: int
    replicas: int
    database_cores: int
    database_memory_gb: int
    database_wal_mb_s: int
    database_disk_tb: int
    broker_cores: int
    broker_mb_s: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What a rate needs, in numbers of things, MB a second, and GB.

    `worker_load` is `workers` before it is rounded up.
    """

    worker_load: float
    workers: int
    partitions: int
    worker_cores: float
    database_cores: float
    wal_mb_s: float
    records_a_day: float
    disk_gb_a_day: float
    kept_tb: float
    key_gb_a_day: float
    broker_cores: float
    broker_mb_s: float


def load(path: Path = FIGURES) -> tuple[Trigger, Assumed]:
    """The measured and the assumed figures."""
    told: dict[str, Any] = tomllib.loads(path.read_text())
    return Trigger(**told["trigger"]), Assumed(**told["assumed"])


def needs(per_s: int, trigger: Trigger, assumed: Assumed) -> Needs:
    """What so many triggers a second need at the peak, and leave behind on a day."""
    worker_load = per_s / (trigger.per_s * assumed.used_share)
    workers = math.ceil(worker_load)
    a_day = per_s * assumed.average_share * DAY_S
    bytes_in = trigger.trigger_bytes + trigger.event_bytes
    return Needs(
        worker_load=worker_load,
        workers=workers,
        partitions=max(FEWEST_PARTITIONS, 2 * workers),
        worker_cores=per_s * trigger.client_us / 1e6,
        database_cores=per_s * trigger.server_us / 1e6,
        wal_mb_s=per_s * (trigger.wal_bytes + trigger.page_bytes) / 1e6,
        records_a_day=a_day,
        disk_gb_a_day=a_day * trigger.record_bytes / 1e9,
        kept_tb=a_day * trigger.record_bytes * assumed.retention_days / 1e12,
        key_gb_a_day=a_day * trigger.key_bytes / 1e9,
        broker_cores=per_s * trigger.broker_us * assumed.replicas / 1e6,
        broker_mb_s=per_s * bytes_in * assumed.replicas / 1e6,
    )


def loads(need: Needs, assumed: Assumed) -> dict[str, float]:
    """How full one of each is: 1 is all that it may be used for, more has to be shared out."""
    share = assumed.used_share
    memory_gb = assumed.database_memory_gb * share
    return {
        "one worker": need.worker_load,
        "one primary: disk": need.kept_tb / (assumed.database_disk_tb * share),
        "one primary: CPU": need.database_cores / (assumed.database_cores * share),
        "one primary: write-ahead log": need.wal_mb_s / (assumed.database_wal_mb_s * share),
        "one primary: memory for the keys of two days": 2 * need.key_gb_a_day / memory_gb,
        "three brokers: network and disk": need.broker_mb_s
        / (FEWEST_BROKERS * assumed.broker_mb_s * share),
        "three brokers: CPU": need.broker_cores / (FEWEST_BROKERS * assumed.broker_cores * share),
    }


def shards(need: Needs, assumed: Assumed) -> int:
    """How many primaries carry the CPU, the log, the disk, and the keys that are written to."""
    full = loads(need, assumed)
    return math.ceil(
        max(
            full["one primary: CPU"],
            full["one primary: write-ahead log"],
            full["one primary: disk"],
            full["one primary: memory for the keys of two days"],
        )
    )


def brokers(need: Needs, assumed: Assumed) -> int:
    """How many brokers carry the CPU and the bytes; never fewer than three."""
    full = loads(need, assumed)
    most = max(full["three brokers: CPU"], full["three brokers: network and disk"])
    return max(FEWEST_BROKERS, math.ceil(FEWEST_BROKERS * most))


def needs_table(trigger: Trigger, assumed: Assumed) -> Table:
    """What each rate needs."""
    found = [needs(rate, trigger, assumed) for rate in RATES]
    rows: Table = [("triggers a second, at the peak", *(f"{rate:,}" for rate in RATES))]

    def row(name: str, values: Sequence[float], form: str = ",.0f") -> None:
        rows.append((name, *(format(value, form) for value in values)))

    row("worker processes", [need.workers for need in found])
    row("their CPU, cores", [need.worker_cores for need in found], ",.1f")
    row("partitions of the trigger topic, at least", [need.partitions for need in found])
    rows.append(("PostgreSQL", *(_database(need, assumed) for need in found)))
    brief = replace(assumed, retention_days=BRIEF_DAYS)
    rows.append(
        (
            f"PostgreSQL, with records kept for {BRIEF_DAYS} days",
            *(_database(needs(rate, trigger, brief), brief) for rate in RATES),
        )
    )
    row("its CPU in all, cores", [need.database_cores for need in found], ",.1f")
    row("its write-ahead log in all, MB/s", [need.wal_mb_s for need in found])
    row("statements in all, a second", [rate * trigger.statements for rate in RATES])
    row("records a day, million", [need.records_a_day / 1e6 for need in found])
    row("disk a day, GB", [need.disk_gb_a_day for need in found])
    row(f"disk for {assumed.retention_days} days, TB", [need.kept_tb for need in found], ",.1f")
    row("keys of a day, GB", [need.key_gb_a_day for need in found], ",.1f")
    row("brokers", [brokers(need, assumed) for need in found])
    row("bytes to brokers' disks in all, MB/s", [need.broker_mb_s for need in found])
    return rows


def loads_table(trigger: Trigger, assumed: Assumed) -> Table:
    """How full one of each is at each rate, what breaks first on top."""
    columns = [loads(needs(rate, trigger, assumed), assumed) for rate in RATES]
    rows: Table = [("", *(f"{rate:,}/s" for rate in RATES))]
    for name in sorted(columns[0], key=columns[0].__getitem__, reverse=True):
        rows.append((name, *(_load(column[name]) for column in columns)))
    return rows


def _load(full: float) -> str:
    said = f"{full:,.2f}" if full < 10 else f"{full:,.0f}"
    return f"**{said}**" if full > 1 else said


def _database(need: Needs, assumed: Assumed) -> str:
    count = shards(need, assumed)
    if count > MOST_PRIMARIES:
        return f"{count:,} shards"
    return "1 primary"


def as_markdown(table: Table) -> str:
    """A table as the page has it."""
    head, *rows = table
    lines = [head, ("---", *("---:" for _ in head[1:])), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def tables(trigger: Trigger, assumed: Assumed) -> dict[str, str]:
    """Both tables by the names that the page marks them with."""
    return {
        "needs": as_markdown(needs_table(trigger, assumed)),
        "loads": as_markdown(loads_table(trigger, assumed)),
    }


def marked(page: str, name: str) -> tuple[int, int]:
    """Where a table stands in the page. Raises ValueError where the page has no such place."""
    begin = f"<!-- {name}, by make scale -->\n"
    start = page.index(begin) + len(begin)
    return start, page.index("<!-- end -->", start)


def main(arguments: Sequence[str]) -> int:
    """Print the tables, or put them into the page."""
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    asked = parser.parse_args(arguments)
    made = tables(*load())
    if asked.write:
        page = PAGE.read_text()
        for name, table in made.items():
            start, end = marked(page, name)
            page = page[:start] + table + page[end:]
        PAGE.write_text(page)
    else:
        sys.stdout.write("\n".join(made.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
