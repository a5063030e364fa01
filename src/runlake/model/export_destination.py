"""Where exports go, as plain data: the kind of destination with its configuration, and its sealed credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec


class DestinationType(StrEnum):
    """``S3`` is documented upstream, the others are ours."""

    S3 = "s3"
    GCS = "gcs"
    AZURE = "azure"
    LOCAL = "local"


class S3Place(msgspec.Struct, frozen=True, kw_only=True, tag="s3"):
    """A bucket of AWS (``region``) or of a compatible store (``endpoint_url``).

    ``put_arguments`` are arguments of PutObject by their AWS name; ``path_style`` None lets the endpoint decide.
    """

    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint_url: str | None = None
    include_bucket_in_prefix: bool = True
    path_style: bool | None = None
    unsigned_payload: bool = False
    put_arguments: Mapping[str, str] = {}


class GcsPlace(msgspec.Struct, frozen=True, kw_only=True, tag="gcs"):
    """A bucket of Google Cloud Storage."""

    bucket: str
    prefix: str = ""
    include_bucket_in_prefix: bool = True


class AzurePlace(msgspec.Struct, frozen=True, kw_only=True, tag="azure"):
    """A container of Azure Blob Storage; ``endpoint_url`` for a compatible store."""

    account: str
    container: str
    prefix: str = ""
    endpoint_url: str | None = None
    include_bucket_in_prefix: bool = True


class LocalPlace(msgspec.Struct, frozen=True, kw_only=True, tag="local"):
    """A directory of the server's machine; ``path`` is absolute, below a root that the operator named."""

    path: str
    prefix: str = ""


Place: TypeAlias = S3Place | GcsPlace | AzurePlace | LocalPlace

Credentials: TypeAlias = Mapping[str, str]
"""Secrets by name; only ever in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """``sealed`` holds the encrypted credentials, or None when there are none; ``credentials_keys`` are their names."""

    tenant_id: UUID
    id: UUID
    display_name: str
    place: Place
    credentials_keys: tuple[str, ...]
    sealed: bytes | None
    created_at: int
    updated_at: int

    @property
    def type(self) -> DestinationType:
        return type_of(self.place)


def type_of(place: Place) -> DestinationType:
    """The name of the kind of a place."""
    return DestinationType(str(place.__struct_config__.tag))


def reported_prefix(place: Place) -> str:
    """What stands before the path of a file when it is reported: the bucket, unless told otherwise, and the prefix."""
    return "/".join(part for part in (_container(place), place.prefix) if part)


def _container(place: Place) -> str:
    match place:
        case LocalPlace():
            return place.path.rstrip("/")
        case AzurePlace():
            return place.container if place.include_bucket_in_prefix else ""
        case S3Place() | GcsPlace():
            return place.bucket if place.include_bucket_in_prefix else ""
        case _:
            assert_never(place)
