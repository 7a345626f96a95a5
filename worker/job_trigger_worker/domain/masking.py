"""Masking: values that nobody should read are hidden before they are shown, exported or logged.

A parameter is the platform's and may hold anything, passwords too. Its keys are all that tells.
"""

from __future__ import annotations

import json
import re
from typing import Any

MASK = "••••••"
"""What stands in the place of a hidden value."""

_USERINFO = re.compile(r"(?<=://)([^\s/:@\"']*):([^\s/\"']+)@")

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


class Masker:
    """Hides the values of keys whose name holds one of `words`, whatever their case and dashes.

    `words` is a comma-separated list: `token` covers `API-Token` and `accessToken`. A key hides its
    whole value, an object too; null and an empty text stay, as they tell nothing.
    """

    def __init__(self, words: str) -> None:
        self._words = tuple(filter(None, (_plain(word) for word in words.split(","))))
        # Text that is not JSON: key=value, key: value, "key": "value", also within a longer key.
        parts = "|".join(r"[\W_]*".join(map(re.escape, word)) for word in self._words)
        # What stands before the word is not part of the match and what follows has a limit, so that
        # the time grows with the text's length and not with its square.
        self._pair = re.compile(
            rf"""((?:{parts or "(?!)"})[\w.-]{{0,200}}+\\?["']?\s{{0,99}}+[:=：＝]\s*"""
            r"""(?:(?:bearer|basic|token)[ ])?)"""
            r"""(\\?"(?:[^"\\]|\\(?!")[^"])*(?:\\?"|$)|'[^']*(?:'|$)|[^\s,;&}\]]+)""",
            re.IGNORECASE,
        )

    def hides(self, key: str) -> bool:
        """True when the value of this key is not shown."""
        plain = _plain(key)
        return any(word in plain for word in self._words)

    def value(self, value: Any) -> Any:
        """A JSON value with what is secret hidden, in its texts too; the given one stays."""
        if isinstance(value, dict):
            return {
                key: MASK
                if self.hides(str(key)) and content not in (None, "")
                else self.value(content)
                for key, content in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(content) for content in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        """A text with what is secret hidden: read as JSON where it is, else pair by pair.

        JSON keeps its meaning, not its blanks.
        """
        is_said_twice = False

        def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            nonlocal is_said_twice
            found = dict(pairs)
            is_said_twice = is_said_twice or len(found) < len(pairs)
            return found

        try:
            value = json.loads(text, object_pairs_hook=read)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict | list):
            plain = _ESCAPED.sub(_letter, text)
            return _USERINFO.sub(rf"\1:{MASK}@", self._pair.sub(rf"\1{MASK}", plain))
        try:
            masked = self.value(value)
        except RecursionError:
            return MASK
        # A key that is said twice hides its first value from us, not from a reader of the text.
        return (
            text
            if masked == value and not is_said_twice
            else json.dumps(masked, ensure_ascii=False)
        )


def _letter(escaped: re.Match[str]) -> str:
    """A letter or digit that JSON has written as an escape; a key may hide behind it."""
    character = chr(int(escaped[1], 16))
    return character if character.isalnum() else escaped[0]


def _plain(key: str) -> str:
    return "".join(filter(str.isalnum, key)).casefold()
