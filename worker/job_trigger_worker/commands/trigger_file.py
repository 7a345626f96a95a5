"""Triggers from a file, a JSON object a line: all of them read before the first is sent."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self, cast

from pydantic import ValidationError

from job_trigger_schemas import JobTrigger, explain
from job_trigger_worker.errors import UsageError
from job_trigger_worker.pipeline.event_body import TRIGGER, read_event

LONGEST_LINE = 256 * 1024
_IN_MEMORY_BYTES = 16 * 1024 * 1024
_FAULTS_SHOWN = 10
_OPENINGS = (b"{", b"[")


class TriggerFile:
    """The valid triggers of a file or of standard input; a context manager.

    Bounded memory: a copy of what was read lies in a temporary file from 16 MiB on, so that what is
    sent is what was checked, also from a pipe.
    """

    def __init__(self, path: str) -> None:
        """Read and check `path`, or standard input for '-'. Empty lines are passed over.

        Raises `UsageError` that names the faults by line, ten at most, or that nothing is there.
        """
        self.count = 0
        self._copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115
        try:
            with _opened(path) as lines:
                self._check(lines, path)
        except BaseException:
            self._copy.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._copy.close()

    def batches(self, size: int) -> Iterator[list[JobTrigger]]:
        """The triggers in their order, `size` at a time."""
        self._copy.seek(0)
        triggers = (cast("JobTrigger", _read(line.strip())) for line in self._copy)
        while batch := list(islice(triggers, size)):
            yield batch

    def _check(self, lines: BinaryIO, path: str) -> None:
        faults = 0
        shown: list[str] = []
        for number, line in enumerate(_bounded(lines), 1):
            if not line.strip():
                continue
            fault = _fault(line)
            if fault is None:
                self.count += 1
                self._copy.write(line.strip() + b"\n")
                continue
            faults += 1
            if faults <= _FAULTS_SHOWN:
                shown.append(f"line {number}: {fault}")
        name = "Standard input" if path == "-" else path
        if faults:
            more = f"\n  and {faults - len(shown):,} more" if faults > len(shown) else ""
            raise UsageError(
                f"{name} holds {faults:,} lines that are not triggers; nothing was sent.\n  "
                + "\n  ".join(shown)
                + f"{more}\n",
                remedy="Each line is one JobTrigger in JSON (schemas/README.md).",
            )
        if not self.count:
            raise UsageError(f"{name} holds no trigger.", remedy="Give one JobTrigger a line.")


def _opened(path: str) -> AbstractContextManager[BinaryIO]:
    if path == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return cast("BinaryIO", Path(path).open("rb"))
    except OSError as error:
        raise UsageError(
            f"The file {path} cannot be read: {error.strerror}.", remedy="Check its name."
        ) from None


def _bounded(lines: BinaryIO) -> Iterator[bytes]:
    """Lines; of one that is too long only the beginning, a byte longer than allowed."""
    while line := lines.readline(LONGEST_LINE + 1):
        yield line
        rest = line
        while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
            rest = lines.readline(LONGEST_LINE + 1)


def _fault(line: bytes) -> str | None:
    if len(line) > LONGEST_LINE:
        return f"longer than {LONGEST_LINE:,} bytes"
    if line.strip() in _OPENINGS:
        return "only the beginning of JSON: a trigger stands in one line"
    trigger = _read(line.strip())
    if isinstance(trigger, str):
        return trigger
    if trigger.kind == "replay":  # the worker would refuse it
        return "kind 'replay' is for dead letters, which `trigger-worker dlq replay` sends again"
    return None


def _read(line: bytes) -> JobTrigger | str:
    """A trigger as the worker reads it from its topic, or why it is none."""
    try:
        return JobTrigger.model_validate_json(line)
    except ValidationError:
        pass  # the slow way says why, or takes off what is around it
    content = read_event(line, TRIGGER, subject="the line")
    if isinstance(content, str):
        return content
    try:
        return JobTrigger.model_validate(content.fields)
    except ValidationError as error:
        return explain(error)
