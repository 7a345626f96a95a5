"""Output in the terminal's encoding, whatever that is: a character it lacks never ends a command.

A Chinese console in GBK has no check mark, one in POSIX no dash. Such a character is written in
ASCII: the marks as words, so that a verdict can still be told from its opposite, punctuation as its
nearest key, everything else as an escape.
"""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

_HANDLER = "job_trigger_worker.ascii_fallback"
_SPELLED = {
    "✓": "OK",
    "✗": "NO",
    "·": "-",
    "–": "-",
    "—": "-",
    "→": "->",
    "…": "...",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "━": "-",
    "─": "-",
    "╸": "-",
    "╺": "-",
    "•": "*",
}


def use_fallback() -> None:
    """Let stdout and stderr of this process spell what their encoding cannot hold."""
    codecs.register_error(_HANDLER, _spell)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def holds_everything(encoding: str | None) -> bool:
    """True for an encoding in which every text can be written as it is."""
    return (encoding or "ascii").lower().replace("-", "").startswith("utf")


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_SPELLED.get(each, _escaped(each)) for each in missing), error.end


def _escaped(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")
