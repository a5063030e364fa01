"""``runlake explain --url``: a running server runs the query and says what it read."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Final

import msgspec

from runlake.errors import RunlakeError, SettingsError, StoreUnavailableError, UserError
from runlake.query.explain import render_stats
from runlake.query.inspection import QueryReport
from runlake.store.engine import QueryStats

_TIMEOUT_S: Final = 120


class _Refusal(msgspec.Struct):
    detail: str


def explain_at(url: str, text: str, *, is_search: bool) -> str:
    """What the server at ``url`` does to answer the filter or search over all projects of the key's tenant, as text.

    The key is taken from ``LANGSMITH_API_KEY``.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise SettingsError(f"--url must be the address of a server, such as http://127.0.0.1:1984, not {url!r}")
    body = json.dumps({"search" if is_search else "filter": text}).encode()
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("LANGSMITH_API_KEY"):
        headers["X-API-Key"] = key
    address = f"{url.rstrip('/')}/runs/query/explain"
    request = urllib.request.Request(address, body, headers, method="POST")  # noqa: S310 -- checked above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 -- checked above
            report = msgspec.json.decode(response.read(), type=QueryReport)
    except urllib.error.HTTPError as error:
        raise _refusal(error) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise StoreUnavailableError(f"no Runlake server answers at {url}: {reason}") from error
    return render_report(report)


def render_report(report: QueryReport) -> str:
    """Statements, notes and the sum of what was read."""
    notes = [f"note on {note.field}: {note.message}" for note in report.notes]
    total = render_stats(QueryStats(report.rows_read, report.bytes_read, report.elapsed_ms))
    return "\n\n".join([*(statement.render() for statement in report.statements), *notes, f"in all {total}"])


def _refusal(error: urllib.error.HTTPError) -> RunlakeError:
    try:
        detail = msgspec.json.decode(error.read(), type=_Refusal).detail
    except msgspec.MsgspecError:
        detail = str(error.reason)
    return UserError(f"the server answered {error.code}: {detail}")
