"""What the benchmark asks and what the right answer is, free of any server's spelling; kept as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec


class Kind(StrEnum):
    """What is asked for: one run, all runs of a trace, a page of runs, numbers, numbers by model, a page of threads."""

    RUN = "run"
    TRACE = "trace"
    PAGE = "page"
    DEEP_PAGE = "deep_page"
    STATS = "stats"
    GROUPED = "grouped"
    SPANS = "spans"
    THREADS = "threads"
    COUNT = "count"


class Ask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question, with filters in LangSmith syntax.

    ``since_us`` is inclusive, ``until_us`` exclusive, both about start time.
    ``page`` counts from 1 and is what ``DEEP_PAGE`` asks for.
    """

    kind: Kind
    projects: tuple[str, ...] = ()
    since_us: int | None = None
    until_us: int | None = None
    is_root: bool | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    run_id: str | None = None
    trace_id: str | None = None
    limit: int = 50
    page: int = 1


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of a set of runs.

    ``latency_p50_s`` is the pair of seconds between which the median must be given; engines estimate it.
    ``known_cost`` counts only runs that brought their cost, so it is a lower bound.
    """

    run_count: int
    error_count: int
    total_tokens: int
    latency_p50_s: tuple[float, float] | None = None
    known_cost: float = 0.0


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a server must say: ``ids`` newest first, ``total`` matches without the limit, ``digest`` of a set of ids.

    ``payload`` is the digest of inputs and outputs of a single run.
    """

    ids: tuple[str, ...] = ()
    total: int | None = None
    digest: str | None = None
    payload: str | None = None
    numbers: Numbers | None = None
    groups: dict[str, Numbers] = {}
    threads: tuple[str, ...] = ()


class Question(msgspec.Struct, frozen=True):
    cell: str
    ask: Ask
    answer: Answer


class Exam(msgspec.Struct, frozen=True, kw_only=True):
    """All questions of one data set, with what was generated."""

    runs: int
    seed: int
    median_bytes: int
    raw_bytes: int
    projects: tuple[str, ...]
    questions: tuple[Question, ...]

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(self))

    @classmethod
    def load(cls, path: Path) -> Exam:
        return msgspec.json.decode(path.read_bytes(), type=cls)


PER_CELL: Final = 30
"""Questions in a cell, where the data has so many different ones."""


def digest_ids(ids: Iterable[str]) -> str:
    """Digest of a set of ids, whatever their order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:32]


def digest_payload(inputs: object, outputs: object) -> str:
    """Digest of decoded inputs and outputs, whatever the order of keys and the spacing of the JSON."""
    encoded = msgspec.json.encode([inputs, outputs], order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:32]
