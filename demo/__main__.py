"""Runs the demo: ``python -m demo [--keep DIR]``. Exits with 1 when any result is not exactly what it has to be."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

PROJECT: Final = "bicycle-shop"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Trace a small agent and query what it did.")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the stored data and the exported files in DIR")
    keep: Path | None = parser.parse_args(arguments).keep
    if keep is not None and (keep / "data").exists():
        parser.error(f"{keep} holds the data of an earlier demo; name another directory")
    with ExitStack() as cleaning:
        folder = keep or Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="runlake-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        # The SDK reads these once and for all, so they are set before it is imported; for this process alone.
        for name in [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]:
            del os.environ[name]
        os.environ |= {"LANGSMITH_TRACING": "true", "LANGSMITH_PROJECT": PROJECT, "LANGSMITH_API_KEY": "any"}
        wrong = _run(folder, kept=keep is not None)
    return 1 if wrong else 0


def _run(folder: Path, *, kept: bool) -> int:
    """Serve, trace, query, export; the number of wrong results."""
    from demo.report import make_console, print_heading  # noqa: PLC0415 -- after the environment is set
    from demo.server import running_server  # noqa: PLC0415 -- as above

    # Newer SDKs announce the hosted service's end of the v1 methods; here they stay.
    warnings.filterwarnings("ignore", message=r"\w+\(\) is deprecated and will be removed after Jan 31, 2027")
    began = time.monotonic()
    console = make_console()
    with running_server(folder / "data") as url:
        os.environ["LANGSMITH_ENDPOINT"] = url
        print_heading(console, f"Runlake at {url}, started in {time.monotonic() - began:.1f} s")
        from demo.steps import export_files, query_runs, trace_program  # noqa: PLC0415 -- as above

        client, made = trace_program(console, PROJECT)
        wrong = query_runs(console, client, PROJECT, made)
        wrong += export_files(console, client, PROJECT, made, folder)
        client.cleanup()
    print_heading(console, f"Done in {time.monotonic() - began:.1f} s")
    if kept:
        console.print(
            "Look around in what was stored:", f"  runlake serve --data {folder / 'data'}", sep="\n", soft_wrap=True
        )
    else:
        console.print("The data is gone with the server. To keep it: python -m demo --keep DIR")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
