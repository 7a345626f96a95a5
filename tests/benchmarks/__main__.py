"""`python -m tests.benchmarks`: throughput, latency and memory, compared and judged.

Progress goes to stderr, the tables (or, with --json, one object) to stdout. Exits 0 when everything
was measured, whatever the figures are: a number is no test. Exits 1 with the reason otherwise.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext

from rich.console import Console

import tests.support.first_imports  # noqa: F401
from tests.benchmarks import contest, latency, machine, memory
from tests.benchmarks.report import Report
from tests.benchmarks.stage import Stage, built, embedded_broker
from tests.benchmarks.triggers import backlog
from tests.support import services
from tests.support.topics import Broker
from worker.errors import TriggerWorkerError

LATENCY_PER_S = 200
WAITING = 1_000_000
WATCHED_S = 20.0


def main(arguments: Sequence[str]) -> int:
    """Measure, then report."""
    asked = _parse(arguments)
    began = time.monotonic()

    def say(words: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {words}\n")
        sys.stderr.flush()

    with built() as stage:
        fsync_ms = machine.fsync_ms(stage.folder / "postgres")
        report = Report(machine.describe(), fsync_ms, asked.triggers)
        say(f"a database with {fsync_ms:.2f} ms a sync")
        if asked.only != "embedded":
            _measure_kafka(stage, report, asked, say)
        if asked.only != "kafka" and asked.rounds:
            report.contests["embedded"] = contest.hold(
                stage,
                lambda: embedded_broker(stage.folder),
                backlog(asked.triggers),
                rounds=asked.rounds,
                say=say,
            )
    say("done")
    if asked.json:
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
    else:
        report.show(Console())
    return 0


def _measure_kafka(
    stage: Stage, report: Report, asked: argparse.Namespace, say: contest.Say
) -> None:
    choice = services.node_choice()
    if not choice.is_available:
        report.not_run = [f"real Apache Kafka: {choice.detail}"]
        say(report.not_run[0])
        return
    with ExitStack() as stack:
        node = stack.enter_context(services.running_node())
        say(choice.detail)

        def same() -> AbstractContextManager[Broker]:
            return nullcontext(node)

        if asked.rounds:
            report.contests["kafka"] = contest.hold(
                stage, same, backlog(asked.triggers), rounds=asked.rounds, say=say
            )
        if asked.latency_s:
            report.latency_per_s = LATENCY_PER_S
            report.latency = latency.measure(
                stage, node, per_s=LATENCY_PER_S, seconds=asked.latency_s
            )
            say(f"p50 {report.latency.p50:.1f} ms, p99 {report.latency.p99:.1f} ms")
        if asked.waiting:
            report.memory_waiting = asked.waiting
            report.memory = memory.measure(stage, node, waiting=asked.waiting, seconds=WATCHED_S)
            say(f"{report.memory.rss_mb:.0f} MB at most, {report.memory.drained:,} drained")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--triggers", type=int, default=100_000, help="backlog to drain")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (0: none)")
    parser.add_argument("--only", choices=["kafka", "embedded"], help="only on this broker")
    parser.add_argument("--latency-s", type=float, default=20, help="how long to measure (0: not)")
    parser.add_argument(
        "--waiting", type=int, default=WAITING, help="triggers waiting for the memory's figure"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    try:
        sys.exit(main(sys.argv[1:]))
    except (AssertionError, TriggerWorkerError) as reason:
        sys.exit(f"Not everything could be measured: {reason}")
