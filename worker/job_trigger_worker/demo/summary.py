"""What a run leaves behind, said at its end."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.audit.equations import Line, equations
from job_trigger_worker.demo.live_view import clock
from job_trigger_worker.demo.measurements import Counts
from job_trigger_worker.storage.read.audit import ledger_rows


@dataclass(frozen=True, slots=True)
class Summary:
    """The audit at the end, after the worker has handed over. `lines` is empty without a look."""

    counts: Counts
    lines: tuple[Line, ...]

    @property
    def closes(self) -> bool:
        """True when the audit was made and every equation holds."""
        return bool(self.lines) and all(line.holds for line in self.lines)


def summarise(engine: Engine) -> Summary:
    """Look at ledger, outbox and tables once more. A database that is away is no audit."""
    try:
        with engine.connect() as connection:
            rows = ledger_rows(connection)
    except DBAPIError:
        return Summary(Counts(), ())
    return Summary(Counts.of(rows), equations(rows))


def show(out: Console, summary: Summary, *, elapsed_s: float, data: str) -> None:
    """A few lines for a person."""
    counts = summary.counts
    rows = [
        ("records", f"{counts.records:,} of {counts.delivered:,} triggers delivered"),
        ("dispatched", f"{counts.dispatched:,}"),
        ("failures", f"{counts.failures:,}"),
        ("repeats", f"{counts.repeats:,}, none of them ran twice"),
        ("unreadable", f"{counts.unreadable:,}, kept as dead letters"),
        ("in the outbox", f"{counts.waiting:,}"),
        ("audit", "closes ✓" if summary.closes else "does NOT close ✗"),
        ("data", f"{data}   go on: run again   start over: --fresh"),
    ]
    out.print(f"Stopped after {clock(elapsed_s)}. In this database, over all runs:")
    for name, words in rows:
        out.print(f"  {name:<14} {words}", markup=False, soft_wrap=True)
    for line in summary.lines:
        for difference in line.differences:
            out.print(f"  {line.promise}: {difference}", markup=False, soft_wrap=True)
