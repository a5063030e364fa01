"""OpenTelemetry: the SDK's exporters by hand, and two instrumentations of a client that talks to a made-up model."""

from __future__ import annotations

import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from openai import OpenAI
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInferenceInstrumentor
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai import OpenAIInstrumentor as TraceloopInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

from compat.scripts.verdicts import ENDPOINT, expect, main

ANSWER = {
    "id": "answer",
    "object": "chat.completion",
    "created": 1767323045,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "striped"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
}
FEW_SPANS = 3


class Model(BaseHTTPRequestHandler):
    """Gives the same answer to every chat."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing of each request."""


def provider(project: str, path: str = "/otel/v1/traces", **options: Any) -> TracerProvider:
    headers = {"x-api-key": "any", "Langsmith-Project": project}
    made = TracerProvider()
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{ENDPOINT}{path}", headers=headers, **options)))
    return made


def ask(path: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 -- our own server
        f"{ENDPOINT}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "X-API-Key": "any"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- our own server
        return json.load(answer)


def runs_of(project: str) -> dict[str, Any]:
    """The runs of a project by name."""
    session = ask(f"/sessions?{urllib.parse.urlencode({'name': project})}")[0]["id"]
    return {run["name"]: run for run in ask("/runs/query", {"session": [session]})["runs"]}


def send_tree(**options: Any) -> None:
    project = f"otel {uuid4().hex}"
    traces = provider(project, **options)
    tracer = traces.get_tracer("compat")
    with tracer.start_as_current_span("outer", attributes={"langsmith.span.tags": "a, b"}) as outer:
        with tracer.start_as_current_span("inner", attributes={"gen_ai.operation.name": "chat"}):
            pass
        with tracer.start_as_current_span("broken") as broken:
            broken.record_exception(ValueError("no luck"))
            broken.set_status(Status(StatusCode.ERROR, "no luck"))
        outer.set_attribute("langsmith.metadata.user", "u1")
    traces.shutdown()
    runs = runs_of(project)
    expect(len(runs), FEW_SPANS)
    expect({runs[name]["parent_run_id"] for name in ("inner", "broken")}, {runs["outer"]["id"]})
    expect([runs["inner"]["run_type"], runs["broken"]["status"]], ["llm", "error"])
    expect(runs["outer"]["extra"]["metadata"]["user"], "u1")


def plain() -> None:
    send_tree()


def compressed() -> None:
    send_tree(compression=Compression.Gzip)


def stock_path() -> None:
    send_tree(path="/v1/traces")


def instrumented(instrumentor: Any) -> dict[str, Any]:
    """What is stored of one chat with the made-up model, by its only run."""
    project = f"otel {uuid4().hex}"
    traces = provider(project)
    model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    instrumentor.instrument(tracer_provider=traces)
    try:
        client = OpenAI(api_key="none", base_url=f"http://127.0.0.1:{model.server_port}/v1")
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "what is a zebra?"}])
    finally:
        instrumentor.uninstrument()
        traces.shutdown()
        model.shutdown()
    runs = list(runs_of(project).values())
    expect(len(runs), 1)
    return runs[0]  # type: ignore[no-any-return]  # decoded JSON


def chat_of(instrumentor: Callable[[], Any]) -> Callable[[], None]:
    def feature() -> None:
        run = instrumented(instrumentor())
        expect(run["run_type"], "llm")
        expect("what is a zebra?" in json.dumps(run["inputs"]), True)
        expect("striped" in json.dumps(run["outputs"]), True)
        expect([run["prompt_tokens"], run["completion_tokens"]], [11, 7])
        expect(float(run["total_cost"]) > 0, True)

    return feature


FEATURES = {
    "`OTLPSpanExporter`, protobuf over HTTP": plain,
    "compressed with gzip": compressed,
    "at the path that exporters use by themselves": stock_path,
    "OpenInference instrumentation of `openai`: messages, tokens, costs": chat_of(OpenInferenceInstrumentor),
    "Traceloop instrumentation of `openai`: messages, tokens, costs": chat_of(TraceloopInstrumentor),
}

if __name__ == "__main__":
    main(FEATURES)
