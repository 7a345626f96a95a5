"""`python -m tests.benchmarks`: throughput, latency, growth and memory, compared and judged.

Progress goes to stderr, the tables (or, with --json, one object) to stdout. Exits 0 when everything
was measured, whatever the figures are: a number is no test. Exits 1 otherwise, with the reason;
what could be measured is reported all the same.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from job_trigger_worker.errors import TriggerWorkerError
from tests.benchmarks import (
    contest,
    crash,
    growth,
    latency,
    machine,
    memory,
    proof,
    scaling,
    shapes,
    tables,
)
from tests.benchmarks.contenders import INSTALL, OTHERS, OURS, Contender, available
from tests.benchmarks.report import Report
from tests.benchmarks.stage import Stage, built, embedded_broker
from tests.benchmarks.triggers import backlog
from tests.support import services
from tests.support.kafka import KafkaNode
from tests.support.shapes import SHAPES
from tests.support.topics import Broker

RATES = (50, 200, 1000)
WAITING = (1_000_000, 5_000_000)
WORKERS = (1, 2, 3)
WATCHED_S = 20.0
SESSION_TIMEOUT_S = 10


def main(arguments: Sequence[str]) -> int:
    """Measure, then report."""
    asked = _parse(arguments)
    began = time.monotonic()

    def say(words: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {words}\n")
        sys.stderr.flush()

    with built(shared_buffers=asked.shared_buffers) as stage:
        fsync_ms = machine.fsync_ms(stage.folder / "postgres")
        described = machine.describe() | {"shared_buffers": asked.shared_buffers or "default"}
        report = Report(described, fsync_ms, asked.triggers)
        say(f"a database with {fsync_ms:.2f} ms a sync")
        if set(asked.parts) - {"embedded"}:
            _measure_kafka(stage, report, asked, say)
        if "embedded" in asked.parts and asked.rounds:
            report.contests["embedded"] = contest.hold(
                stage,
                lambda: embedded_broker(stage.folder),
                backlog(min(asked.triggers, asked.embedded)),
                rounds=asked.rounds,
                say=say,
            )
    say("done")
    if asked.svg and "kafka" in report.contests:
        asked.svg.write_text(report.picture())
    if asked.json:
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
    else:
        tables.show(report, Console())
    return 1 if report.failed else 0


def _measure_kafka(
    stage: Stage, report: Report, asked: argparse.Namespace, say: contest.Say
) -> None:
    choice = services.node_choice()
    if not choice.is_available:
        report.not_run.append(f"real Apache Kafka: {choice.detail}")
        say(report.not_run[-1])
        return
    with services.running_node(is_for_speed=True) as node:
        say(choice.detail)
        for part, measure in MEASURES.items():
            if part not in asked.parts:
                continue
            try:
                measure(Measuring(stage, node, report, asked, say))
            except AssertionError as reason:  # what the other parts have measured stays
                report.failed.append(f"{part}: {reason}")
                say(report.failed[-1])


@dataclass(frozen=True, slots=True)
class Measuring:
    """What every part measures on, by what options, and where its figures go."""

    stage: Stage
    node: KafkaNode
    report: Report
    asked: argparse.Namespace
    say: contest.Say


def _throughput(on: Measuring) -> None:
    contenders: tuple[Contender, ...] = OURS
    if available():
        contenders += OTHERS
    else:
        on.report.not_run.append(f"other frameworks: {INSTALL} installs them")
        on.say(on.report.not_run[-1])

    def same() -> AbstractContextManager[Broker]:
        return nullcontext(on.node)

    if on.asked.rounds:
        on.report.contests["kafka"] = contest.hold(
            on.stage,
            same,
            backlog(on.asked.triggers),
            rounds=on.asked.rounds,
            say=on.say,
            contenders=contenders,
        )


def _latency(on: Measuring) -> None:
    on.report.latency = latency.measure(
        on.stage, on.node, rates=on.asked.rates, seconds=on.asked.latency_s
    )
    for rate, found in on.report.latency.items():
        on.say(f"{rate}/s: p50 {found.published.p50:.1f} ms, p99 {found.published.p99:.1f} ms")


def _scaling(on: Measuring) -> None:
    for workers in WORKERS:
        found = scaling.measure(on.stage, on.node, workers=workers, triggers=on.asked.triggers)
        on.report.scaling[workers] = found
        on.say(f"{workers} workers: {found.client_us:.1f} µs a trigger, {found.per_s:,.0f}/s")


def _crash(on: Measuring) -> None:
    found = crash.measure(
        on.stage, on.node, triggers=on.asked.triggers, session_timeout_s=SESSION_TIMEOUT_S
    )
    on.report.crash = found
    on.say(f"caught up {found.caught_up_s:.1f} s after a kill")


def _memory(on: Measuring) -> None:
    for waiting in on.asked.waiting:
        found = memory.measure(on.stage, on.node, waiting=waiting, seconds=WATCHED_S)
        on.report.memory[waiting] = found
        on.say(f"{found.rss_mb:.0f} MB at most with {waiting:,} waiting")


def _growth(on: Measuring) -> None:
    on.report.growth = growth.measure(
        on.stage,
        on.node,
        triggers=on.asked.triggers,
        records=on.asked.records,
        jobs=on.asked.jobs,
        say=on.say,
    )


def _shapes(on: Measuring) -> None:
    for shape in SHAPES:
        found = shapes.measure(on.stage, on.node, shape, rounds=on.asked.rounds)
        on.report.shapes[shape.name] = found
        on.say(
            f"{shape.name}: {found.product.per_s:,.0f}/s, {found.ratio:.2f} of batches of "
            f"{found.best}, {found.product.rss_mb:.0f} MB"
        )


def _proof(on: Measuring) -> None:
    for triggers in (on.asked.triggers // 4, on.asked.triggers):
        found = proof.measure(on.stage, on.node, triggers=triggers)
        on.report.proofs[triggers] = found
        on.say(f"audit --deep of {triggers:,}: {found.per_s:,.0f}/s, {found.rss_mb:.0f} MB")


MEASURES: dict[str, Callable[[Measuring], None]] = {
    "throughput": _throughput,
    "latency": _latency,
    "scaling": _scaling,
    "crash": _crash,
    "memory": _memory,
    "shapes": _shapes,
    "proof": _proof,
    "growth": _growth,
}
PARTS = (*MEASURES, "embedded")


def _numbers(words: str) -> list[int]:
    """Whole numbers between commas; none for an empty text."""
    return [int(word) for word in words.split(",") if word]


def _parts(words: str) -> list[str]:
    """Names of parts between commas."""
    parts = [word for word in words.split(",") if word]
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(sorted(unknown))}")
    return parts


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    add = parser.add_argument
    add("--json", action="store_true", help="one object on stdout")
    add("--parts", type=_parts, default=PARTS, help=f"only these, of {','.join(PARTS)}")
    add("--triggers", type=int, default=200_000, help="backlog to drain")
    add("--embedded", type=int, default=100_000, help="at most, on the embedded broker")
    add("--rounds", type=int, default=3, help="interleaved rounds (0: none)")
    add("--rates", type=_numbers, default=RATES, help="triggers a second for latency")
    add("--latency-s", type=float, default=20, help="how long at each rate")
    add("--waiting", type=_numbers, default=WAITING, help="triggers waiting, for memory")
    add("--records", type=_numbers, default=growth.RECORDS, help="records that are there")
    add("--jobs", type=_numbers, default=growth.JOBS, help="jobs that are there")
    add("--shared-buffers", default="", help="of PostgreSQL, as 1GB; else its default")
    add("--svg", type=Path, help="a file for the picture of throughput")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    try:
        sys.exit(main(sys.argv[1:]))
    except (AssertionError, TriggerWorkerError) as reason:
        sys.exit(f"Not everything could be measured: {reason}")
