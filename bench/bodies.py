"""Canonical runs as the request bodies that the Python SDK sends: multipart, zstd, 100 operations each.

Made before any clock starts and kept in one file of length-prefixed bodies. Shapes seen in the SDK (0.15): a main part
per operation, large fields in parts of their own, feedback with every key present, one zstd frame of level 1 per body.
"""

from __future__ import annotations

import hashlib
import heapq
import struct
import sys
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import IO, Any, Final

import msgspec

from bench.agentmix import Lifecycle, Run, generate_runs, iso_time, order_segment, run_key, uuid7
from bench.questions import Exam
from bench.shapes import Workload, plan_traces
from bench.truth import Truth

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BOUNDARY: Final = "6f1d2c0b9a8e4f7385d1c2b3a4958677"
HEADERS: Final = {
    "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
    "Content-Encoding": "zstd",
    "X-API-Key": "bench",
}
OPERATIONS_PER_BODY: Final = 100
_MAX_BODY_BYTES: Final = 20 * 1024 * 1024
_LENGTH: Final = struct.Struct("<I")
_RUNTIME: Final = {
    "sdk": "langsmith-py",
    "sdk_version": "0.15.0",
    "library": "langsmith",
    "platform": "Linux-6.8.0-x86_64-with-glibc2.39",
    "runtime": "python",
    "py_implementation": "CPython",
    "runtime_version": "3.12.7",
    "langchain_version": None,
    "langchain_core_version": None,
}
_ZSTD_LEVEL: Final = 1

