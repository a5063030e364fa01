"""Record what the Python SDK sends, as bytes, into this folder.

    python tests/corpus/wire/record.py

Runs the released client, unmodified and in a process of its own for each of its modes, against a listener on the
loopback interface. Each request becomes two files: ``<name>.body``, the bytes of the body, and ``<name>.json``, the
headers that matter. Boundaries are the client's own and differ from recording to recording; ids and texts are fixed.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar, Final
from uuid import UUID

from langsmith import Client, RunTree
from langsmith.schemas import Attachments

FOLDER: Final = Path(__file__).parent
START: Final = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
ROOT_ID: Final = UUID("019b7cc5-5d08-7000-8000-000000000001")
MODEL_ID: Final = UUID("019b7cc5-5d08-7000-8000-000000000002")
FEEDBACK_ID: Final = UUID("019b7cc5-5d08-7000-8000-0000000000f1")
MODES: Final = {"sdk_multipart": (True, False), "sdk_zstd": (True, True), "sdk_single": (False, False)}
PROJECT_ID: Final = UUID("019b7cc5-5d08-7000-8000-0000000000a1")
INFO: Final = {
    "version": "0.13.0",
    "instance_flags": {"zstd_compression_enabled": True},
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "size_limit": 100,
        "size_limit_bytes": 20_971_520,
        "scale_up_qsize_trigger": 1000,
        "scale_up_nthreads_limit": 16,
        "scale_down_nempty_trigger": 4,
    },
}


class Listener(BaseHTTPRequestHandler):
    """Answers ``/info`` and keeps every body."""

    seen: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []

    def do_GET(self) -> None:
        self._answer(200, json.dumps(INFO).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((f"{self.command} {self.path}", dict(self.headers), body))
        self._answer(202, b"{}")

    do_PATCH = do_POST  # noqa: N815 - the name the base class calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        del format, args

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def trace(client: Client) -> None:
    """A root with an attachment and one model call below it, created, then ended; and feedback on the root."""
    photo = b"\x89PNG\r\n\x1a\n\x00\xff--\r\n\r\n"
    attachments: Attachments = {"photo": ("image/png", photo)}
    root = RunTree(
        name="agent",
        run_type="chain",
        id=ROOT_ID,
        inputs={"question": "Wie heißt die Hauptstadt? 首都は 🗼", "big": 12345678901234567890, "ratio": 0.1},
        start_time=START,
        project_name="recorded",
        tags=["production", "v2"],
        extra={"metadata": {"session_id": "thread-1", "plan": {"tier": "pro", "seats": [3, 4]}}},
        attachments=attachments,
        ls_client=client,
    )
    root.post()
    model = root.create_child(
        name="ChatOpenAI",
        run_type="llm",
        run_id=MODEL_ID,
        inputs={"messages": [{"role": "user", "content": "Capital of France?"}]},
        start_time=START + timedelta(milliseconds=40),
        extra={
            "metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o"},
            "invocation_params": {"model": "gpt-4o"},
        },
    )
    model.post()
    model.add_event({"name": "new_token", "time": (START + timedelta(milliseconds=120)).isoformat()})
    usage = {"input_tokens": 20, "output_tokens": 4, "total_tokens": 24, "input_token_details": {"cache_read": 8}}
    outputs = {"choices": [{"message": {"role": "assistant", "content": "Paris."}}], "usage_metadata": usage}
    model.end(outputs=outputs, end_time=START + timedelta(milliseconds=900))
    model.patch()
    root.end(error="ValueError('no \"map\"')\n\nTraceback", end_time=START + timedelta(seconds=1))
    root.patch()
    client.create_feedback(
        ROOT_ID,
        "correctness",
        score=True,
        comment="naïve",
        value="yes",
        trace_id=ROOT_ID,
        feedback_id=FEEDBACK_ID,
        session_id=PROJECT_ID,
    )
    client.flush()


def record(name: str, port: int, *, is_batched: bool, is_compressed: bool) -> None:
    """Trace once in one of the client's modes and write what it sent."""
    os.environ |= {"LANGSMITH_TRACING": "true", "LANGCHAIN_REVISION_ID": "recorded"}
    os.environ["LANGSMITH_DISABLE_RUN_COMPRESSION"] = "false" if is_compressed else "true"
    platform.platform = lambda *_, **__: "Linux-6.1.0-x86_64-with-glibc2.36"
    client = Client(api_url=f"http://127.0.0.1:{port}", api_key="recording", auto_batch_tracing=is_batched)
    if is_compressed:
        # The background thread switches to compression once it has read /info; before that it sends plain bodies.
        while client.compressed_traces is None:
            time.sleep(0.05)
    trace(client)
    client.cleanup()
    for index, (request, headers, body) in enumerate(Listener.seen):
        kept = {key: value for key, value in headers.items() if key.lower() in {"content-type", "content-encoding"}}
        stem = FOLDER / f"{name}_{index}"
        stem.with_suffix(".body").write_bytes(body)
        stem.with_suffix(".json").write_text(json.dumps({"request": request, **kept}, indent=1) + "\n")


def main() -> None:
    """Record the mode named on the command line, or every mode when none is."""
    if len(sys.argv) == 1:
        for mode in MODES:
            subprocess.run([sys.executable, __file__, mode], check=True)
        return
    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mode = sys.argv[1]
    is_batched, is_compressed = MODES[mode]
    record(mode, server.server_port, is_batched=is_batched, is_compressed=is_compressed)
    server.shutdown()


if __name__ == "__main__":
    main()
