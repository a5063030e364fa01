"""Microseconds of CPU per run on the ingest line, stage by stage.

    python bench/ingest_cpu.py [runs]

The input is one multipart body of creates, as the Python SDK frames them, of about 5 KB a run: seeded, so that two
commits can be compared. Prints the median of several rounds.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from runlake.ingest.costs import CostBook
from runlake.ingest.derive import derive_run
from runlake.model.dotted_order import append_segment, root_segment
from runlake.model.run import fold_writes
from runlake.wire.feedback import Receipt
from runlake.wire.multipart import parse_multipart
from runlake.wire.run_writes import read_multipart

BOUNDARY: Final = "7f3b2a9c4d5e6f708192a3b4c5d6e7f8"
CONTENT_TYPE: Final = f"multipart/form-data; boundary={BOUNDARY}"
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
ROUNDS: Final = 7
TEXT: Final = (
    "answer the question with the context given weather Paris invoice total refund policy customer agent tool search "
    "result document page summary model token latency error retry schedule meeting flight hotel price naive value"
)
WORDS: Final = TEXT.split()


def make_body(runs: int, seed: int = 11) -> bytes:
    """A body of ``runs`` creates: every fourth a chain that is a root, the others model calls and tools below it."""
    source = random.Random(seed)
    chunks: list[bytes] = []
    root_id, root_order = uuid.UUID(int=0), ""
    for index in range(runs):
        run_id = uuid.UUID(int=source.getrandbits(128), version=4)
        start = START + timedelta(milliseconds=40 * index)
        start_us = round(start.timestamp() * 1_000_000)
        is_root = index % 4 == 0
        order = root_segment(start_us, run_id) if is_root else append_segment(root_order, start_us, run_id)
        if is_root:
            root_id, root_order = run_id, order
        main = {
            "id": str(run_id),
            "trace_id": str(root_id),
            "dotted_order": order,
            "parent_run_id": None if is_root else str(root_id),
            "name": "agent" if is_root else "ChatOpenAI",
            "run_type": "chain" if is_root else "llm",
            "start_time": start.isoformat(),
            "end_time": (start + timedelta(milliseconds=900)).isoformat(),
            "session_name": "default",
            "reference_example_id": None,
            "tags": ["production", "v2"],
        }
        chunks.append(_part(f"post.{run_id}", main))
        for name, value in _payloads(source, llm=not is_root).items():
            chunks.append(_part(f"post.{run_id}.{name}", value))
    chunks.append(f"--{BOUNDARY}--\r\n".encode())
    return b"".join(chunks)


def _payloads(source: random.Random, *, llm: bool) -> dict[str, object]:
    def text(words: int) -> str:
        return " ".join(source.choices(WORDS, k=words))

    messages = [{"role": role, "content": text(90)} for role in ("system", "user", "assistant", "user")]
    usage = {
        "input_tokens": 420,
        "output_tokens": 96,
        "total_tokens": 516,
        "input_token_details": {"cache_read": 128},
        "output_token_details": {"reasoning": 12},
    }
    outputs: dict[str, object] = {"choices": [{"message": {"role": "assistant", "content": text(120)}}]}
    if llm:
        outputs["usage_metadata"] = usage
    metadata = {
        "ls_provider": "openai",
        "ls_model_name": "gpt-4o",
        "ls_temperature": 0.2,
        "session_id": f"thread-{source.randrange(500)}",
        "user": f"user-{source.randrange(900)}",
        "env": "production",
        "revision_id": "1f2e3d4",
    }
    runtime = {"sdk": "langsmith-py", "sdk_version": "0.15.0", "library": "langsmith", "platform": "Linux-6.1-x86_64"}
    extra = {"metadata": metadata, "runtime": runtime, "invocation_params": {"model": "gpt-4o", "temperature": 0.2}}
    return {"inputs": {"messages": messages}, "outputs": outputs, "events": [], "extra": extra}


def _part(name: str, value: object) -> bytes:
    data = msgspec.json.encode(value)
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data + b"\r\n"


def _median_us(work: Callable[[], object], runs: int) -> float:
    work()
    seconds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds) / runs * 1e6


def main() -> None:
    """Print one line per stage."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    body = make_body(runs)
    receipt = Receipt(tenant_id=uuid.UUID(int=1), now_us=0, new_id=uuid.uuid4)
    prices = CostBook()
    batch = read_multipart(body, CONTENT_TYPE, receipt)
    assert not batch.refused, batch.refused[0]  # noqa: S101 - a benchmark of refusals would measure nothing
    states = [fold_writes(write.run_id, [write]) for write in batch.writes]
    stages: dict[str, Callable[[], object]] = {
        "split into parts": lambda: parse_multipart(body, CONTENT_TYPE),
        "read_multipart (splitting included)": lambda: read_multipart(body, CONTENT_TYPE, receipt),
        "merge": lambda: [fold_writes(write.run_id, [write]) for write in batch.writes],
        "derive": lambda: [derive_run(state, now_us=0, prices=prices) for state in states],
    }
    print(f"{runs} runs, {len(body) / runs:.0f} bytes each; microseconds per run")
    for name, work in stages.items():
        print(f"{_median_us(work, runs):8.1f}  {name}")


if __name__ == "__main__":
    main()
