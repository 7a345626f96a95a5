"""What a campaign came to: a table for people, one object for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.faults.campaign import Run

_HEAD = ("scenario", "runs", "triggers", "faults", "records", "repeats", "violations", "recover")


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario's runs together; `recover_s` is the longest recovery of any."""

    name: str
    runs: int
    triggers: int
    faults: int
    records: int
    repeats: int
    violations: int
    recover_s: float


def rows(runs: Iterable[Run], names: Sequence[str]) -> list[Row]:
    """One row for each scenario that was played, in the order of `names`."""
    by_name: dict[str, list[Run]] = {name: [] for name in names}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    return [
        Row(
            name=name,
            runs=len(played),
            triggers=sum(run.triggers for run in played),
            faults=sum(run.faults for run in played),
            records=sum(run.records for run in played),
            repeats=sum(run.repeats for run in played),
            violations=sum(len(run.violations) for run in played),
            recover_s=round(max(run.recover_s for run in played), 1),
        )
        for name, played in by_name.items()
        if played
    ]


def as_object(seed: int, table: Sequence[Row]) -> dict[str, object]:
    """The object of `--json`."""
    return {
        "seed": seed,
        "scenarios": [
            {
                "name": row.name,
                "runs": row.runs,
                "triggers": row.triggers,
                "faults": row.faults,
                "records": row.records,
                "repeats": row.repeats,
                "violations": row.violations,
                "recover_s": row.recover_s,
            }
            for row in table
        ],
        "violations": sum(row.violations for row in table),
    }


def as_table(table: Sequence[Row]) -> list[str]:
    """Lines of at most 100 columns, with a last one that adds up."""
    width = max(len(name) for name in [_HEAD[0], *(row.name for row in table)])
    everything = Row(
        name="all",
        runs=sum(row.runs for row in table),
        triggers=sum(row.triggers for row in table),
        faults=sum(row.faults for row in table),
        records=sum(row.records for row in table),
        repeats=sum(row.repeats for row in table),
        violations=sum(row.violations for row in table),
        recover_s=max((row.recover_s for row in table), default=0.0),
    )
    lines = [
        f"{row.name:<{width}} {row.runs:5} {row.triggers:9,} {row.faults:7,} {row.records:9,} "
        f"{row.repeats:8,} {row.violations:11,} {row.recover_s:7.1f} s"
        for row in [*table, everything]
    ]
    name, run, trigger, fault, record, repeat, violation, recover = _HEAD
    head = (
        f"{name:<{width}} {run:>5} {trigger:>9} {fault:>7} {record:>9} {repeat:>8} "
        f"{violation:>11} {recover:>9}"
    )
    return [head, *lines]
