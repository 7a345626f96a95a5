"""Texts cut to a length in characters, never inside of what a reader sees as one character."""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)


def truncate(text: str, limit: int) -> str:
    """At most the first `limit` characters (code points, as PostgreSQL counts a varchar).

    A combining mark, a joined emoji, a skin tone and a flag stay with what they belong to, or are
    left out together with it. A text without a single place to cut is cut at the limit.
    """
    if len(text) <= limit:
        return text
    end = limit
    while end > 0 and not _may_end(text, end):
        end -= 1
    return text[: end or limit]


def _may_end(text: str, end: int) -> bool:
    """Whether the characters before and after `end` are two to a reader."""
    before, after = text[end - 1], text[end]
    if unicodedata.category(after) in {"Mn", "Mc", "Me"} or ord(after) in _SKIN_TONES:
        return False
    if _JOINER in {before, after}:
        return False
    if ord(after) not in _FLAG_LETTERS:
        return True
    letters = 0
    while letters < end and ord(text[end - 1 - letters]) in _FLAG_LETTERS:
        letters += 1
    return letters % 2 == 0
