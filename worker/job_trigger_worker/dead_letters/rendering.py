"""A dead letter's bytes as text that harms nobody: a person's terminal, page or secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from job_trigger_worker.domain.masking import Masker

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ROW = 16
_VISIBLE = frozenset(map(chr, range(0x20, 0x7F)))


class Form(StrEnum):
    """What bytes are."""

    NONE = "none"
    JSON = "json"
    TEXT = "text"
    BYTES = "bytes"
    SECRET = "secret"  # noqa: S105 - bytes that are no text, and name something secret


@dataclass(frozen=True, slots=True)
class RenderedBytes:
    """Bytes as they are shown. `shown` is how many bytes of the text, or of the bytes, that is.

    `hides` is True where something secret was left out.
    """

    form: Form
    text: str
    size: int
    shown: int
    is_cut: bool = False
    hides: bool = False


def hex_row(content: bytes) -> str:
    """Bytes in one row."""
    return content.hex(" ") + " (hex)"


def hex_dump(content: bytes) -> str:
    """Bytes as rows of sixteen: where, which, and what of them is ASCII."""
    rows = []
    for start in range(0, len(content), _ROW):
        part = content[start : start + _ROW]
        plain = "".join(chr(byte) if chr(byte) in _VISIBLE else "." for byte in part)
        rows.append(f"{start:08x}  {part.hex(' '):<47}  {plain}")
    return "\n".join(rows)


def render(
    content: bytes | None,
    masker: Masker,
    *,
    most: int,
    most_bytes: int | None = None,
    as_hex: Callable[[bytes], str] = hex_dump,
    is_laid_out: bool = False,
) -> RenderedBytes:
    """Bytes as text: at most `most` bytes of it, or `most_bytes` of what is no text.

    What looks secret is hidden first, then JSON `is_laid_out` if asked for, then what steers a
    terminal or the direction of reading is escaped, and last it is cut.
    """
    if content is None:
        return RenderedBytes(Form.NONE, "", 0, 0)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        if _names_a_secret(content, masker):
            return RenderedBytes(Form.SECRET, "", len(content), 0, hides=True)
        part = content[: most // 2 if most_bytes is None else most_bytes]
        return RenderedBytes(
            Form.BYTES, as_hex(part), len(content), len(part), len(part) < len(content)
        )
    hidden = masker.text(text)
    form = Form.TEXT
    shown = hidden
    if is_laid_out and (laid_out := _laid_out(hidden)) is not None:
        form, shown = Form.JSON, laid_out
    whole = printable(shown).encode(errors="replace")
    part = whole[:most]
    is_cut = len(part) < len(whole)
    return RenderedBytes(
        form, part.decode(errors="ignore"), len(content), len(part), is_cut, hidden != text
    )


def printable(words: str) -> str:
    """Text without anything that could steer a terminal."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], words)


def _laid_out(text: str) -> str | None:
    try:
        value = json.loads(text)
        return json.dumps(value, ensure_ascii=False, indent=2) if _is_object(value) else None
    except (ValueError, RecursionError):
        return None


def _is_object(value: object) -> bool:
    return isinstance(value, dict | list)


def _names_a_secret(content: bytes, masker: Masker) -> bool:
    """True where bytes, read as any text that they may be, hold something to hide."""
    plain = content.replace(b"\0", b"")
    for text in (plain.decode(errors="ignore"), plain.decode("latin-1"), _wide(content)):
        if masker.text(text) != text:
            return True
    return False


def _wide(content: bytes) -> str:
    return content.decode("utf-16-le", errors="ignore")
