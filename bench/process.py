"""The server under test as a child process, and what the kernel says about its memory, CPU and disk."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.client import BenchError, Client

_START_LIMIT_S: Final = 60.0
_STOP_LIMIT_S: Final = 60.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Server:
    """A Runlake process on a free port of 127.0.0.1; ``start_s`` is how long it took to answer."""

    def __init__(self, data: Path, log: Path) -> None:
        self.data = data
        self.port = _free_port()
        self._log = log.open("ab")
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runlake.cli", "serve", "--port", str(self.port), "--data", str(data)],
            stdout=self._log,
            stderr=self._log,
        )
        self._wait_until_ready(started)
        self.start_s = time.perf_counter() - started

    @property
    def pid(self) -> int:
        return self._process.pid

    def _wait_until_ready(self, started: float) -> None:
        while time.perf_counter() - started < _START_LIMIT_S:
            if self._process.poll() is not None:
                raise BenchError(f"the server ended with status {self._process.returncode}; see {self._log.name}")
            try:
                with Client(self.port) as client:
                    if client.get("/readyz").status == 200:
                        return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise BenchError(f"the server was not ready within {_START_LIMIT_S:.0f} s; see {self._log.name}")

    def stop(self) -> None:
        """Ask it to stop, and wait; kill it only when it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def peak_mb(self) -> float:
        return self._memory_mb("VmHWM")

    def resident_mb(self) -> float:
        return self._memory_mb("VmRSS")

    def reset_peak(self) -> None:
        """Let the peak start again from here; without the right to do so it stays the peak since the start."""
        try:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            return

    def _memory_mb(self, field: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        raise BenchError(f"the kernel does not tell {field} of process {self.pid}")

    def disk_bytes(self) -> int:
        """Bytes of all files of the data directory; a file that a merge removes meanwhile counts as nothing."""
        total = 0
        for folder, _, names in os.walk(self.data):
            for name in names:
                try:
                    info = (Path(folder) / name).lstat()
                except FileNotFoundError:
                    continue
                total += info.st_size
        return total


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
