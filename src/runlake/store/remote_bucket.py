"""Objects in an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure. Needs ``obstore``.

Credentials and endpoints come from the environment, in the names each provider's own tools use
(``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_KEY`` ...).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import obstore
from obstore import exceptions
from obstore.store import from_url

from runlake.errors import MissingObjectError, RunlakeError, SettingsError, StoreError, StoreUnavailableError

SCHEMES: Final = ("s3://", "gs://", "az://")


class RemoteBucket:
    """One bucket, or the part of it below a path. Thread-safe. An upload is seen whole or not at all."""

    def __init__(self, url: str) -> None:
        if not url.startswith(SCHEMES):
            raise SettingsError(f"objects_url must begin with one of {', '.join(SCHEMES)}", field="objects_url")
        try:
            self._store: Any = from_url(url, client_options={"allow_http": True})
        except (exceptions.BaseError, ValueError) as error:
            raise SettingsError(f"objects_url cannot be used: {error}", field="objects_url") from error

    def write(self, path: str, chunks: Iterable[bytes | memoryview]) -> None:
        if not self.exists(path):
            try:
                obstore.put(self._store, path, _plain(chunks))
            except exceptions.BaseError as error:
                raise _translate(error, path) from error

    def exists(self, path: str) -> bool:
        try:
            obstore.head(self._store, path)
        except (exceptions.NotFoundError, FileNotFoundError):
            return False
        except exceptions.BaseError as error:
            raise _translate(error, path) from error
        return True

    def read(self, path: str, start: int, length: int) -> bytes:
        try:
            size = obstore.head(self._store, path)["size"]
            length = min(length, size - start)
            return bytes(obstore.get_range(self._store, path, start=start, length=length)) if length > 0 else b""
        except (exceptions.BaseError, FileNotFoundError) as error:
            raise _translate(error, path) from error

    def delete(self, path: str) -> None:
        try:
            obstore.delete(self._store, path)
        except (exceptions.NotFoundError, FileNotFoundError):
            return
        except exceptions.BaseError as error:
            raise _translate(error, path) from error

    def delete_below(self, prefix: str) -> None:
        try:
            for found in obstore.list(self._store, prefix=prefix):
                obstore.delete(self._store, [item["path"] for item in found])
        except exceptions.BaseError as error:
            raise _translate(error, prefix) from error


def _plain(chunks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    for chunk in chunks:
        yield bytes(chunk)


def _translate(error: Exception, path: str) -> RunlakeError:
    """The provider's own words may hold a signed request, so they stay in the log, as the cause."""
    if isinstance(error, exceptions.NotFoundError | FileNotFoundError):
        return MissingObjectError(f"the object {path} is missing from its bucket")
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return StoreError("the object store refuses our credentials")
    return StoreUnavailableError("the object store does not answer as it should; a retry may work")
