"""A pull seen from the client: batches from a server over HTTP, which goes on by itself where a connection broke."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from runlake.errors import OverloadedError, RunlakeError, StoreUnavailableError
from runlake.export.pull import COMPLETE_KEY, CURSOR_KEY
from runlake.server_client import ServerClient

MAX_ATTEMPTS: Final = 8
"""Connections in a row that bring nothing new before a pull is given up."""

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 20.0
_MAY_PASS: Final = (OSError, http.client.HTTPException, pa.ArrowException, StoreUnavailableError, OverloadedError)


class BrokenPullError(RunlakeError):
    """The pull ended before everything was there; what came is whole batches up to its cursor."""

    code = "broken_pull"


@dataclass(slots=True)
class RemotePull:
    """One pull in Arrow. ``cursor`` and ``rows`` tell how far it is, ``total`` how far it has to go, where known."""

    server: ServerClient
    request: Mapping[str, Any]
    sleep: Callable[[float], None]
    cursor: str | None = None
    rows: int = 0
    total: int | None = None
    schema: pa.Schema | None = field(default=None)
    reconnects: int = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Every batch once, across connections. UserError for a mistake, BrokenPullError when it cannot go on."""
        attempts = 0
        while True:
            before = self.cursor
            try:
                yield from self._one_connection()
            except _MAY_PASS as error:
                if isinstance(error, StoreUnavailableError) and self.schema is None:
                    raise  # nobody was ever there
                attempts = 1 if self.cursor != before else attempts + 1
                if attempts >= MAX_ATTEMPTS:
                    raise BrokenPullError(f"the pull broke after {self.rows} rows: {_words(error)}") from error
                self.reconnects += 1
                self.sleep(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempts - 1)))
            else:
                return

    def _one_connection(self) -> Iterator[pa.RecordBatch]:
        with self.server.stream("/export/stream", self._body()) as answer:
            total = answer.headers.get("X-Runlake-Total-Rows")
            self.total = int(total) if total is not None else self.total
            with pa.ipc.open_stream(answer) as reader:
                self.schema = reader.schema
                yield from self._read(reader)

    def _read(self, reader: Any) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
            except StopIteration:
                raise ConnectionError("the stream ended without its last mark") from None
            if metadata is not None and metadata.get(COMPLETE_KEY) == b"true":
                return
            # Counted before it is handed out: whoever leaves in between has taken it.
            self.rows += batch.num_rows
            self.cursor = metadata[CURSOR_KEY].decode()
            yield batch

    def _body(self) -> dict[str, Any]:
        body = {**self.request, "format": "arrow", "compression": "zstandard"}
        if self.cursor is not None:
            body["cursor"] = self.cursor
        if body.get("limit") is not None:
            body["limit"] = max(1, body["limit"] - self.rows)
        if self.rows:
            body["total"] = False
        return body


def _words(error: BaseException) -> str:
    return getattr(error, "message", None) or str(error) or type(error).__name__
