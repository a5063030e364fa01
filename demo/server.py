"""A Runlake server in a process of its own, on a free port of the loopback address."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

_GREETING: Final = re.compile(r" at (http://127\.0\.0\.1:\d+)")
_STOP_TIMEOUT_S: Final = 15


@contextmanager
def running_server(data: Path) -> Iterator[str]:
    """Serve ``data`` and give the base URL; the server is stopped at the end, whatever happens."""
    log_path = data.parent / f"{data.name}.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNLAKE_")}
    command = [sys.executable, "-m", "runlake.cli", "serve", "--port", "0", "--data", str(data)]
    with (
        log_path.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        try:
            yield _read_url(process.stdout, log_path)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _read_url(output: IO[str] | None, log_path: Path) -> str:
    """The address from the greeting, which is printed when the server answers."""
    for line in output or ():
        if found := _GREETING.search(line):
            return found[1]
    raise RuntimeError(f"the server did not start; its log says:\n{log_path.read_text()}")