Part = tuple[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a load needs: the file of bodies, how many there are, and the questions to ask afterwards."""

    bodies: Path
    body_count: int
    exam: Exam


def prepare(workload: Workload, directory: Path) -> Material:
    """Generate the workload into ``directory``, or take what an earlier call with the same workload left there."""
    directory.mkdir(parents=True, exist_ok=True)
    bodies, truth_file, origin = (directory / name for name in ("bodies.bin", "truth.json", "origin.txt"))
    fingerprint = _fingerprint(workload)
    if origin.exists() and origin.read_text(encoding="ascii") == fingerprint:
        return Material(bodies=bodies, body_count=sum(1 for _ in read_bodies(bodies)), exam=Exam.load(truth_file))
    origin.unlink(missing_ok=True)
    plans = plan_traces(workload)
    truth = Truth(workload, plans)
    with bodies.open("wb") as out:
        writer = BodyWriter(out)
        for operation in _operations(workload, generate_runs(workload, plans), truth):
            writer.add(operation)
        writer.close()
    exam = truth.exam(writer.raw_bytes)
    exam.save(truth_file)
    origin.write_text(fingerprint, encoding="ascii")
    return Material(bodies=bodies, body_count=writer.count, exam=exam)


def _fingerprint(workload: Workload) -> str:
    """Changes with the workload and with every module that makes it."""
    digest = hashlib.sha256(repr(workload).encode())
    for name in ("agentmix", "bodies", "needles", "payloads", "questions", "shapes", "truth", "wording"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


def read_bodies(path: Path) -> Iterator[bytes]:
    """The bodies of a file, in order."""
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            yield file.read(_LENGTH.unpack(head)[0])


class BodyWriter:
    """Collects operations into bodies; ``raw_bytes`` is the JSON in them before compression."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._pieces: list[bytes] = []
        self._operations = 0
        self._size = 0
        self.raw_bytes = 0
        self.count = 0

    def add(self, parts: Iterable[Part]) -> None:
        for name, data in parts:
            head = (
                f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n'
                f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            )
            self._pieces += (head.encode(), data, b"\r\n")
            self._size += len(data)
        self._operations += 1
        if self._operations == OPERATIONS_PER_BODY or self._size >= _MAX_BODY_BYTES:
            self._flush()

    def close(self) -> None:
        if self._operations:
            self._flush()

    def _flush(self) -> None:
        self._pieces.append(f"--{BOUNDARY}--\r\n".encode())
        body = zstd.compress(b"".join(self._pieces), level=_ZSTD_LEVEL)
        self._out.write(_LENGTH.pack(len(body)))
        self._out.write(body)
        self.raw_bytes += self._size
        self.count += 1
        self._pieces, self._operations, self._size = [], 0, 0


def _operations(workload: Workload, runs: Iterable[Run], truth: Truth) -> Iterator[list[Part]]:
    """The operations of all runs; the second half of a split run follows some hundred operations later."""
    random = Random(f"{workload.seed}:operations")
    later: list[tuple[int, int, list[Part]]] = []
    for position, run in enumerate(runs):
        truth.see(run)
        while later and later[0][0] <= position:
            yield heapq.heappop(later)[2]
        first, second = split_run(run)
        yield first
        if second is not None:
            heapq.heappush(later, (position + 20 + int(random.random() * 600), position, second))
        for number, parts in enumerate(feedback_parts(run, workload.seed)):
            due = position + 50 + int(random.random() * 900)
            heapq.heappush(later, (due, (position + 1) * -10 - number, parts))
    while later:
        yield heapq.heappop(later)[2]


def split_run(run: Run) -> tuple[list[Part], list[Part] | None]:
    """The operation that is sent at once and the one that follows, if any."""
    match run.lifecycle:
        case Lifecycle.WHOLE:
            return _create(run, whole=True), None
        case Lifecycle.NEVER_ENDED:
            return _create(run, whole=False), None
        case Lifecycle.START_END:
            return _create(run, whole=False), _patch(run)
        case Lifecycle.END_START:
            return _patch(run), _create(run, whole=False)


def _create(run: Run, *, whole: bool) -> list[Part]:
    main: dict[str, Any] = {
        "id": run.id,
        "trace_id": run.trace_id,
        "dotted_order": run.dotted_order,
        "parent_run_id": run.parent_id,
        "session_name": run.trace.project,
        "name": run.name,
        "run_type": run.run_type,
        "start_time": iso_time(run.start_us),
        "end_time": iso_time(run.end_us) if whole and run.end_us is not None else None,
        "tags": list(run.tags),
        "reference_example_id": None,
    }
    name = f"post.{run.id}"
    parts = [(name, msgspec.json.encode(main)), (f"{name}.inputs", msgspec.json.encode(run.inputs))]
    if whole:
        parts += _results(run, name)
    parts.append((f"{name}.extra", _extra(run)))
    return parts


def _patch(run: Run) -> list[Part]:
    main: dict[str, Any] = {
        "id": run.id,
        "name": run.name,
        "run_type": run.run_type,
        "trace_id": run.trace_id,
        "parent_run_id": run.parent_id,
        "dotted_order": run.dotted_order,
        "tags": list(run.tags),
        "session_id": None,
        "session_name": run.trace.project,
        "start_time": iso_time(run.start_us),
        "end_time": iso_time(run.end_us) if run.end_us is not None else None,
    }
    name = f"patch.{run.id}"
    return [(name, msgspec.json.encode(main)), *_results(run, name), (f"{name}.extra", _extra(run))]


def _results(run: Run, name: str) -> list[Part]:
    parts: list[Part] = []
    if run.outputs is not None:
        parts.append((f"{name}.outputs", msgspec.json.encode(run.outputs)))
    if run.run_type == "llm" and run.ordinal % 3 == 0 and run.duration_us is not None:
        events = [{"name": "new_token", "time": iso_time(run.start_us + run.duration_us // 4)}]
        parts.append((f"{name}.events", msgspec.json.encode(events)))
    if run.error is not None:
        parts.append((f"{name}.error", msgspec.json.encode(run.error)))
    return parts


def _extra(run: Run) -> bytes:
    return msgspec.json.encode({"metadata": run.metadata, "runtime": _RUNTIME})


def feedback_parts(run: Run, seed: int) -> Iterator[list[Part]]:
    """One operation per judgement of the run."""
    for number, given in enumerate(run.scores):
        at_us = (run.end_us or run.start_us) + 60_000_000
        feedback_id = uuid7(at_us, run_key(seed, run.ordinal, -1 - number))
        body: dict[str, Any] = {
            "id": feedback_id,
            "created_at": iso_time(at_us),
            "modified_at": iso_time(at_us),
            "run_id": run.id,
            "trace_id": run.trace_id,
            "key": given.key,
            "score": given.score,
            "value": given.value,
            "comment": None,
            "correction": None,
            "feedback_source": {"type": "api", "metadata": {}, "user_id": None, "user_name": None},
            "session_id": None,
            "start_time": None,
            "comparative_experiment_id": None,
            "feedback_group_id": None,
            "extra": None,
            "feedback_config": None,
            "error": None,
        }
        yield [(f"feedback.{feedback_id}", msgspec.json.encode(body))]


def single_run_body(*, run_id: uuid.UUID, project: str, start_us: int, text: str) -> bytes:
    """A body with one small finished root run, for the freshness measurement."""
    main = {
        "id": str(run_id),
        "trace_id": str(run_id),
        "dotted_order": order_segment(start_us, str(run_id)),
        "session_name": project,
        "name": "fresh",
        "run_type": "chain",
        "start_time": iso_time(start_us),
        "end_time": iso_time(start_us + 1000),
    }
    pieces: list[bytes] = []
    for name, data in (
        (f"post.{run_id}", msgspec.json.encode(main)),
        (f"post.{run_id}.inputs", msgspec.json.encode({"input": text})),
        (f"post.{run_id}.outputs", msgspec.json.encode({"output": "done"})),
    ):
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n'
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        pieces += (head.encode(), data, b"\r\n")
    pieces.append(f"--{BOUNDARY}--\r\n".encode())
    return zstd.compress(b"".join(pieces), level=_ZSTD_LEVEL)
