"""The file by which other commands find a run: its settings, for a shell to read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path


def write(path: Path, variables: Mapping[str, str]) -> None:
    """Write an `export` a variable, quoted for a POSIX shell, in place of what is there.

    Whole or not at all, and for this user alone: it holds the database's password.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)  # of a run that was killed in this moment
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:  # noqa: PTH123 - a Path cannot open a descriptor
        file.writelines(
            f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()
        )
    fresh.replace(path)
