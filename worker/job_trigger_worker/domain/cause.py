"""Keys of roots: what broke, the same words for every job that it breaks."""

from __future__ import annotations

import hashlib

from job_trigger_worker.domain.codes import FailureCode

LONGEST_KEY = 500
"""Of a cause that somebody asks for; no key of ours is longer."""

_LONGEST = 64
_KEPT = 48


def cause(code: FailureCode, **root: int | str) -> str:
    """`server_not_found:server=7`: the code, then the object, in the order given.

    Stable, so that consumers can group by it and a test may compare it. A text is bounded, and what
    would be read as the key's own punctuation is percent-encoded.
    """
    parts = [
        f"{name}={value if type(value) is int else _text(value)}" for name, value in root.items()
    ]
    return f"{code}:{','.join(parts)}"


def _text(value: object) -> str:
    text = str(value)
    if text.isalnum() and len(text) <= _LONGEST:
        return text
    if len(text) > _LONGEST:
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]
        return f"{_escaped(text[:_KEPT])}~{digest}"
    return _escaped(text)


def _escaped(text: str) -> str:
    return "".join(
        character
        if character.isprintable() and character not in "%,=:~ "
        else "".join(f"%{byte:02X}" for byte in character.encode(errors="replace"))
        for character in text
    )
