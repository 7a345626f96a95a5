"""Passwords as scrypt hashes, tokens of services as SHA-256 (they are random already)."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from hashlib import scrypt, sha256
from hmac import compare_digest
from threading import BoundedSemaphore

MIN_LENGTH = 12
MAX_LENGTH = 1024
_COST, _BLOCK, _LANES = 2**15, 8, 1
_MEMORY = 128 * 1024 * 1024
_AT_ONCE = BoundedSemaphore(2)
"""A check takes 32 MB and a tenth of a second: a crowd at the door waits, not the machine."""


def hashed(password: str) -> str:
    """`scrypt:cost:block:lanes:salt:hash`, as the users file keeps it."""
    salt = secrets.token_bytes(16)
    key = _derive(password, salt, _COST, _BLOCK, _LANES)
    return ":".join(("scrypt", str(_COST), str(_BLOCK), str(_LANES), _shown(salt), _shown(key)))


def matches(password: str, kept: str) -> bool:
    """True when this is the password of a kept hash; False also for a hash that is none."""
    try:
        kind, cost, block, lanes, salt, key = kept.split(":")
        if kind != "scrypt" or len(password) > MAX_LENGTH:
            return False
        found = _derive(password, b64decode(salt), int(cost), int(block), int(lanes))
        return compare_digest(found, b64decode(key))
    except ValueError:
        return False


NOBODY = (
    f"scrypt:{_COST}:{_BLOCK}:{_LANES}:AAAAAAAAAAAAAAAAAAAAAA==:" + b64encode(bytes(64)).decode()
)
"""Checked for a login that does not exist, so that the time taken does not tell which do."""


def token_hash(token: str) -> str:
    """`sha256:hash`, as the users file keeps a service's token."""
    return f"sha256:{sha256(token.encode(errors='replace')).hexdigest()}"


def _derive(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    with _AT_ONCE:
        return scrypt(
            password.encode(errors="surrogatepass"),
            salt=salt,
            n=cost,
            r=block,
            p=lanes,
            maxmem=_MEMORY,
            dklen=64,
        )


def _shown(value: bytes) -> str:
    return b64encode(value).decode()
