"""A program under one instrumentation that asks a made-up model once, and sends its spans to a server.

Arguments: the instrumentation, the URL of the server, the project. The model is an HTTP server in this process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Sunny."}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 3,
        "total_tokens": 23,
        "prompt_tokens_details": {"cached_tokens": 5},
    },
}
MESSAGES: Any = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "Weather in Paris?"}]


class Model(BaseHTTPRequestHandler):
    """Answers every request alike."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def instrumentor(kind: str) -> Any:
    if kind == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor  # noqa: PLC0415 - one of three
    elif kind == "traceloop":
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor  # noqa: PLC0415 - ditto
    else:
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor  # noqa: PLC0415 - ditto
    return OpenAIInstrumentor()


def ask(kind: str, url: str, project: str, *, at_once: bool) -> None:
    """A span of our own around one call of the model; ``at_once`` sends each span when it ends, the root last."""
    from openai import OpenAI  # noqa: PLC0415 - only in the environment of its own
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - ditto
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - ditto
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415 - ditto

    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", headers={"Langsmith-Project": project})
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter) if at_once else BatchSpanProcessor(exporter))
    instrumentor(kind).instrument(tracer_provider=provider)
    model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    client = OpenAI(base_url=f"http://127.0.0.1:{model.server_port}/v1", api_key="any")
    with provider.get_tracer("app").start_as_current_span("turn"):
        client.chat.completions.create(model="gpt-4o-mini", temperature=0.2, messages=MESSAGES)
    provider.shutdown()
    model.shutdown()


def trace_with_langsmith(url: str, project: str) -> None:
    """LangSmith's own SDK in its OpenTelemetry mode."""
    os.environ |= {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_TRACING_MODE": "otel",
        "LANGSMITH_ENDPOINT": url,
        "LANGSMITH_API_KEY": "any",
        "LANGSMITH_PROJECT": project,
    }
    from langsmith import traceable  # noqa: PLC0415 - reads the variables above
    from langsmith.run_trees import get_cached_client  # noqa: PLC0415 - ditto
    from opentelemetry import trace  # noqa: PLC0415 - ditto

    @traceable(run_type="llm", name="chat", metadata={"ls_model_name": "gpt-4o-mini", "ls_provider": "openai"})
    def chat(messages: Any) -> Any:
        usage = {"input_tokens": 20, "output_tokens": 3, "total_tokens": 23}
        return {"messages": [{"role": "assistant", "content": "Sunny."}], "usage_metadata": usage}

    @traceable(name="turn")
    def turn() -> Any:
        return chat(MESSAGES)["messages"][0]

    turn()
    get_cached_client().flush()
    provider: Any = trace.get_tracer_provider()
    provider.force_flush()


if __name__ == "__main__":
    chosen, server, name = sys.argv[1:]
    if chosen == "langsmith":
        trace_with_langsmith(server, name)
    else:
        ask(chosen.removesuffix("-at-once"), server, name, at_once=chosen.endswith("-at-once"))
