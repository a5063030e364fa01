"""Answers that many routes give."""

from __future__ import annotations

import msgspec
from litestar import Response


class Deleted(msgspec.Struct, frozen=True):
    """Answer to a deletion."""

    message: str


def json_answer(body: bytes) -> Response[bytes]:
    """What is JSON already."""
    return Response(body, media_type="application/json")
