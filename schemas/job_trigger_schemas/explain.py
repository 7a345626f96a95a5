"""What was wrong with an event, in one line for its producer."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_LONGEST_VALUE = 60
_MOST_BITS = 128
_is_plain = re.compile(r"[^=:{}\[\]]*|[0-9A-Z:.+\- ]*").fullmatch
"""A word, or a time in some form; no pair of a key and a value."""

_JSON_WORDS = {
    "model_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "list_type": "Input should be an array",
}
"""Where pydantic speaks of Python for values and of JSON for text, we speak of JSON."""


def explain(error: ValidationError) -> str:
    """Every problem as `field: what is wrong (got VALUE)`, joined by `; `.

    Values are shortened and escaped, so that the line is printable, free of NUL and safe to store;
    objects and lists are named, not shown, and so is a text that may hold keys and values of its
    own: the line travels, and one of them may be a password.
    """
    return "; ".join(
        _sentence(problem) for problem in error.errors(include_url=False, include_context=False)
    )


def _sentence(problem: ErrorDetails) -> str:
    place = ".".join(str(step) for step in problem["loc"])
    if problem["type"] == "missing":
        return f"{place}: is missing"
    message = _printable(_JSON_WORDS.get(problem["type"], problem["msg"]))
    if not place:
        return message
    return f"{place}: {message} (got {_shown(problem['input'])})"


def _printable(words: str) -> str:
    """Words of the library without what it quotes raw: NUL and other control characters."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)


def _shown(value: Any) -> str:
    """A value as it may be printed: never long, never deep."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return "a number of more than 38 digits"  # Python refuses to print very long ones
    if isinstance(value, str) and not _is_plain(value):
        return f"a text of {len(value)} characters"
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        return f"{value[:_LONGEST_VALUE]!a}… ({len(value)} characters)"
    return ascii(value) if isinstance(value, str) else str(value)
