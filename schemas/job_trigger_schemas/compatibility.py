"""Checks whether the JSON Schemas break anybody: `python -m job_trigger_schemas.compatibility`.

Compares the working tree with the last committed version (README.md has the rule). Where they are
equal, as on a clean checkout, the last commit is judged instead: HEAD against HEAD~1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from job_trigger_schemas.catalogue import EVENTS
from job_trigger_schemas.comparison import breaking_changes
from job_trigger_schemas.generate import FOLDER

COMMAND = "python -m job_trigger_schemas.compatibility"
_GIT_TIMEOUT_S = 30

Schemas = Mapping[str, Mapping[str, Any]]
"""JSON Schemas by file name."""


class HistoryUnreadable(Exception):
    """The earlier version cannot be read, so nothing can be said; the message has the remedy."""


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> int:
    """The command line; answers the exit code: 0 nothing breaks, 1 something does or is unknown."""
    parser = argparse.ArgumentParser(
        prog="python -m job_trigger_schemas.compatibility", description=__doc__
    )
    parser.add_argument("--against", metavar="REV", help="compare the working tree with REV")
    parser.add_argument(
        "--if-known", action="store_true", help="pass where the earlier version cannot be read"
    )
    given = parser.parse_args(arguments)
    try:
        rev, old = _earlier(folder, given.against)
    except HistoryUnreadable as error:
        sys.stdout.write(f"{error}\n")
        return 0 if given.if_known else 1
    if rev is None:
        sys.stdout.write("there is no earlier version of the schemas to compare with\n")
        return 0
    changes = compare(old, _working_tree(folder))
    for change in changes:
        sys.stdout.write(f"{change}\n")
    if changes:
        sys.stdout.write(
            f"breaking changes against {rev}: {len(changes)} "
            "(undo them, or add a new event type beside the old one)\n"
        )
    else:
        sys.stdout.write(f"no breaking change against {rev}\n")
    return 1 if changes else 0


def compare(old: Schemas, new: Schemas) -> list[str]:
    """One line for each breaking change, events in the order of their names.

    An event that is new breaks nobody; one that is gone breaks everybody.
    """
    read_by_others = {event.file_name: event.is_read_by_others for event in EVENTS}
    lines = []
    for name in sorted(old):
        event = name.removesuffix(".schema.json")
        if name not in new:
            lines.append(f"{event}: the event is gone")
            continue
        changes = breaking_changes(
            old[name], new[name], is_read_by_others=read_by_others.get(name, True)
        )
        lines += [f"{event}: {change}" for change in changes]
    return lines


def _working_tree(folder: Path) -> Schemas:
    return {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in folder.glob("*.schema.json")
    }


def _earlier(folder: Path, against: str | None) -> tuple[str | None, Schemas]:
    """The revision to compare with, and its schemas; None where there is no earlier version."""
    opened = _run_git(folder, "rev-parse", "--git-dir")
    if opened.returncode != 0:
        said = opened.stderr.strip().partition("\n")[0]
        raise HistoryUnreadable(f"git cannot read {folder} ({said}): run this in a checkout")
    if against is not None:
        if not _exists(folder, against):
            raise HistoryUnreadable(f"there is no revision {against!r}: fetch it, or name another")
        return against, _committed(folder, against)
    if not _exists(folder, "HEAD"):
        return None, {}
    committed = _committed(folder, "HEAD")
    if committed != _working_tree(folder):
        return ("HEAD" if committed else None), committed
    if _exists(folder, "HEAD~1"):
        before = _committed(folder, "HEAD~1")
        return ("HEAD~1" if before else None), before
    if _git(folder, "rev-parse", "--is-shallow-repository") == "true\n":
        raise HistoryUnreadable(
            "the clone is shallow, the version before HEAD is not in it: git fetch --deepen=1"
        )
    return None, {}


def _exists(folder: Path, rev: str) -> bool:
    return _git(folder, "rev-parse", "--quiet", "--verify", f"{rev}^{{commit}}") is not None


def _committed(folder: Path, rev: str) -> Schemas:
    """The schemas as they stand in a revision that exists; none if it has no such folder."""
    listing = _git(folder, "ls-tree", "--name-only", rev, "./")
    if listing is None:
        raise HistoryUnreadable(f"git cannot list {folder} in {rev}")
    found = {}
    for name in listing.splitlines():
        if name.endswith(".schema.json"):
            text = _git(folder, "show", f"{rev}:./{name}")
            if text is None:
                raise HistoryUnreadable(f"git cannot show {name} in {rev}")
            found[name] = json.loads(text)
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None where it refuses."""
    done = _run_git(folder, *arguments)
    return done.stdout if done.returncode == 0 else None


def _run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Raises `HistoryUnreadable` if git cannot be run or does not end in time."""
    try:
        return subprocess.run(  # noqa: S603 - fixed words and a revision, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - git is where the machine has it
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=_GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HistoryUnreadable(f"git cannot be run ({error}): install it") from error


if __name__ == "__main__":
    sys.exit(main())
