"""Feedback tokens as clients ask for them, and the judgements that come with one.

Bodies are documented upstream; that the Python SDK sends a lifetime in days, hours and minutes or an end, with null for
the other, and reads ``id``, ``url`` and ``expires_at``, was seen in the SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, MalformedError
from runlake.model.feedback_token import FeedbackToken
from runlake.model.project import Feedback
from runlake.wire.feedback import Receipt, read_feedback, read_key
from runlake.wire.json_text import ABSENT, decode_object, decode_value, raw_bytes, split_array
from runlake.wire.scalars import read_id, read_text, read_time
from runlake.wire.times import LATEST_US, format_time

MAX_TOKENS: Final = 1_000
"""Most tokens that one request makes."""
DEFAULT_LIFETIME_US: Final = 3 * 3_600_000_000
"""How long a token lives when nothing else is said (documented upstream)."""
_UNITS_US: Final = {"days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000}


class Lifetime(msgspec.Struct, kw_only=True):
    """How long a token can be used."""

    days: int = 0
    hours: int = 0
    minutes: int = 0


class FeedbackTokenCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /feedback/tokens``: one, or an array of them. Without an expiry it is three hours."""

    run_id: UUID
    feedback_key: str
    feedback_config: dict[str, Any] | None = None
    expires_in: Lifetime | None = None
    expires_at: str | None = None
    id: UUID | None = None


class FeedbackTokenBody(msgspec.Struct, frozen=True):
    """A token; ``url`` can be called without a key by whoever has it."""

    id: UUID
    url: str
    expires_at: str
    feedback_key: str
    run_id: UUID


class TokenAnswer(msgspec.Struct, kw_only=True):
    """Body of ``POST /feedback/tokens/{token}``; ``GET`` takes the same as parameters, without ``metadata``."""

    score: float | bool | None = None
    value: float | bool | str | dict[str, Any] | None = None
    comment: str | None = None
    correction: str | dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """One wished token. Times are microseconds UTC."""

    run_id: UUID
    key: str
    feedback_id: UUID | None
    feedback_config: bytes | None
    expires_at: int


class _Sent(msgspec.Struct, gc=False):
    run_id: Any = None
    feedback_key: Any = None
    expires_in: Any = None
    expires_at: Any = None
    id: Any = None
    feedback_config: msgspec.Raw = ABSENT


class _SentAnswer(msgspec.Struct, gc=False):
    score: Any = None
    comment: Any = None
    value: msgspec.Raw = ABSENT
    correction: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT


_SENT: Final = msgspec.json.Decoder(_Sent)
_ANSWER: Final = msgspec.json.Decoder(_SentAnswer)
_METADATA: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_token_requests(body: bytes, *, now_us: int) -> tuple[tuple[TokenRequest, ...], bool]:
    """What a body wishes, and whether it was an array. Raises ``MalformedError`` or ``InvalidError``."""
    if not body.lstrip().startswith(b"["):
        return (_read_request(body, now_us),), False
    try:
        items = split_array(body.decode())
    except UnicodeDecodeError as error:
        raise MalformedError("the body is not UTF-8", position=error.start) from None
    if not 1 <= len(items) <= MAX_TOKENS:
        raise InvalidError(f"the array has {len(items)} elements; 1 to {MAX_TOKENS} tokens are made at once")
    return tuple(_read_request(item.encode(), now_us) for item in items), True


def _read_request(body: bytes, now_us: int) -> TokenRequest:
    sent = decode_object(body, _SENT)
    run_id = read_id(sent.run_id, "run_id")
    if run_id is None:
        raise InvalidError("run_id is missing; a token is for one run", field="run_id")
    return TokenRequest(
        run_id=run_id,
        key=read_key(sent.feedback_key, "feedback_key"),
        feedback_id=read_id(sent.id, "id"),
        feedback_config=raw_bytes(sent.feedback_config) or None,
        expires_at=_read_expiry(sent, now_us),
    )


