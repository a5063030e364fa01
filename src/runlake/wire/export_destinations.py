"""Destinations as clients write and read them. Field names and bounds of S3 are documented upstream, the rest is ours.

Secrets come in and never go out: an answer names the credentials that are there. Errors quote no value of a body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError
from runlake.model.export_destination import Credentials, Destination, DestinationType, Place
from runlake.wire.export_places import DestinationConfig, place_config, read_place
from runlake.wire.json_text import ABSENT, decode_object, raw_bytes
from runlake.wire.times import format_time

_NAME: Final = re.compile(r"[\w' -]*[\w'-][\w' -]*")
_MAX_NAME_CHARS: Final = 200
_MAX_SECRET_CHARS: Final = 16_384

CREDENTIAL_NAMES: Final[Mapping[DestinationType, tuple[frozenset[str], frozenset[str]]]] = {
    DestinationType.S3: (frozenset({"access_key_id", "secret_access_key"}), frozenset({"session_token"})),
    DestinationType.GCS: (frozenset({"service_account_key"}), frozenset()),
    DestinationType.AZURE: (frozenset({"account_key"}), frozenset()),
    DestinationType.LOCAL: (frozenset(), frozenset()),
}
"""What each type of destination needs, and what it takes beyond that."""


class DestinationCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /bulk-exports/destinations``."""

    destination_type: str
    display_name: str
    config: DestinationConfig
    credentials: dict[str, str] | None = None


class DestinationPatch(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /bulk-exports/destinations/{id}``: all credentials anew."""

    credentials: dict[str, str]


class _Sent(msgspec.Struct, gc=False):
    destination_type: Any = None
    display_name: Any = None
    config: msgspec.Raw = ABSENT
    credentials: Any = None


_SENT: Final = msgspec.json.Decoder(_Sent)


class DestinationBody(msgspec.Struct, frozen=True, kw_only=True):
    """A BulkExportDestination. ``credentials_keys`` names the secrets that are stored; their values never leave."""

    id: UUID
    tenant_id: UUID
    destination_type: str
    display_name: str
    config: Mapping[str, object]
    credentials_keys: tuple[str, ...]
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDestination:
    """A destination as asked for; ``credentials`` are in clear, so its text form leaves them out."""

    display_name: str
    place: Place
    credentials: Credentials

    def __repr__(self) -> str:
        return f"NewDestination({self.display_name!r})"


def read_destination_create(body: bytes) -> NewDestination:
    """The destination that a body asks for; InvalidError names the member that cannot be used."""
    sent = decode_object(body, _SENT)
    kind = _read_type(sent.destination_type)
    data = raw_bytes(sent.config)
    if not data:
        raise InvalidError("config is missing; it says where the destination is", field="config")
    place = read_place(kind, data)
    return NewDestination(
        display_name=_read_name(sent.display_name),
        place=place,
        credentials=read_credentials(sent.credentials, kind),
    )


def read_new_credentials(body: bytes, kind: DestinationType) -> Credentials:
    """The credentials that a ``PATCH`` sets."""
    sent = decode_object(body, _SENT)
    if sent.credentials is None:
        raise InvalidError("credentials is missing; it is all that can be changed", field="credentials")
    return read_credentials(sent.credentials, kind)


def read_credentials(value: object, kind: DestinationType) -> Credentials:
    """Exactly the secrets that this type of destination takes."""
    required, optional = CREDENTIAL_NAMES[kind]
    given = {} if value is None else value
    if not isinstance(given, dict):
        raise InvalidError("credentials must be an object of texts", field="credentials")
    found = {name: secret for name, secret in given.items() if secret is not None}
    for name, secret in found.items():
        if name not in required | optional:
            takes = ", ".join(sorted(required | optional)) or "no credentials"
            raise InvalidError(
                f"credentials of a destination of type {kind} are {takes}; {name[:60]!r} is none of them",
                field="credentials",
            )
        if not isinstance(secret, str) or not 0 < len(secret) <= _MAX_SECRET_CHARS:
            raise InvalidError(
                f"credentials.{name} must be a text of 1 to {_MAX_SECRET_CHARS} characters",
                field=f"credentials.{name}",
            )
    for name in sorted(required - found.keys()):
        raise InvalidError(
            f"credentials.{name} is missing; a destination of type {kind} needs {', '.join(sorted(required))}",
            field=f"credentials.{name}",
        )
    return found


def destination_body(destination: Destination) -> DestinationBody:
    """The wire object."""
    return DestinationBody(
        id=destination.id,
        tenant_id=destination.tenant_id,
        destination_type=destination.type.value,
        display_name=destination.display_name,
        config=place_config(destination.place),
        credentials_keys=destination.credentials_keys,
        created_at=format_time(destination.created_at),
        updated_at=format_time(destination.updated_at),
    )


def _read_type(value: object) -> DestinationType:
    try:
        return DestinationType(str(value))
    except ValueError:
        raise InvalidError(
            f"destination_type must be one of {', '.join(DestinationType)}", field="destination_type"
        ) from None


def _read_name(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_NAME_CHARS or not _NAME.fullmatch(value):
        raise InvalidError(
            f"display_name must have 1 to {_MAX_NAME_CHARS} letters, digits, spaces, hyphens, underscores or "
            "apostrophes, and nothing else; keep secrets and addresses out of it",
            field="display_name",
        )
    return value
