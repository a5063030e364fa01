"""The seam over the SQL engines: what a store needs from chDB in process or from a ClickHouse cluster.

Both sides of the straight lines end here: ``ingest.writer`` calls ``insert``, ``query.fetch`` calls ``select``. The two
adapters (``store.chdb`` and the cluster one) are the only modules that import a driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import UUID

from runlake.wire.times import format_time

ENGINE_FOLDER: Final = "engine"
"""Where in a data directory the engine keeps its files."""

ParamValue = (
    str | int | float | bool | Decimal | UUID | Sequence[str] | Sequence[int] | Sequence[float] | Sequence[UUID]
)
"""What may travel as a parameter. Times travel as integer microseconds; sequences become arrays."""

InsertRow = bytes | Iterable[bytes]
"""One row to insert: a JSON array, or where that is too large to be held its bytes piece by piece."""


@dataclass(slots=True)
class Work:
    """What selects belong to, so that they can be stopped together when nobody waits for them any more."""

    tag: str
    abandoned: bool = False


CURRENT_WORK: Final[ContextVar[Work | None]] = ContextVar("runlake_work", default=None)
"""The work that the calling thread does, None for work that is never abandoned."""

Cell = str | int | float | bool | None | list[Any]
Row = list[Cell]


@dataclass(frozen=True, slots=True)
class Param:
    """One bound value with its ClickHouse type, for example ``Param("p0", "Array(UUID)", (...,))``."""

    name: str
    type: str
    value: ParamValue

    @property
    def placeholder(self) -> str:
        return f"{{{self.name}:{self.type}}}"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text together with its parameters, never one without the other.

    ``settings`` are engine settings for this statement alone; names and values come from our code, never from a caller.
    """

    sql: str
    params: tuple[Param, ...] = ()
    settings: Mapping[str, int | str] = field(default_factory=dict)


class Params:
    """Collects the parameters of one statement and hands out placeholders; names never repeat."""

    def __init__(self) -> None:
        self._items: list[Param] = []

    def add(self, type_: str, value: ParamValue) -> str:
        """Bind ``value`` and return the placeholder to put into the SQL text."""
        param = Param(f"p{len(self._items)}", type_, value)
        self._items.append(param)
        return param.placeholder

    def as_tuple(self) -> tuple[Param, ...]:
        return tuple(self._items)


@dataclass(frozen=True, slots=True)
class QueryStats:
    """What a statement cost: rows and bytes read by the engine, wall time in milliseconds."""

    rows_read: int
    bytes_read: int
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Rows:
    """A complete result; cells are JSON-like values (UUIDs as text, times as integer microseconds when selected so)."""

    rows: list[Row]
    stats: QueryStats


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How an engine differs from the others, as values instead of type tests."""

    name: str
    in_process: bool
    version: str


class Engine(Protocol):
    """What every engine answers. Methods block; callers choose the thread. Errors are kin of ``StoreError``."""

    @property
    def capabilities(self) -> Capabilities: ...

    def command(self, statement: Statement, /) -> None:
        """Run a statement without a result (DDL, delete)."""
        ...

    def select(self, statement: Statement, /) -> Rows:
        """Run a query and return every row."""
        ...

    def stream(self, statement: Statement, /) -> AbstractContextManager[Iterator[bytes]]:
        """Run a query and yield its blocks with constant memory, each an Arrow IPC stream of its own.

        Leaving the context ends the query, finished or not.
        """
        ...

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[InsertRow], /) -> None:
        """Append rows, each one JSON array in ``columns`` order; returns when they are fsynced, whole or not at all."""
        ...

    @property
    def is_open(self) -> bool: ...

    def close(self) -> None:
        """End it. Where a statement does not come back it stays open, and at work until the process ends."""
        ...


def time_text(moment_us: int) -> str:
    """``2026-01-02 03:04:05.000006`` in UTC, the form in which a row to insert gives a DateTime64(6)."""
    return format_time(moment_us, " ")


def encode_param(value: ParamValue) -> str:
    """Text form of a parameter value in the engines' ``param_x`` convention.

    A scalar is read by the escaped (TSV) reader, the elements of an array by the quoted reader; the two differ and
    mixing them fails on backslashes and line ends (seen on chDB 26.9).
    """
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_quoted(item) for item in value) + "]"
    return _escaped(_plain(value))


def _quoted(item: ParamValue) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, float, Decimal)):
        return str(item)
    return "'" + _escaped(_plain(item)).replace("'", "\\'") + "'"


def _plain(value: ParamValue) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"})


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
