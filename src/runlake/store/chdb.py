"""The embedded engine: ClickHouse inside this process, through the package ``chdb``.

Traps, each met and measured on chDB 26.9:

* One process, one data directory: the engine is a process-wide singleton; every handle must name the same path.
* A handle runs one call at a time, and a query issued while a stream is open on it silently returns nothing. So a
  handle is taken from the pool for exactly one call or one stream.
* Handles on different threads do run in parallel; the engine releases the interpreter lock.
* Parameters are read by two different text readers (see ``engine.encode_param``).
* Rows are made into text by several threads by default, which takes a quarter more CPU and, for an answer of 65 MB,
  170 MB more memory.
* Cache limits default to gigabytes; ours are set at open, from the memory the process may use.
* A handle that is freed in the middle of a statement takes the process down with it, or waits without end. A statement
  can be deaf to KILL QUERY for long: the engine looks up between blocks, not within one, nor while it folds constants.
* An insert larger than ``max_insert_block_size`` is split and then no longer atomic; the limits are raised.
* The streamed insert (``send_insert``) reports success when the part could not be written, for instance on a full
  disk: ``finish`` counts rows read, and the failure of the last step is lost. So rows are handed over as a file in
  memory that an ordinary statement reads, which fails when anything fails, and costs the same.
"""

from __future__ import annotations

import os
import queue
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import structlog

from runlake.errors import (
    RunlakeError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    TooMuchWorkError,
)
from runlake.hidden_packages import hidden
from runlake.store.engine import (
    CURRENT_WORK,
    Capabilities,
    InsertRow,
    Params,
    QueryStats,
    Row,
    Rows,
    Statement,
    Work,
    encode_param,
)

with hidden("pyarrow"):
    import chdb

_LOG: Final = structlog.get_logger("runlake.store")

_ROW_FORMAT: Final = "JSONCompactEachRow"
_BLOCK_FORMAT: Final = "ArrowStream"
_ARROW_SETTINGS: Final[Mapping[str, int | str]] = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
    "output_format_arrow_compression_method": "none",
}
_MAX_CACHE_BYTES: Final = 64 << 20
"""Four caches of this size hold the marks and index blocks of some ten million runs."""

_LARGE_BYTES: Final = 16 << 20
_GIVE_MEMORY_BACK: Final = Statement("SYSTEM JEMALLOC PURGE")
"""The allocator of the engine keeps what is freed: for seconds during a large insert, for ever on an idle server."""

_STOP_READS: Final = Statement("KILL QUERY WHERE query_kind = 'Select' ASYNC")

CLOSE_WAIT_S: Final = 3.0
"""How long ``close`` waits for statements that are under way; writes have come back long before."""

_GIVE_BACK_EVERY_S: Final = 0.1
"""Measured on an insert of one Chinese text of 100 MB: a peak of 5.4 times its size, without it 7.9; as quick."""


_STREAM_GIVES_BACK_BYTES: Final = 32 << 20
"""A stream gives memory back each time it has passed on so much. Measured on 110,000 runs: a third less at its peak."""

_MEMORY_CHECK_MS: Final = 500
"""How often the engine asks the kernel how much memory the process holds; by default it would 20 times a second."""

_MEMORY_LIMIT_CODE: Final = 241
_TIMEOUT_CODE: Final = 159
_CANCELLED_CODE: Final = 394
_DISK_FULL_CODE: Final = 243
_DISK_FULL_TEXT: Final = "No space left on device"
_CODE = re.compile(r"Code: (\d+)\. DB::Exception: (.*?)(?: \(([A-Z_]+)\))?(?: \(version.*)?$", re.DOTALL)
MAX_HANDLES: Final = 64
"""More than the callers' own limits add up to, so that nobody waits here behind somebody else's slow query."""
_HAS_MEMORY_FILES: Final = hasattr(os, "memfd_create")
_DECODER: Final = msgspec.json.Decoder(list[Any])

_NO_SETTINGS: Final[Mapping[str, int | str]] = {}
_INSERT_SETTINGS: Final = (
    "async_insert=0, input_format_parallel_parsing=0, max_insert_block_size=10000000, max_block_size=10000000, "
    "min_insert_block_size_rows=10000000, min_insert_block_size_bytes=4000000000, max_insert_threads=1, "
    "max_threads=1, max_partitions_per_insert_block=0"
)
"""One reader, one block, one part for each partition: what makes an insert atomic within a partition."""

_COMPILED_AFTER: Final = 100
"""Uses after which the engine compiles an expression; by default 3, for which every start takes 14 MB and 40 ms."""

_SESSION_SETTINGS: Final = (
    "output_format_json_quote_decimals=1&output_format_json_quote_64bit_integers=0&output_format_parallel_formatting=0"
    f"&min_count_to_compile_expression={_COMPILED_AFTER}&min_count_to_compile_sort_description={_COMPILED_AFTER}"
    f"&min_count_to_compile_aggregate_expression={_COMPILED_AFTER}"
)


