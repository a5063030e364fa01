"""Gives memory that this process has freed back to the system.

The C library keeps what is freed between what is still in use, for each thread apart; after large answers that was
300 MB on a server of 550, for good. The engine has an allocator of its own, see ``store.chdb``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_memory_back() -> None:
    """Some milliseconds for each 100 MB; does nothing where the C library has no such call (glibc has)."""
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return lambda _kept_bytes: None
    trim.argtypes = (ctypes.c_size_t,)
    return trim
