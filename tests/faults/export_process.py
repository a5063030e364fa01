"""A process with workers of its own on the ledger of a directory; run as a script by tests that kill it.

Given a step, "before" or "after", and a number, it kills itself at the step of that number.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from runlake.export.local_directory import LocalDirectory
from runlake.store.export_ledger import ExportLedger
from store.export_harness import open_bench

STEPS: Final[dict[str, tuple[type, str]]] = {
    "take": (ExportLedger, "take_runs"),
    "report": (ExportLedger, "report"),
    "confirm": (ExportLedger, "is_held"),
    "publish": (Path, "replace"),
    "end": (ExportLedger, "replace_runs"),
    "settle": (ExportLedger, "settle_export"),
    "manifest": (LocalDirectory, "put"),
}
"""Every transition that is written, and every file that appears, by the method that does it."""

ROWS_A_DAY: Final = 2_500
"""Three files."""


def die_at(step: str, when: str, number: int) -> None:
    owner, name = STEPS[step]
    do: Callable[..., Any] = getattr(owner, name)
    left = number

    def dying(*args: Any, **more: Any) -> Any:
        nonlocal left
        left -= 1
        if not left and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = do(*args, **more)
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, dying)


if __name__ == "__main__":
    with open_bench(Path(sys.argv[1])) as bench:
        if sys.argv[2:]:
            step, when, number = sys.argv[2:]
            die_at(step, when, int(number))
            bench.reader.rows_per_day = ROWS_A_DAY
        else:
            bench.reader.before_batch = lambda _: time.sleep(0.1)
        bench.workers()
        print("working", flush=True)  # noqa: T201 -- the test waits for it
        time.sleep(600)
