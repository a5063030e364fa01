"""Keeps libraries from loading what they would use if it is there, and what we never use through them.

Loading costs memory for as long as the server runs: pyarrow beside chdb takes 38 MB and 0.3 s, pydantic beside litestar
8 MB and 0.2 s. Both libraries are made to work without; whoever needs the packages imports them as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """While the context lasts, importing one of these packages fails, unless it was imported before."""
    modules: dict[str, Any] = sys.modules
    absent = [name for name in names if name not in modules]
    modules.update(dict.fromkeys(absent))  # None for a module makes its import fail (documented by Python)
    try:
        yield
    finally:
        for name in absent:
            modules.pop(name, None)
