"""Try the clients against a server made for it: ``make compat``, or ``PYTHONPATH=tests python -m compat [key ...]``.

Prints what is not as expected. With ``--write-docs`` the page is written anew; that needs every client.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compat.clients import CLIENTS
from compat.page import PAGE, render
from compat.trial import Trial, run_trial
from contract.server_process import ServerProcess


def _trials(keys: Sequence[str]) -> list[Trial]:
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "data")
        try:
            return [run_trial(client, server.url) for client in CLIENTS if not keys or client.key in keys]
        finally:
            server.stop()


def main() -> int:
    """1 when something is not as expected."""
    parser = argparse.ArgumentParser(description="try released clients against a live server")
    parser.add_argument("keys", nargs="*", help=f"clients to try, all if none: {', '.join(c.key for c in CLIENTS)}")
    parser.add_argument("--write-docs", action="store_true", help=f"write docs/{PAGE.name}")
    options = parser.parse_args()
    if options.write_docs and options.keys:
        parser.error("the page is about every client: leave the keys out")
    trials = _trials(options.keys)
    surprises = [f"{trial.client.key}: {said}" for trial in trials for said in trial.surprises()]
    print("\n".join(surprises) or f"{len(trials)} clients do as expected")  # noqa: T201 -- a command line prints
    if options.write_docs:
        PAGE.write_text(render(trials), "utf-8")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main())
