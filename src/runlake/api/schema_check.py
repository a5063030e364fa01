"""JSON schemas of datasets: checked when they are set, and what examples are checked against.

The validator reaches for nothing: references to other documents are refused, and patterns run in linear time, because a
schema comes from whoever may write a dataset.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NoReturn, cast

from runlake.errors import InvalidError
from runlake.wire.json_text import decode_value

_MAX_MESSAGE_CHARS: Final = 300


def check_schema(schema: bytes | None, field: str) -> None:
    """InvalidError unless ``schema`` is None or a JSON schema."""
    if schema is not None:
        try:
            _validator(schema)
        except ValueError as error:
            raise InvalidError(f"{field} is not a JSON schema: {_shown(error)}", field=field) from None


def check_against(schema: bytes | None, payload: bytes | None, field: str) -> None:
    """InvalidError unless the payload is what the schema asks for; without a schema everything is."""
    if schema is None or payload is None:
        return
    error = next(iter(_validator(schema).iter_errors(decode_value(payload))), None)
    if error is not None:
        place = "".join(f".{part}" for part in error.instance_path)
        raise InvalidError(
            f"{field}{place} does not meet the schema of the dataset: {_shown(error)}", field=f"{field}{place}"
        )


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> Any:
    import jsonschema_rs  # noqa: PLC0415 -- few servers have datasets with schemas

    return jsonschema_rs.validator_for(
        cast("dict[str, Any]", decode_value(schema)), retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
    )


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"references to other documents are not followed ({uri})")


def _shown(error: Exception) -> str:
    message = str(getattr(error, "message", error)).partition("\n")[0]
    return message[:1].lower() + message[1:_MAX_MESSAGE_CHARS]
