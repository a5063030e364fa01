"""How errors look on the wire."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from litestar import Litestar, get
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient

from runlake.api.errors import EXCEPTION_HANDLERS, describe
from runlake.errors import (
    ConflictError,
    CursorError,
    Diagnostic,
    FilterError,
    InvalidError,
    MalformedError,
    NotFoundError,
    OverloadedError,
    RunlakeError,
    StoreError,
    StoreUnavailableError,
    TooLargeError,
    TooMuchWorkError,
)

PROBLEM = Diagnostic(
    code="unknown_field",
    message="there is no field colour",
    start=3,
    end=9,
    line=1,
    column=4,
    excerpt='eq(colour, "red")\n   ^^^^^^',
    expected=("name", "tags"),
    suggestion="name",
)

ANSWERS: dict[str, tuple[RunlakeError, int, str, str | None]] = {
    "malformed": (MalformedError("bad", field="name", position=3), 400, "malformed", None),
    "invalid": (InvalidError("bad"), 422, "invalid", None),
    "too large": (TooLargeError("big"), 413, "too_large", None),
    "cursor": (CursorError("old"), 400, "invalid_cursor", None),
    "not found": (NotFoundError("gone"), 404, "not_found", None),
    "conflict": (ConflictError("taken"), 409, "conflict", None),
    "filter": (FilterError((PROBLEM,), field="filter"), 400, "invalid_filter", None),
    "overloaded": (OverloadedError("full"), 429, "overloaded", "1"),
    "unavailable": (StoreUnavailableError("stopping"), 503, "store_unavailable", "1"),
    "too much work": (TooMuchWorkError("time"), 422, "too_much_work", None),
}


def answer_to(error: Exception) -> Any:
    @get("/fails", sync_to_thread=False)
    def fail() -> None:
        raise error

    handlers: list[HTTPRouteHandler] = [fail]
    with TestClient(
        Litestar(handlers, exception_handlers=EXCEPTION_HANDLERS, openapi_config=None, logging_config=None),
        raise_server_exceptions=False,
    ) as client:
        return client.get("/fails")


@pytest.mark.parametrize(("error", "status", "code", "retry_after"), ANSWERS.values(), ids=ANSWERS)
def test_each_error_has_its_status_and_code(
    error: RunlakeError, status: int, code: str, retry_after: str | None
) -> None:
    answer = answer_to(error)
    body = answer.json()
    assert (answer.status_code, body["code"], answer.headers.get("retry-after")) == (status, code, retry_after)
    assert body["error"] == error.message
    assert body["field"] == error.field


def test_a_filter_error_shows_place_caret_and_suggestion_in_the_text() -> None:
    """The SDK shows the body's text in its exception; nobody should need to parse it to find the mistake."""
    body = describe(FilterError((PROBLEM, PROBLEM), field="trace_filter"))
    assert body.detail == (
        "trace_filter is not valid\n"
        "line 1, column 4: there is no field colour\n"
        'eq(colour, "red")\n'
        "   ^^^^^^\n"
        "try name\n"
        "line 1, column 4: there is no field colour\n"
        'eq(colour, "red")\n'
        "   ^^^^^^\n"
        "try name"
    )
    assert (body.position, body.suggestion, len(body.diagnostics)) == (3, "name", 2)
    assert msgspec.to_builtins(body.diagnostics[0]) == {
        "code": "unknown_field",
        "message": "there is no field colour",
        "line": 1,
        "column": 4,
        "start": 3,
        "end": 9,
        "excerpt": 'eq(colour, "red")\n   ^^^^^^',
        "expected": ("name", "tags"),
        "suggestion": "name",
    }


def test_the_byte_position_of_a_malformed_body_is_kept() -> None:
    assert describe(MalformedError("bad", position=17)).position == 17


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("secret path /etc/passwd"), "fault"),
        (StoreError("Unknown identifier in SELECT secret", engine_code=47), "store_error"),
    ],
)
def test_a_fault_tells_the_client_nothing_of_its_cause(error: Exception, code: str) -> None:
    answer = answer_to(error)
    assert answer.status_code == 500
    assert answer.json()["code"] == code
    assert "secret" not in answer.text
