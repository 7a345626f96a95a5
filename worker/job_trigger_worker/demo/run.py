"""The two kinds of run, from the data folder to the last process: with a person, and without."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event as Flag

from rich.console import Console

from job_trigger_worker.demo.data_folder import DataFolder, default_folder
from job_trigger_worker.demo.interactive import InteractiveDemo
from job_trigger_worker.demo.progress import LiveProgress, PlainProgress
from job_trigger_worker.demo.report import Report, TriggersRun
from job_trigger_worker.demo.stack import Stack
from job_trigger_worker.demo.summary import show


def watch(out: Console, data: Path | None, *, is_fresh: bool, stopping: Flag) -> bool:
    """Fire the demo's jobs and show what happens until `stopping`; True when the audit closes.

    Raises `FatalError` when something does not start.
    """
    began = time.monotonic()
    has_screen = out.is_terminal and not out.is_dumb_terminal
    with _folder(data, is_fresh=is_fresh) as folder:
        progress = LiveProgress(out) if has_screen else PlainProgress(out)
        stack = Stack(folder, progress, stopping)
        try:
            with progress if isinstance(progress, LiveProgress) else nullcontext():
                stack.start()
            demo = InteractiveDemo(stack, out, stopping, began=began, has_screen=has_screen)
            try:
                demo.run()
            finally:
                summary = demo.close()
        finally:
            stack.stop()
        show(out, summary, elapsed_s=time.monotonic() - began, data=folder.shown())
    return summary.closes


def send(
    triggers: int, data: Path | None, *, is_fresh: bool, deadline_s: float, stopping: Flag
) -> Report:
    """Send exactly `triggers`, wait for their records and events, and count.

    Raises `FatalError` when something does not start.
    """
    with _folder(data, is_fresh=is_fresh) as folder:
        stack = Stack(folder, PlainProgress(Console(stderr=True, highlight=False)), stopping)
        try:
            stack.start(has_console=False)
            return TriggersRun(stack, triggers, deadline_s, stopping).run()
        finally:
            stack.stop()


@contextmanager
def _folder(data: Path | None, *, is_fresh: bool) -> Iterator[DataFolder]:
    """The data folder, with what clients and threads of this process log in its `run.log`."""
    folder = DataFolder(data or default_folder(), is_fresh=is_fresh)
    handler = logging.FileHandler(folder.log("run"))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.WARNING)
    try:
        yield folder
    finally:
        logging.root.removeHandler(handler)
        handler.close()
        folder.release()
