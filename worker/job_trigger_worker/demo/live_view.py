"""What a person sees while everything runs: the whole screen, and a line for pipes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from job_trigger_worker.audit.equations import Line
from job_trigger_worker.demo.measurements import Counts, Measurement
from job_trigger_worker.demo.probes import Cause
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.storage.read.activity import Failure

_FIXED_ROWS = 13
_BLANK_ROWS = 4
_ROOMY = 6
"""Rows that lists need before blank lines are put between the parts."""

_ROOMY_LISTS = 14
"""Rows from which a blank line parts the lists."""

_WIDE = 100
_MOST_LATEST = 10
_LONGEST_JOB = 30
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Scene:
    """What the view knows beside the readings.

    `link` signs in to the console, `power` says what [p] does now, `shell` what can be typed in
    another shell meanwhile.
    """

    elapsed_s: float
    worker_pid: int
    worker_starts: int
    link: str
    power: str
    shell: str
    data: str
    note: str = ""


def screen(reading: Measurement, scene: Scene, width: int, height: int) -> RenderableType:
    """The whole screen, in at most `height` rows of `width` cells."""
    is_roomy = height - _FIXED_ROWS - _BLANK_ROWS >= _ROOMY
    blank = [Text("")] if is_roomy else []
    room = max(0, height - _FIXED_ROWS - _BLANK_ROWS * len(blank))
    gap = blank if room >= _ROOMY_LISTS else []
    for_latest = min(len(reading.latest), room // 3)
    causes = _causes(reading.causes, room - for_latest - len(gap))
    latest = reading.latest[: min(_MOST_LATEST, room - len(causes) - len(gap))]
    parts: list[RenderableType] = [
        _title(scene, width),
        _open(scene, width),
        *blank,
        _ticks(reading, width),
        *blank,
        _numbers(reading, scene),
        *blank,
        _causes_header(),
        *causes,
        *gap,
        Text("Latest", "bold"),
        _latest(latest),
        *[Text("")] * max(0, room - len(causes) - len(gap) - len(latest)),
    ]
    parts += [*blank, Text(scene.note, "yellow", no_wrap=True, overflow="ellipsis")]
    parts.append(
        Text.assemble(
            ("Try    ", "bold"),
            ("[p]", "bold cyan"),
            f" {scene.power}   ",
            ("[k]", "bold cyan"),
            " kill the worker   ",
            ("[o]", "bold cyan"),
            " open   ",
            ("[q]", "bold cyan"),
            " quit",
            no_wrap=True,
            overflow="ellipsis",
        )
    )
    parts.append(_dim("Shell", scene.shell))
    parts.append(_dim("Data", f"{scene.data}   logs: worker.log   start over: --fresh"))
    return Group(*parts)


def line(reading: Measurement, scene: Scene) -> str:
    """The same in one line, where there is no screen."""
    first, second = _verdicts(reading)
    counts = reading.counts
    return (
        f"{clock(scene.elapsed_s)}  {_delivered(counts)[0]} {first}  "
        f"{_events(counts)[0]} {second}  p50 {ms(reading.p50_ms)} p99 {ms(reading.p99_ms)}  "
        f"{_waiting(reading)} waiting in the topic"
    )


def clock(seconds: float) -> str:
    """Minutes and seconds, hours when there are any."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ms(value: float | None) -> str:
    """Milliseconds for people, seconds when there are many."""
    if value is None:
        return "–"
    if value >= _MINUTE_MS:
        return f"{value / _MINUTE_MS:.0f} min"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"  # noqa: PLR2004 - a second


def _dim(label: str, words: str) -> RenderableType:
    text = Text(f"{label:<7}", "bold", no_wrap=True, overflow="ellipsis")
    return text.append(words, "not bold dim")


def _title(scene: Scene, width: int) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    words = Text("trigger-worker demo", "bold")
    rest = ": everything runs on this machine, nothing leaves it"
    if cell_len(words.plain + rest) + 9 <= width:
        words.append(rest, "not bold")
    grid.add_row(words, clock(scene.elapsed_s))
    return grid


def _open(scene: Scene, width: int) -> RenderableType:
    row = Text("Open   ", "bold", no_wrap=True, overflow="ellipsis")
    row.append(scene.link, "not bold underline")
    words = "   signs you in once, as demo-admin"
    if cell_len(row.plain + words) <= width:
        row.append(words, "not bold dim")
    return row


def _ticks(reading: Measurement, width: int) -> RenderableType:
    gap = 2 if width >= _WIDE else 1
    grid = Table.grid(padding=(0, gap))
    for _ in range(2):
        grid.add_column(no_wrap=True)
    grid.add_column(width=1)
    labels = ("Every trigger has a record", "Every record has its event")
    room = width - max(map(cell_len, labels)) - 2 * gap - 1
    variants = (_delivered(reading.counts), _events(reading.counts))
    for label, words, verdict in zip(labels, variants, _verdicts(reading), strict=True):
        style = {"✓": "bold green", "✗": "bold red"}.get(verdict, "bold yellow")
        fitting = next((each for each in words if cell_len(each) <= room), words[-1])
        grid.add_row(Text(label, "bold"), fitting, Text(verdict, style))
    return grid


