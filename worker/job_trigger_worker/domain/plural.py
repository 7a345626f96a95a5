"""Numbers with their nouns."""

from __future__ import annotations


def pluralize(number: int, one: str, several: str = "") -> str:
    """`1 record`, `2,000 records`; `several` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
