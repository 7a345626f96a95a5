"""What was measured, as tables for people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.table import Table

from tests.benchmarks.contest import Contest
from tests.benchmarks.cost import Cost
from tests.benchmarks.crash import CatchUp
from tests.benchmarks.growth import FIGURES, Growth
from tests.benchmarks.latency import Latency
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.scaling import Scaled
from tests.benchmarks.shapes import SIZES, Shaped


def show(report: Report, console: Console) -> None:
    """Speeds, latency, costs, then what was to be reached."""
    for part in _parts(report):
        console.print(part)


def _parts(report: Report) -> Iterator[RenderableType]:
    for contest in report.contests.values():
        yield _speed_table(contest, report.triggers)
    if kafka := report.contests.get("kafka"):
        yield _promises_table(kafka)
    if report.latency:
        yield _latency_table(report.latency)
    if report.growth:
        yield _cost_table("records", report.growth.by_records)
        yield from _growth_words(report.growth)
        yield _cost_table("jobs", report.growth.by_jobs)
    if report.scaling:
        yield _scaling_table(report.scaling)
    if report.shapes:
        yield _shapes_table(report.shapes)
    yield from _words(report)
    if goals := report.goals():
        yield _goals_table(goals)
    yield f"The database's disk keeps 8 KiB in {report.fsync_ms:.2f} ms (write + fsync)."
    yield ", ".join(f"{name} {value}" for name, value in report.machine.items())
    for sentence in (*report.not_run, *report.failed):
        yield f"[bold red]NOT RUN: {sentence}[/bold red]"


def _words(report: Report) -> Iterator[str]:
    """What needs no table."""
    if report.crash:
        yield _crash_words(report.crash)
    for triggers, proof in report.proofs.items():
        yield (
            f"audit --deep of {triggers:,} triggers: {proof.per_s:,.0f} a second, "
            f"{proof.rss_mb:.0f} MB at most."
        )
    for waiting, found in report.memory.items():
        yield f"{found.rss_mb:.0f} MB at most with {waiting:,} triggers waiting."


def _growth_words(growth: Growth) -> Iterator[str]:
    """What most records cost over fewest: alone, no figure hides behind another."""
    if len(growth.by_records) < 2:
        return
    yield f"A trigger with {max(growth.by_records):,} records over {min(growth.by_records):,}:"
    for name, (of, _) in FIGURES.items():
        ratios = growth.ratios(of)
        yield f"  {name}: {growth.ratio(of):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _crash_words(crash: CatchUp) -> str:
    return (
        f"Killed with {crash.backlog:,} triggers waiting: the next worker records again after "
        f"{crash.resumed_s:.1f} s (the group's session timeout is {crash.session_timeout_s:.0f} "
        f"s), all are recorded after {crash.caught_up_s:.1f} s; {crash.repeats:,} events were "
        "repeated."
    )


def _goals_table(goals: Sequence[Goal]) -> Table:
    table = Table(title="To be reached (on real Kafka)", title_justify="left")
    for name in ("what", "at", "measured", ""):
        table.add_column(name, justify="left" if name in ("what", "") else "right")
    for goal in goals:
        end = "reached" if goal.is_reached else "[bold]MISSED[/bold]"
        table.add_row(goal.name, goal.goal, goal.measured, end)
    return table


def _table(title: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _speed_table(contest: Contest, triggers: int) -> Table:
    where = {"kafka": "real Apache Kafka", "embedded": "the embedded broker"}[contest.broker]
    rows = []
    for each in contest.contenders:
        least, most = contest.spread(each.name)
        row = [each.name, f"{contest.per_s(each.name):,.0f}", f"{least:,.0f} - {most:,.0f}"]
        row.append(f"{contest.cpu_us(each.name):.1f}")
        if each is contest.contenders[0]:
            row += ["", ""]
        else:
            ratios = contest.ratios(each.name)
            row.append(f"{contest.ratio(each.name):.2f} of it")
            row.append(f"{min(ratios):.2f} - {max(ratios):.2f}")
        rows.append(row)
    return _table(
        f"{triggers:,} triggers on {where}, median of {len(contest.rounds)} rounds",
        ("", "triggers/s", "least - most", "CPU µs/trigger", "product is", "least - most"),
        rows,
    )


def _promises_table(contest: Contest) -> Table:
    rows = [(each.name, each.crash, each.owners, each.poison) for each in contest.contenders]
    names = ("", "committed, not sent, then a crash", "a second owner", "a bad trigger")
    table = Table(title="What each promises", title_justify="left")
    for name in names:
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    return table


def _latency_table(latency: Mapping[int, Latency]) -> Table:
    rows = []
    for rate, found in latency.items():
        for what, each in (
            ("append to event acknowledged", found.published),
            ("sent to event seen", found.seen),
            ("sent to record visible", found.record),
        ):
            figures = (f"{ms:.1f}" for ms in (each.p50, each.p99, each.p999))
            rows.append((what, f"{rate:,}", *figures, f"{found.count:,}", f"{found.batch:.1f}"))
    names = ("", "a second", "p50", "p99", "p99.9", "triggers", "batch")
    return _table("Latency, milliseconds", names, rows)


def _cost_table(of: str, costs: Mapping[int, Cost]) -> Table:
    rows = [
        (
            f"{size:,}",
            *(f"{value:.1f}" for value in (cost.client_us, cost.server_us, cost.broker_us)),
            f"{cost.statements:.3f}",
            *(f"{value:,.0f}" for value in (cost.wal_bytes, cost.page_bytes, cost.record_bytes)),
        )
        for size, cost in costs.items()
    ]
    names = (of, "worker µs", "PostgreSQL µs", "broker µs", "statements", "WAL", "pages", "table")
    return _table("What a trigger costs: CPU, statements, bytes", names, rows)


def _scaling_table(scaling: Mapping[int, Scaled]) -> Table:
    rows = [
        (str(count), f"{each.per_s:,.0f}", f"{each.client_us:.1f}", f"{each.server_us:.1f}")
        for count, each in scaling.items()
    ]
    names = ("workers", "triggers/s", "worker µs/trigger", "PostgreSQL µs/trigger")
    return _table("Side by side on the same cores", names, rows)


def _shapes_table(shapes: Mapping[str, Shaped]) -> Table:
    rows = []
    for name, found in shapes.items():
        fixed = (f"{found.by_size[size].per_s:,.0f}" for size in SIZES)
        memory = f"{found.product.rss_mb:.0f}"
        rows.append((name, f"{found.product.per_s:,.0f}", *fixed, f"{found.ratio:.2f}", memory))
    names = ("", "triggers/s", *(f"batches of {size}" for size in SIZES), "ratio to best", "MB")
    return _table("Jobs that cost much", names, rows)