def _read_expiry(sent: _Sent, now_us: int) -> int:
    if sent.expires_at is not None:
        expires_at = read_time(sent.expires_at, "expires_at")
        if expires_at <= now_us:
            raise InvalidError("expires_at is not in the future", field="expires_at")
        return expires_at
    if sent.expires_in is None:
        return now_us + DEFAULT_LIFETIME_US
    lifetime_us = _read_lifetime(sent.expires_in)
    # The Python SDK drops the seconds of a lifetime, so a short one arrives as zero.
    if lifetime_us <= 0:
        raise InvalidError("expires_in is shorter than a minute, the shortest that is accepted", field="expires_in")
    if now_us + lifetime_us > LATEST_US:
        raise InvalidError("expires_in ends after the year 2299", field="expires_in")
    return now_us + lifetime_us


def _read_lifetime(value: object) -> int:
    if not isinstance(value, dict):
        raise InvalidError('expires_in must be an object such as {"hours": 3}', field="expires_in")
    total = 0
    for name, unit_us in _UNITS_US.items():
        count = value.get(name) or 0
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InvalidError(f"expires_in.{name} must be a whole number from 0 on", field="expires_in")
        total += count * unit_us
    return total


def token_body(token: FeedbackToken, root: str) -> FeedbackTokenBody:
    """The wire object; ``root`` is where clients reach the routes of this server."""
    return FeedbackTokenBody(
        id=token.token,
        url=f"{root}/feedback/tokens/{token.token}",
        expires_at=f"{format_time(token.expires_at)}Z",
        feedback_key=token.key,
        run_id=token.run_id,
    )


def read_token_answer(body: bytes, token: FeedbackToken, receipt: Receipt) -> Feedback:
    """The judgement in a body; ``receipt`` is of the token's tenant."""
    sent = decode_object(body, _ANSWER)
    metadata = raw_bytes(sent.metadata)
    if metadata:
        try:
            _METADATA.decode(metadata)
        except msgspec.DecodeError:
            raise InvalidError("metadata must be an object", field="metadata") from None
    source = {"type": "api", **({"metadata": msgspec.Raw(metadata)} if metadata else {})}
    return _judgement(
        token,
        receipt,
        score=sent.score,
        comment=None if sent.comment is None else read_text(sent.comment, "comment"),
        value=_raw(sent.value),
        correction=_raw(sent.correction),
        feedback_source=source,
    )


def read_token_parameters(parameters: Mapping[str, str], token: FeedbackToken, receipt: Receipt) -> Feedback:
    """The judgement in the parameters of a URL or the fields of a form: numbers and booleans may be meant, or text."""
    score = parameters.get("score") or None
    value = parameters.get("value") or None
    return _judgement(
        token,
        receipt,
        score=None if score is None else _scalar(score),
        value=None if value is None else _scalar(value),
        comment=parameters.get("comment") or None,
        correction=parameters.get("correction") or None,
        feedback_source={"type": "api"},
    )


def _judgement(token: FeedbackToken, receipt: Receipt, **members: object) -> Feedback:
    """Read as any other feedback is, so that the same rules hold."""
    config = None if token.feedback_config is None else msgspec.Raw(token.feedback_config)
    body = {
        "id": token.feedback_id,
        "key": token.key,
        "run_id": token.run_id,
        "feedback_config": config,
        **{name: value for name, value in members.items() if value is not None},
    }
    return read_feedback(msgspec.json.encode(body), receipt)


def _scalar(text: str) -> object:
    """The number or boolean that a text is, else the text."""
    try:
        value = decode_value(text.strip().lower().encode())
    except MalformedError:
        return text
    return value if isinstance(value, int | float) else text


def _raw(raw: msgspec.Raw) -> msgspec.Raw | None:
    data = raw_bytes(raw)
    return msgspec.Raw(data) if data else None