def _verdicts(reading: Measurement) -> tuple[str, str]:
    """✓ where the count closes, ✗ where not, … where something waits for the worker.

    That is while it has yet to come back, and when a trigger has waited in the topic for long.
    """
    if not reading.lines:
        return "…", "…"
    is_away = not reading.is_worker_ready
    is_unread = reading.is_stalled or (is_away and bool(reading.in_topic))
    return (
        _verdict(reading.lines[0], waits=is_unread),
        _verdict(reading.lines[1], waits=is_away and reading.counts.waiting > 0),
    )


def _verdict(equation: Line, *, waits: bool) -> str:
    if not equation.holds:
        return "✗"
    return "…" if waits else "✓"


def _delivered(counts: Counts) -> tuple[str, ...]:
    """The first equation, in more words and in fewer."""
    repeats = f" + {pluralize(counts.repeats, 'repeat')}" if counts.repeats else ""
    unreadable = f" + {counts.unreadable:,} unreadable" if counts.unreadable else ""
    records = pluralize(counts.records, "record")
    rest = f"+ {counts.repeats:,} + {counts.unreadable:,}"
    return (
        f"{counts.delivered:,} delivered = {records}{repeats}{unreadable}",
        f"{counts.delivered:,} = {records}{repeats}{unreadable}",
        f"{counts.delivered:,} = {records} {rest}",
        f"{counts.delivered:,} = {counts.records:,} {rest}",
    )


def _events(counts: Counts) -> tuple[str, ...]:
    """The second equation, likewise; that nothing waits may go without saying."""
    parts = f"{counts.dispatched:,} dispatched + {pluralize(counts.failures, 'failure')}"
    waiting = f" · {counts.waiting:,} waiting"
    return (
        f"{counts.records:,} = {parts}{waiting}",
        f"{counts.records:,} = {parts}{waiting if counts.waiting else ''}",
        f"{counts.records:,} = {counts.dispatched:,} + {counts.failures:,}{waiting}",
        f"{counts.records:,} = {counts.dispatched:,} + {counts.failures:,}",
    )


def _waiting(reading: Measurement) -> str:
    return "–" if reading.in_topic is None else f"{reading.in_topic:,}"


def _numbers(reading: Measurement, scene: Scene) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=8)
    grid.add_column(width=8, justify="right")
    grid.add_column(width=10, justify="right")
    grid.add_column(width=4)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    counts = reading.counts
    latency = Text.assemble(
        ("topic to event  ", "dim"), f"p50 {ms(reading.p50_ms)}   p99 {ms(reading.p99_ms)}"
    )
    waiting = Text.assemble(("triggers waiting  ", "dim"), _waiting(reading))
    worker = Text.assemble(("worker  ", "dim"), f"pid {scene.worker_pid}")
    if scene.worker_starts > 1:
        worker.append(f", start {scene.worker_starts}", "dim")
    if not reading.is_worker_ready:
        worker.append(", joins its group", "yellow")
    grid.add_row("", Text("now", "dim"), Text("total", "dim"), "", latency)
    passed, failed = f"{reading.passed_per_s:.0f}/s", f"{reading.failed_per_s:.0f}/s"
    grid.add_row(Text("passed", "green"), passed, f"{counts.dispatched:,}", "", waiting)
    grid.add_row(Text("failed", "red"), failed, f"{counts.failures:,}", "", worker)
    return grid


def _row(words: Text, jobs: Text | str, triggers: Text | str) -> RenderableType:
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", width=6)
    grid.add_column(justify="right", width=9)
    grid.add_row(words, jobs, triggers)
    return grid


def _causes_header() -> RenderableType:
    title = Text.assemble(("Why triggers fail", "bold"), ("  in the last hour of this run", "dim"))
    return _row(title, Text("jobs", "dim"), Text("triggers", "dim"))


def _causes(causes: Sequence[Cause] | None, rows: int) -> Sequence[RenderableType]:
    """At most `rows` rows; the last says how many causes are not shown."""
    if causes is None:
        return [Text("  the streams are starting to count", "dim")][:rows]
    shown = causes if len(causes) <= rows else causes[: max(0, rows - 1)]
    listed = [
        _row(Text(f"  {cause.message}"), f"{cause.jobs:,}", f"{cause.triggers:,}")
        for cause in shown
    ]
    left = len(causes) - len(shown)
    if left and rows:
        listed.append(Text(f"  {left} more causes", "dim"))
    return listed


def _latest(failures: Sequence[Failure]) -> RenderableType:
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(width=10, justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=_LONGEST_JOB)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for failure in failures:
        name = failure.job_name or "unknown"
        grid.add_row(
            Text(f"{failure.decided_at.astimezone():%H:%M:%S}", "dim"),
            Text(f"{name} (job {failure.job_id})"),
            Text(failure.message),
        )
    return grid
