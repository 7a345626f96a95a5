"""Makes the C library give memory back, for processes that hold large blocks for a moment."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_OF_ITS_OWN = 1024 * 1024
_KEPT = 8 * 1024 * 1024


def return_large_blocks() -> None:
    """Have each block of 1 MiB or more returned to the system as soon as it is free.

    glibc raises that limit to the largest block that was ever freed, up to 32 MiB, and then keeps
    holes of that size in the heap of every thread: a worker that had met large jobs kept a quarter
    more memory for good. Does nothing where the C library is another one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _OF_ITS_OWN)
    mallopt(_TRIM_THRESHOLD, _KEPT)
