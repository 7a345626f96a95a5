"""Running a program that refuses to run as root: root's runs as the account `nobody`.

For everybody else nothing here does anything.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path

_ACCOUNT = "nobody"
"""An account that every system has, so that none is made."""

_AS_SOMEBODY = (
    "import os, sys; uid, gid, *argv = sys.argv[1:]; os.setgroups([]); os.setgid(int(gid)); "
    "os.setuid(int(uid)); os.execv(argv[0], argv)"
)


def command(argv: Sequence[str], *, reads: Path, in_: Path) -> list[str]:
    """A command line that also works for root; the process keeps its id.

    The account can then read all of `reads` (the program's installation), and reach `reads` and
    what it owns in the folder `in_`: folders above them are opened to pass through, not to list.
    """
    if os.geteuid() != 0:
        return list(argv)
    _let_read(reads)
    for folder in (*reads.parents, in_, *in_.parents):
        _open(folder, 0o001)
    entry = pwd.getpwnam(_ACCOUNT)
    drop = [sys.executable, "-I", "-S", "-c", _AS_SOMEBODY]
    return [*drop, str(entry.pw_uid), str(entry.pw_gid), *argv]


def hand_over(path: Path) -> None:
    """Make the account the owner of a file or folder of root's."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(_ACCOUNT)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _let_read(installation: Path) -> None:
    """Packages are readable already, unless they were installed under a strict umask."""
    if installation.stat().st_mode & 0o005 == 0o005:  # noqa: PLR2004 - r-x for others
        return
    for path in (installation, *installation.rglob("*")):
        _open(path, 0o005 if path.stat().st_mode & 0o100 else 0o004)


def _open(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode & 0o7777 | bits)
