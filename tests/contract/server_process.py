"""A server in a process of its own, that a test may kill. Binds to loopback on a port the system chooses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_GREETING: Final = re.compile(r" at (http://127\.0\.0\.1:\d+)")
STOP_TIMEOUT_S: Final = 15


class ServerProcess:
    """Started by the constructor; ``url`` is set when it answers. Its log is ``server.log`` beside ``data``."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        program: Sequence[str] = ("-m", "runlake.cli"),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNLAKE_")}
        environment = {**inherited, **(variables or {})}
        command = [sys.executable, *program, "serve", "--port", "0", "--data", str(data), *arguments]
        self._log_path = data.parent / "server.log"
        with self._log_path.open("a") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        try:
            self.url = self._read_url(self._process.stdout)
        except BaseException:
            self.kill()
            raise

    def _read_url(self, output: IO[str] | None) -> str:
        for line in output or ():
            if found := _GREETING.search(line):
                return found[1]
        raise RuntimeError(f"the server did not start:\n{self._log_path.read_text()}")

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, no chance to write anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, wait for it, and return its exit status."""
        return self._end(signal.SIGTERM)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal and do not wait."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end and return its exit status."""
        status = self._process.wait(STOP_TIMEOUT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return status

    def _end(self, number: signal.Signals) -> int:
        self.send(number)
        return self.wait()
