"""One keep-alive HTTP connection, with the clock around request and whole answer and nothing else."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import msgspec

KEY: Final = {"X-API-Key": "bench"}
TIMEOUT_S: Final = 60.0


class BenchError(Exception):
    """The server answered something that a benchmark cannot go on with."""


class Reply(msgspec.Struct, frozen=True):
    """Status, body as received, and milliseconds from sending to the last byte; decoding is not timed."""

    status: int
    body: bytes
    took_ms: float

    def json(self) -> Any:
        if self.status >= 300:
            raise BenchError(f"status {self.status}: {self.body[:300].decode('utf-8', 'replace')}")
        return msgspec.json.decode(self.body)


class Client:
    """A single connection to the server under test; not for several threads."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = KEY) -> Reply:
        """One exchange; reopens the connection after an error, so that the next call has a fresh one."""
        started = time.perf_counter()
        try:
            self._connection.request(method, path, body, dict(headers))
            response = self._connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        return Reply(response.status, data, (time.perf_counter() - started) * 1000)

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """``body`` as JSON; encoding it is outside the clock."""
        return self.send("POST", path, msgspec.json.encode(body), {**KEY, "Content-Type": "application/json"})

    def get(self, path: str) -> Reply:
        return self.send("GET", path)
