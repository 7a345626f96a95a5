"""A dead letter's body as a form offers it for editing: never with a secret in it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from job_trigger_worker.console.shared.texts import gettext_noop
from job_trigger_worker.domain.masking import Masker

MOST_MENDED = 12 * 1024
"""Largest body that a form takes: a page has to stay light, whatever has to be escaped in it."""

_TOO_LONG = gettext_noop("This body is too long to edit here; use the command line.")
_NO_TEXT = gettext_noop("This body is not text. Write a new one, or send the letter as it came.")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form begins with. `refusal` says why that is not the body itself."""

    text: str
    hides: bool = False
    refusal: str | None = None


def draft(body: bytes | None, masker: Masker) -> Draft:
    """A body for editing: what looks secret is hidden, and JSON is laid out."""
    if body is None:
        return Draft("")
    if len(body) > MOST_MENDED:
        return Draft("", refusal=_TOO_LONG)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return Draft("", refusal=_NO_TEXT)
    hidden = masker.text(text)
    try:
        laid_out = json.dumps(json.loads(hidden), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        laid_out = hidden
    if len(laid_out.encode(errors="replace")) > MOST_MENDED:
        laid_out = hidden
    return Draft(laid_out, hides=hidden != text)
