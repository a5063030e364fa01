"""Spans per second over OTLP: durable and visible, from several connections.

    python -m bench.otlp_load [spans]

Traces of ten spans, each about 2 KB, 500 spans a request as the batch processors of SDKs send them. ``together`` has
whole traces in a request; ``apart`` sends all children one request before their roots, so that each is placed twice.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.client import KEY, BenchError, Client
from bench.load import CONNECTIONS, wait_until_visible
from bench.process import Server

SPANS_PER_TRACE: Final = 10
TRACES_PER_BODY: Final = 50
TEXT: Final = "answer the question with the context given weather invoice refund policy agent tool search result page"
WORDS: Final = TEXT.split()
ORDERS: Final = ("together", "apart")


def bodies(order: str, spans: int, seed: int = 5) -> list[bytes]:
    """Requests of one project."""
    source = random.Random(f"{order} {seed}")
    made: list[bytes] = []
    for _ in range(max(1, spans // (SPANS_PER_TRACE * TRACES_PER_BODY))):
        first = ExportTraceServiceRequest()
        second = first if order == "together" else ExportTraceServiceRequest()
        for _ in range(TRACES_PER_BODY):
            _add_trace(source, first, second)
        made += (
            [first.SerializeToString()] if first is second else [first.SerializeToString(), second.SerializeToString()]
        )
    return made


def _add_trace(source: random.Random, children: ExportTraceServiceRequest, roots: ExportTraceServiceRequest) -> None:
    trace_id, root_id, now_ns = source.randbytes(16), source.randbytes(8), time.time_ns()
    for index in reversed(range(SPANS_PER_TRACE)):
        request = children if index else roots
        if not request.resource_spans:
            request.resource_spans.add().scope_spans.add().scope.name = "bench"
        span = request.resource_spans[0].scope_spans[0].spans.add()
        span.trace_id, span.name = trace_id, "chat" if index else "turn"
        span.span_id = source.randbytes(8) if index else root_id
        span.parent_span_id = root_id if index else b""
        span.start_time_unix_nano, span.end_time_unix_nano = now_ns + index * 1000, now_ns + 900_000_000
        for name, value in _attributes(source, is_call=bool(index)).items():
            pair = span.attributes.add()
            pair.key = name
            if isinstance(value, int):
                pair.value.int_value = value
            else:
                pair.value.string_value = value


def _attributes(source: random.Random, *, is_call: bool) -> dict[str, str | int]:
    def message(role: str) -> str:
        text = " ".join(source.choices(WORDS, k=90))
        return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])

    common: dict[str, str | int] = {f"app.key{number}": source.choice(WORDS) for number in range(5)}
    if not is_call:
        return common | {"gen_ai.operation.name": "invoke_agent", "session.id": str(source.random())}
    return common | {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": source.randrange(1000),
        "gen_ai.usage.output_tokens": source.randrange(300),
        "gen_ai.input.messages": message("user"),
        "gen_ai.output.messages": message("assistant"),
    }


def measure(server: Server, order: str, spans: int) -> str:
    """Send everything and wait until the statistics count it."""
    waiting = bodies(order, spans)
    sent = len(waiting) * SPANS_PER_TRACE * TRACES_PER_BODY // (1 if order == "together" else 2)
    queue, lock = iter(waiting), threading.Lock()
    cpu_s, started = server.cpu_s(), time.perf_counter()
    threads = [threading.Thread(target=_send, args=(server.port, order, queue, lock)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until_visible(server.port, [order], sent)
    took_s, cpu_s = time.perf_counter() - started, server.cpu_s() - cpu_s
    return f"{order:9} {sent} spans, {sent / took_s:6.0f} spans/s, {cpu_s / sent * 1e6:5.0f} us of CPU a span"


def _send(port: int, project: str, queue: Iterator[bytes], lock: threading.Lock) -> None:
    headers = {**KEY, "Content-Type": "application/x-protobuf", "Langsmith-Project": project}
    with Client(port) as client:
        while True:
            with lock:
                body = next(queue, None)
            if body is None:
                return
            reply = client.send("POST", "/v1/traces", body, headers)
            if reply.status != 200:
                raise BenchError(f"spans were answered with {reply.status}")


def main() -> None:
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory(prefix="runlake-bench-") as folder:
        server = Server(Path(folder) / "data", Path(folder) / "server.log")
        try:
            for order in ORDERS:
                print(measure(server, order, spans))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