class ChdbEngine:
    """``Engine`` over chDB. Thread-safe; at most ``max_handles`` calls run at once, further ones wait."""

    def __init__(self, path: Path, *, memory_limit_bytes: int, max_handles: int) -> None:
        cache_bytes = min(memory_limit_bytes // 16, _MAX_CACHE_BYTES)
        self._address = (
            f"{path}?{_SESSION_SETTINGS}&max_server_memory_usage={memory_limit_bytes}"
            f"&mark_cache_size={cache_bytes}&index_mark_cache_size={cache_bytes}"
            f"&primary_index_cache_size={cache_bytes}&text_index_postings_cache_size={cache_bytes}"
            "&background_pool_size=2&background_merges_mutations_concurrency_ratio=1"
            f"&memory_worker_period_ms={_MEMORY_CHECK_MS}"
        )
        self._plain_address = f"{path}?{_SESSION_SETTINGS}"
        self._handles: queue.LifoQueue[Any] = queue.LifoQueue()
        self._permits = threading.BoundedSemaphore(max_handles)
        self._opened: list[Any] = []
        self._lock = threading.Lock()
        self._returned = threading.Condition(self._lock)
        self._taken = 0
        self._closed = False
        self._handles.put(self._connect(self._address))
        self._version = str(self.select(Statement("SELECT version()")).rows[0][0])

    @classmethod
    def open(cls, path: Path, *, memory_limit_bytes: int = 4 << 30, max_handles: int = MAX_HANDLES) -> ChdbEngine:
        """Open or create the data directory ``path``; the caller holds its lock."""
        path.mkdir(parents=True, exist_ok=True)
        return cls(path, memory_limit_bytes=memory_limit_bytes, max_handles=max_handles)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(name="chdb", in_process=True, version=self._version)

    def command(self, statement: Statement, /) -> None:
        with self._handle() as handle:
            self._query(handle, statement)

    def select(self, statement: Statement, /) -> Rows:
        started = time.perf_counter()
        statement = _of_work(statement)
        with self._handle() as handle:
            result = self._query(handle, statement)
            data: bytes = result.bytes()
            read = (int(result.storage_rows_read()), int(result.storage_bytes_read()))
            del result  # before rows are made of the bytes, which take as much again
            if len(data) >= _LARGE_BYTES:
                self._query(handle, _GIVE_MEMORY_BACK)
        rows: list[Row] = _DECODER.decode_lines(data)
        return Rows(rows, QueryStats(*read, elapsed_ms=(time.perf_counter() - started) * 1000))

    @contextmanager
    def stream(self, statement: Statement, /) -> Iterator[Iterator[bytes]]:
        plain = replace(statement, settings={**statement.settings, **_ARROW_SETTINGS})
        with self._handle() as handle:
            try:
                result = handle.send_query(_with_settings(plain), _BLOCK_FORMAT, params=_encoded(plain))
            except Exception as error:
                raise _translate(error) from error
            try:
                yield self._blocks(result)
            finally:
                result.close()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[InsertRow], /) -> None:
        with self._handle() as handle, _as_file(rows) as path:
            sql = f"INSERT INTO {table} ({', '.join(columns)}) FROM INFILE '{path}' SETTINGS {_INSERT_SETTINGS}"
            statement = Statement(f"{sql} FORMAT {_ROW_FORMAT}")
            if Path(path).stat().st_size < _LARGE_BYTES:
                self._query(handle, statement)
                return
            with self._giving_memory_back():
                self._query(handle, statement)

    def abandon(self, work: Work) -> None:
        """Stop the selects of ``work``, those under way and those to come; it fails with StoreUnavailableError."""
        work.abandoned = True
        params = Params()
        tag = params.add("String", work.tag)
        self.command(Statement(f"KILL QUERY WHERE Settings['log_comment'] = {tag} ASYNC", params.as_tuple()))

    @property
    def is_open(self) -> bool:
        """Whether any handle is; after ``close``, whether a statement that did not come back kept it from its work."""
        return bool(self._opened)

    def close(self) -> None:
        """Stop what reads, wait for what is under way, and end every handle; nothing is written afterwards.

        When a statement does not come back in ``CLOSE_WAIT_S`` no handle is ended and the engine stays as it is. What
        was acknowledged is on disk, so the process may end at any time; it should, without tidying up.
        """
        with self._lock:
            self._closed = True
            is_busy = self._taken > 0
        if is_busy:
            self._stop_reads()
        with self._lock:
            if not self._returned.wait_for(lambda: not self._taken, CLOSE_WAIT_S):
                _LOG.warning("engine_left_open", statements=self._taken, waited_s=CLOSE_WAIT_S)
                return
            opened, self._opened = self._opened, []
        for handle in opened:
            handle.close()

    def _stop_reads(self) -> None:
        with suppress(RunlakeError):
            self._query(self._free_handle(), _STOP_READS)

    def _connect(self, address: str) -> Any:
        try:
            handle = chdb.connect(address)
        except Exception as error:
            raise _translate(error) from error
        with self._lock:
            self._opened.append(handle)
        return handle

    @contextmanager
    def _handle(self) -> Iterator[Any]:
        with self._permits:
            with self._lock:
                if self._closed:
                    raise StoreUnavailableError("the store is closed")
                self._taken += 1
            try:
                handle = self._free_handle()
                try:
                    yield handle
                finally:
                    self._handles.put(handle)
            finally:
                with self._lock:
                    self._taken -= 1
                    self._returned.notify_all()

    def _free_handle(self) -> Any:
        try:
            return self._handles.get_nowait()
        except queue.Empty:
            return self._connect(self._plain_address)

    @contextmanager
    def _giving_memory_back(self) -> Iterator[None]:
        """What the engine frees while the context lasts goes back to the system at once."""
        done = threading.Event()

        def give() -> None:
            is_last = False
            while not is_last:
                is_last = done.wait(_GIVE_BACK_EVERY_S)
                with suppress(RunlakeError):
                    self.command(_GIVE_MEMORY_BACK)

        helper = threading.Thread(target=give, name="runlake-give-back")
        helper.start()
        try:
            yield
        finally:
            done.set()
            helper.join()

    @staticmethod
    def _query(handle: Any, statement: Statement) -> Any:
        try:
            return handle.query(_with_settings(statement), _ROW_FORMAT, params=_encoded(statement))
        except Exception as error:
            raise _translate(error, statement.settings) from error

    def _blocks(self, result: Any) -> Iterator[bytes]:
        passed_bytes = 0
        while True:
            try:
                chunk = result.fetch()
            except Exception as error:
                raise _translate(error) from error
            if chunk is None:
                return
            data: bytes = chunk.bytes()
            if not data:
                return
            del chunk  # before the caller works on its copy
            passed_bytes += len(data)
            yield data
            if passed_bytes >= _STREAM_GIVES_BACK_BYTES:
                passed_bytes = 0
                self.command(_GIVE_MEMORY_BACK)


