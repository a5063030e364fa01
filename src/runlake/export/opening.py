"""Opens destinations: credentials unsealed, rules of the server checked each time, the fitting adapter chosen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never
from uuid import UUID

from runlake.errors import DestinationError
from runlake.export.addresses import check_endpoint
from runlake.export.local_directory import LocalDirectory, allowed_place
from runlake.export.sealing import Sealer
from runlake.export.storage import Storage
from runlake.model.export_destination import AzurePlace, Credentials, Destination, GcsPlace, LocalPlace, Place, S3Place

_PROBE_FOLDER: Final = "tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationOpener:
    """``roots`` bound local directories; ``private_endpoints`` allows addresses of private networks."""

    sealer: Sealer
    roots: Sequence[Path]
    spool: Path
    private_endpoints: bool

    def open(self, destination: Destination) -> Storage:
        """The storage of a stored destination."""
        credentials = self.sealer.open(destination.sealed, destination.tenant_id, destination.id)
        return self.open_place(destination.place, credentials)

    def open_place(self, place: Place, credentials: Credentials) -> Storage:
        """InvalidError when the server's rules forbid the place."""
        match place:
            case LocalPlace():
                return LocalDirectory(place, self.roots)
            case S3Place() | AzurePlace() | GcsPlace():
                from runlake.export.object_store import open_object_storage  # noqa: PLC0415 -- many servers need none

                endpoint = None if isinstance(place, GcsPlace) else place.endpoint_url
                if endpoint is not None and not self.private_endpoints:
                    check_endpoint(endpoint)
                self.spool.mkdir(parents=True, exist_ok=True)
                return open_object_storage(place, credentials, spool=self.spool)
            case _:
                assert_never(place)

    def normalized(self, place: Place) -> Place:
        """The place as it is stored: a local one with its absolute path."""
        return allowed_place(place, self.roots) if isinstance(place, LocalPlace) else place

    def probe(self, place: Place, credentials: Credentials, probe_id: UUID) -> None:
        """Write a small file, and delete it where that is allowed (as documented upstream); raises what goes wrong."""
        storage = self.open_place(place, credentials)
        path = f"{_PROBE_FOLDER}/runlake-probe-{probe_id}"
        storage.put(path, b"Runlake can write here. This file may be deleted.\n")
        with suppress(DestinationError):
            storage.delete([path])
