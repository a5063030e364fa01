"""A process with workers of its own on the ledger of a directory; run as a script by tests that kill it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from store.export_harness import open_bench

if __name__ == "__main__":
    with open_bench(Path(sys.argv[1])) as bench:
        bench.reader.before_batch = lambda _: time.sleep(0.1)
        bench.workers()
        print("working", flush=True)  # noqa: T201 -- the test waits for it
        time.sleep(600)
