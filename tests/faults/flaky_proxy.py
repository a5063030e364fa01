"""An HTTP proxy before an S3 server that fails requests as the test tells it to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Verdict = int | None
"""A status to answer with instead of asking the server; 0 drops the connection; None lets the request through."""

_BODIES = {
    403: b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>",
    429: b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
}


class FlakyProxy:
    """``decide`` sees the method and the path of each request; ``seen`` keeps them."""

    def __init__(self, target_url: str) -> None:
        self.decide: Callable[[str, str], Verdict] = lambda method, path: None  # noqa: ARG005 -- the default script
        self.seen: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, urlsplit(target_url).netloc))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(proxy: FlakyProxy, target: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            proxy.seen.append((self.command, self.path))
            verdict = proxy.decide(self.command, self.path)
            if verdict == 0:
                self.close_connection = True
                return
            if verdict is not None:
                self._answer(verdict, [("content-type", "application/xml")], _BODIES.get(verdict, b""))
                return
            upstream = http.client.HTTPConnection(target, timeout=30)
            # The host header as it came: it is part of what the client signed.
            upstream.request(self.command, self.path, body, dict(self.headers.items()))
            response = upstream.getresponse()
            self._answer(response.status, response.getheaders(), response.read())
            upstream.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in {"transfer-encoding", "connection", "content-length", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
            pass

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 -- names that the base looks for

    return Handler
