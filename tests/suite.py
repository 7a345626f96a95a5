"""The whole suite, as CI runs it: `python -m tests.suite [--static] [PYTEST ARGUMENTS]`.

A line a stage with its result and time; the output of a stage only where it failed, except for
pytest, which is shown as it goes. Later stages run whatever came before, so that one run shows
everything. Exit 1 when a stage failed, or when CI=true and something could not run.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import newest
from tests.support import services

ROOT = Path(__file__).resolve().parent.parent
STAGE_TIMEOUT_S = 300.0
FAULTS_TIMEOUT_S = 900.0
NEWEST_TIMEOUT_S = 900.0
TESTS_TIMEOUT_S = 2700.0
_IN_PARALLEL = ("-n", "3", "--dist", "loadfile")
"""Tests wait more than they work; those of one file share a worker, and so its servers."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One program of the virtual environment; its name is what people call it."""

    name: str
    command: tuple[str, ...]


_LENIENT = () if os.environ.get("CI") == "true" else ("--if-known",)
"""A shallow clone has no earlier version to compare with; CI must have it."""

STATIC = (
    Stage("ruff check", ("ruff", "check", ".")),
    Stage("ruff format", ("ruff", "format", "--check", ".")),
    Stage("mypy", ("mypy",)),
    Stage("import-linter", ("lint-imports",)),
    Stage("schemas current", ("python", "-m", "job_trigger_schemas.generate", "--check")),
    Stage(
        "openapi current", ("python", "-m", "job_trigger_worker.console.shell.openapi", "--check")
    ),
    Stage("schemas compatible", ("python", "-m", "job_trigger_schemas.compatibility", *_LENIENT)),
)

FAULTS = Stage("faults", ("python", "-m", "tests.faults", "--short", "--runs", "1"))
"""A selection of what `make faults` plays, after everything else: it wants the machine."""

ON_NEWEST = Stage(f"Python {newest.NEWEST}", ("python", "-m", "tests.newest"))
"""Types and the tests without services once more: the environment of everything else is oldest."""


def main(arguments: Sequence[str]) -> int:
    """Run everything, or the static checks alone; the exit status."""
    failed = [stage.name for stage in STATIC if not _passes(stage)]
    not_all = False
    if list(arguments) != ["--static"]:
        for line in services.said():
            _say(line)
        if not _tests_pass(arguments):
            failed.append("pytest")
        is_whole = not arguments and services.node_choice().is_available
        if is_whole and not _passes(FAULTS, FAULTS_TIMEOUT_S):
            failed.append(FAULTS.name)
        missing = list(services.missing())
        if newest.interpreter() is None:
            missing.append(f"Not run on Python {newest.NEWEST}, which is not here.")
        elif not arguments and not _passes(ON_NEWEST, NEWEST_TIMEOUT_S):
            failed.append(ON_NEWEST.name)
        failed += _tell_what_did_not_run(missing)
        not_all = bool(missing)
    if failed:
        _say(f"FAILED: {', '.join(failed)}", bad=True)
    elif not_all:
        _say("What ran has passed, but NOT ALL RAN: see the lines between the marks.", bad=True)
    else:
        _say("everything passed")
    return 1 if failed else 0


def _passes(stage: Stage, timeout_s: float = STAGE_TIMEOUT_S) -> bool:
    began = time.monotonic()
    try:
        done = subprocess.run(
            _in_environment(stage.command),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        _report(stage.name, began, is_good=False)
        _say(f"no end within {timeout_s:.0f} s")
        return False
    _report(stage.name, began, is_good=done.returncode == 0)
    if done.returncode:
        _say(done.stdout.rstrip())
    return done.returncode == 0


def _tests_pass(arguments: Sequence[str]) -> bool:
    began = time.monotonic()
    command = _in_environment(("python", "-m", "pytest", "-q", *_IN_PARALLEL, *arguments))
    # Each of the many processes that tests start would else compile all of our modules again.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    try:
        status = subprocess.run(
            command, cwd=ROOT, env=environment, timeout=TESTS_TIMEOUT_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        _say(f"no end within {TESTS_TIMEOUT_S:.0f} s")
        status = 1
    _report("pytest", began, is_good=status == 0)
    return status == 0


def _tell_what_did_not_run(sentences: Sequence[str]) -> list[str]:
    """Say it, last and in words nobody can miss; a failure where somebody relies on the run."""
    if not sentences:
        return []
    _say("!" * 80, bad=True)
    for sentence in sentences:
        _say(sentence, bad=True)
    _say("!" * 80, bad=True)
    return ["tests that could not run"] if os.environ.get("CI") == "true" else []


def _in_environment(command: tuple[str, ...]) -> list[str]:
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]


def _report(name: str, began: float, *, is_good: bool) -> None:
    result = "ok" if is_good else "FAILED"
    _say(f"{name:<20} {result:<7} {time.monotonic() - began:6.1f} s", bad=not is_good)


def _say(line: str, *, bad: bool = False) -> None:
    in_colour = bad and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    sys.stdout.write(f"\033[1;31m{line}\033[0m\n" if in_colour else f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
