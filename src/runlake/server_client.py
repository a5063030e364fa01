"""A running server as commands see it: one JSON request, one JSON answer, errors of our own tree."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from runlake.errors import OverloadedError, RunlakeError, SettingsError, StoreUnavailableError, UserError

URL_VARIABLE: Final = "LANGSMITH_ENDPOINT"
KEY_VARIABLE: Final = "LANGSMITH_API_KEY"
DEFAULT_URL: Final = "http://127.0.0.1:1984"
_TIMEOUT_S: Final = 300.0
_BUSY: Final = frozenset({429, 502, 503, 504})
"""The same request may succeed later."""


class ServerClient:
    """Asks one server, with the key of one caller. Blocks."""

    def __init__(self, url: str, api_key: str | None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise SettingsError(f"--url must be the address of a server, such as {DEFAULT_URL}, not {url!r}")
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"} | ({"X-API-Key": api_key} if api_key else {})

    @classmethod
    def from_environment(cls, url: str | None) -> ServerClient:
        """The server at ``url``, or the one that clients in this environment send to."""
        found = url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
        return cls(found, os.environ.get(KEY_VARIABLE))

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        """The decoded answer; UserError says what the server refused, StoreUnavailableError that it does not answer."""
        if query:
            path = f"{path}?{urllib.parse.urlencode(query)}"
        data = None if body is None else json.dumps(body).encode()
        try:
            return json.loads(self._read(method, path, data) or b"null")
        except ValueError as error:
            raise StoreUnavailableError(f"{self._url} did not answer in JSON; is it a Runlake server") from error

    def text(self, path: str) -> str:
        """The text of an answer that is not JSON; errors as of ``ask``."""
        return self._read("GET", path, None).decode("utf-8", "replace")

    def _read(self, method: str, path: str, data: bytes | None) -> bytes:
        request = urllib.request.Request(self._url + path, data, self._headers, method=method)  # noqa: S310 -- checked
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 -- checked
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise StoreUnavailableError(f"no answer from {self._url}: {reason}; is the server running there") from None

    @contextmanager
    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[http.client.HTTPResponse]:
        """An answer to read piece by piece; errors as of ``ask``. A broken one raises while it is read."""
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), self._headers)  # noqa: S310 -- checked
        try:
            response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310 -- checked
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise StoreUnavailableError(f"no answer from {self._url}: {reason}; is the server running there") from None
        with response:
            yield response

    def project_id(self, name: str) -> str:
        """The id of the project of that name; UserError when there is none."""
        found = self.ask("GET", "/sessions", None, name=name, limit="1")
        if not found:
            raise UserError(f"no project is named {name!r}")
        return str(found[0]["id"])


def _refusal(error: urllib.error.HTTPError) -> RunlakeError:
    try:
        answer = json.loads(error.read())
    except (OSError, ValueError):
        answer = {}
    detail = answer.get("detail") if isinstance(answer, dict) else None
    message = str(detail or f"the server answered with status {error.code}")
    return OverloadedError(message) if error.code in _BUSY else UserError(message)
