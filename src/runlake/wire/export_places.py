"""Where a destination is: member ``config``, in one form for each type.

Names and bounds of S3 are documented upstream, the rest is ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, assert_never

import msgspec

from runlake.errors import InvalidError
from runlake.model.export_destination import AzurePlace, DestinationType, GcsPlace, LocalPlace, Place, S3Place
from runlake.wire.json_text import decode_object

_BUCKET_CHARS: Final = (3, 63)
_MAX_PREFIX_CHARS: Final = 2048

_PUT_ARGUMENTS: Final = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled", "StorageClass", "RequestPayer")
"""Arguments of PutObject that have an effect here; any other one is refused, because it would be left out silently."""

_ADDRESSING: Final[Mapping[str, bool | None]] = {"auto": None, "path": True, "virtual": False}


class DestinationConfig(msgspec.Struct, kw_only=True):
    """Member ``config``; which members count depends on the type of the destination."""

    bucket_name: str | None = None
    prefix: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    include_bucket_in_prefix: bool = True
    config_kwargs_s3: dict[str, Any] | None = None
    s3_additional_kwargs: dict[str, Any] | None = None
    aws_role_arn: str | None = None
    account_name: str | None = None
    path: str | None = None


class _SentConfig(msgspec.Struct, gc=False):
    bucket_name: Any = None
    prefix: Any = None
    region: Any = None
    endpoint_url: Any = None
    include_bucket_in_prefix: Any = None
    config_kwargs_s3: Any = None
    s3_additional_kwargs: Any = None
    aws_role_arn: Any = None
    account_name: Any = None
    path: Any = None


_SENT_CONFIG: Final = msgspec.json.Decoder(_SentConfig)


def read_place(kind: DestinationType, data: bytes) -> Place:
    """The place that the JSON object in ``data`` describes; InvalidError names the member that cannot be used."""
    config = decode_object(data, _SENT_CONFIG)
    _refuse_foreign(kind, config)
    match kind:
        case DestinationType.S3:
            return _read_s3(config)
        case DestinationType.GCS:
            return GcsPlace(
                bucket=_bucket(config.bucket_name),
                prefix=_prefix(config.prefix),
                include_bucket_in_prefix=_flag(config.include_bucket_in_prefix),
            )
        case DestinationType.AZURE:
            return AzurePlace(
                account=_required(config.account_name, "account_name", "the name of the storage account"),
                container=_bucket(config.bucket_name),
                prefix=_prefix(config.prefix),
                endpoint_url=_endpoint(config.endpoint_url),
                include_bucket_in_prefix=_flag(config.include_bucket_in_prefix),
            )
        case DestinationType.LOCAL:
            return LocalPlace(
                path=_required(config.path, "path", "a directory below a root that the operator named"),
                prefix=_prefix(config.prefix),
            )
        case _:
            assert_never(kind)


_MEMBERS: Final[Mapping[DestinationType, frozenset[str]]] = {
    DestinationType.S3: frozenset(_SentConfig.__struct_fields__) - {"account_name", "path"},
    DestinationType.GCS: frozenset({"bucket_name", "prefix", "include_bucket_in_prefix"}),
    DestinationType.AZURE: frozenset(
        {"account_name", "bucket_name", "prefix", "endpoint_url", "include_bucket_in_prefix"}
    ),
    DestinationType.LOCAL: frozenset({"path", "prefix"}),
}


def _refuse_foreign(kind: DestinationType, config: _SentConfig) -> None:
    for name in _SentConfig.__struct_fields__:
        if name not in _MEMBERS[kind] and getattr(config, name) is not None:
            raise InvalidError(
                f"config.{name} does not belong to a destination of type {kind}; "
                f"it takes {', '.join(sorted(_MEMBERS[kind]))}",
                field=f"config.{name}",
            )


def _read_s3(config: _SentConfig) -> S3Place:
    if config.aws_role_arn is not None:
        raise InvalidError(
            "config.aws_role_arn is not supported: a role would be assumed with the server's own identity; "
            "give credentials instead",
            field="config.aws_role_arn",
        )
    region, endpoint_url = _text(config.region, "region"), _endpoint(config.endpoint_url)
    if region is None and endpoint_url is None:
        raise InvalidError(
            "config needs a region (AWS) or an endpoint_url (any S3-compatible store)", field="config.region"
        )
    options = _options(config.config_kwargs_s3)
    return S3Place(
        bucket=_bucket(config.bucket_name),
        prefix=_prefix(config.prefix),
        region=region,
        endpoint_url=endpoint_url,
        include_bucket_in_prefix=_flag(config.include_bucket_in_prefix),
        path_style=_ADDRESSING[options.addressing_style],
        unsigned_payload=options.payload_signing_enabled is False,
        put_arguments=_put_arguments(config.s3_additional_kwargs),
    )


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    addressing_style: str = "auto"
    payload_signing_enabled: bool | None = None
    use_accelerate_endpoint: bool | None = None
    us_east_1_regional_endpoint: str | None = None


def _options(value: object) -> _Options:
    field = "config.config_kwargs_s3"
    try:
        options = msgspec.convert(value or {}, _Options)
    except msgspec.ValidationError:
        raise InvalidError(
            f"{field} takes addressing_style ({', '.join(_ADDRESSING)}), payload_signing_enabled (a boolean)",
            field=field,
        ) from None
    if options.addressing_style not in _ADDRESSING:
        raise InvalidError(f"{field}.addressing_style must be one of {', '.join(_ADDRESSING)}", field=field)
    if options.use_accelerate_endpoint:
        raise InvalidError(f"{field}.use_accelerate_endpoint is not supported; leave it out", field=field)
    return options


def _put_arguments(value: object) -> dict[str, str]:
    field = "config.s3_additional_kwargs"
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidError(f"{field} must be an object", field=field)
    for name, argument in value.items():
        if name not in _PUT_ARGUMENTS or not isinstance(argument, str | bool):
            raise InvalidError(
                f"{field} takes {', '.join(_PUT_ARGUMENTS)}; {str(name)[:60]!r} is none of them", field=field
            )
    return {name: str(argument).lower() if isinstance(argument, bool) else argument for name, argument in value.items()}


def _bucket(value: object) -> str:
    low, high = _BUCKET_CHARS
    if not isinstance(value, str) or not low <= len(value) <= high or not re.fullmatch(r"[A-Za-z0-9._-]+", value):
        raise InvalidError(
            f"config.bucket_name must have {low} to {high} letters, digits, dots, hyphens or underscores",
            field="config.bucket_name",
        )
    return value


def _prefix(value: object) -> str:
    """Without slashes at its ends; a prefix that leaves the bucket or directory is refused."""
    text = _text(value, "prefix", _MAX_PREFIX_CHARS) or ""
    parts = [part for part in text.split("/") if part]
    if any(part in {".", ".."} for part in parts) or not text.isprintable() or "\\" in text:
        raise InvalidError(
            "config.prefix must be a path of names such as team/traces, without . or .. and control characters",
            field="config.prefix",
        )
    return "/".join(parts)


def _endpoint(value: object) -> str | None:
    text = _text(value, "endpoint_url", _MAX_PREFIX_CHARS)
    if text is None:
        return None
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", text):
        raise InvalidError(
            "config.endpoint_url must be a URL such as https://storage.example.com, without user, query or fragment",
            field="config.endpoint_url",
        )
    return text.rstrip("/")


def _required(value: object, name: str, what: str) -> str:
    text = _text(value, name, _MAX_PREFIX_CHARS)
    if not text:
        raise InvalidError(f"config.{name} is missing; it is {what}", field=f"config.{name}")
    return text


def _text(value: object, name: str, limit: int = 255) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.isprintable() or len(value) > limit:
        raise InvalidError(f"config.{name} must be a text of at most {limit} characters", field=f"config.{name}")
    return value


def _flag(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return value is not False
    raise InvalidError("config.include_bucket_in_prefix must be true or false", field="config.include_bucket_in_prefix")


def place_config(place: Place) -> dict[str, object]:
    """The member as it is answered."""
    match place:
        case LocalPlace():
            return {"path": place.path, "prefix": place.prefix}
        case GcsPlace():
            return _bucket_config(place.bucket, place.prefix, include=place.include_bucket_in_prefix)
        case AzurePlace():
            config = _bucket_config(place.container, place.prefix, include=place.include_bucket_in_prefix)
            return {"account_name": place.account, **config, "endpoint_url": place.endpoint_url}
        case S3Place():
            config = _bucket_config(place.bucket, place.prefix, include=place.include_bucket_in_prefix)
            style = next(name for name, value in _ADDRESSING.items() if value is place.path_style)
            return {
                **config,
                "region": place.region,
                "endpoint_url": place.endpoint_url,
                "config_kwargs_s3": {
                    "addressing_style": style,
                    "payload_signing_enabled": not place.unsigned_payload,
                },
                "s3_additional_kwargs": dict(place.put_arguments),
            }
        case _:
            assert_never(place)


def _bucket_config(bucket: str, prefix: str, *, include: bool) -> dict[str, object]:
    return {"bucket_name": bucket, "prefix": prefix, "include_bucket_in_prefix": include}