@contextmanager
def _as_file(rows: Sequence[InsertRow]) -> Iterator[str]:
    """A path under which the engine reads ``rows``, one a line, while the context lasts."""
    with _anonymous_file() as file:
        for row in rows:
            file.writelines((row,) if isinstance(row, bytes) else row)
            file.write(b"\n")
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}" if _HAS_MEMORY_FILES else file.name


def _anonymous_file() -> IO[bytes]:
    if _HAS_MEMORY_FILES:
        return os.fdopen(os.memfd_create("runlake-rows"), "wb")
    return tempfile.NamedTemporaryFile(prefix="runlake-rows-")


def _of_work(statement: Statement) -> Statement:
    """The statement with the tag of the current work, by which it can be found and stopped."""
    work = CURRENT_WORK.get()
    if work is None:
        return statement
    if work.abandoned:
        raise StoreUnavailableError("nobody waits for this query any more")
    return replace(statement, settings={**statement.settings, "log_comment": work.tag})


def _with_settings(statement: Statement) -> str:
    if not statement.settings:
        return statement.sql
    clause = ", ".join(f"{name}={value!r}" for name, value in statement.settings.items())
    return f"{statement.sql} SETTINGS {clause}"


def _encoded(statement: Statement) -> dict[str, str]:
    return {param.name: encode_param(param.value) for param in statement.params}


def _translate(error: Exception, settings: Mapping[str, int | str] = _NO_SETTINGS) -> RunlakeError:
    """The error of our tree for an engine failure; keeps the engine's code and symbolic name."""
    if isinstance(error, RunlakeError):
        return error
    match = _CODE.search(str(error))
    if match is None:
        return StoreError(str(error))
    code, text, name = int(match[1]), match[2].strip(), match[3]
    if code in (_TIMEOUT_CODE, _MEMORY_LIMIT_CODE, _CANCELLED_CODE):
        return _limit_passed(code, text, settings)
    if code == _DISK_FULL_CODE or _DISK_FULL_TEXT in text:
        return StoreFullError("no space is left on the disk of the store; writes are accepted again once there is")
    return StoreError(text, engine_code=code, engine_name=name)


def _limit_passed(code: int, text: str, settings: Mapping[str, int | str]) -> RunlakeError:
    if code == _CANCELLED_CODE:
        return StoreUnavailableError("nobody waits for this query any more")
    if code == _TIMEOUT_CODE:
        seconds = settings.get("max_execution_time")
        limit = "" if seconds is None else f" of {seconds} s (query_max_seconds)"
        return TooMuchWorkError(
            f"the query passed its time limit{limit}; narrow it by project or time, or search for a whole word"
        )
    if "(total)" in text:
        return StoreUnavailableError(
            "the memory of the engine (engine_max_memory_bytes) is taken by other work; send the query again"
        )
    held = settings.get("max_memory_usage")
    limit = "" if held is None else f" of {int(held) >> 20} MiB (query_max_memory_bytes)"
    return TooMuchWorkError(
        f"the query passed its memory limit{limit}; narrow it by project or time, or select fewer fields"
    )
