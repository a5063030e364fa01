"""Credentials at rest: AES-256-GCM, bound to tenant and destination, with a key that is not in the ledger file.

Whoever has a copy of the ledger alone has no credentials; a sealed text moved to another destination does not open.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from runlake.errors import SettingsError, StoreError
from runlake.model.export_destination import Credentials

KEY_NAME: Final = "credentials.key"
"""Name of the key file in the data directory, where no other is configured."""
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_PRIVATE: Final = 0o600


def read_or_make_key(path: Path) -> bytes:
    """The key in a file, made on first use, readable by its owner alone; SettingsError when it cannot be used."""
    if not path.exists():
        try:
            _make_key(path)
        except OSError as error:
            message = f"cannot make the key file {path}: {error.strerror}"
            raise SettingsError(message, field="credentials_key_file") from error
    return _read_key(path)


def _make_key(path: Path) -> None:
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with open(descriptor, "wb") as file:  # noqa: PTH123 -- private from its first moment, which Path.open cannot do
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    # A link instead of a rename: of two processes that start together one wins, and both use its key.
    with suppress(FileExistsError):
        path.hardlink_to(hidden)
    hidden.unlink()


def _read_key(path: Path) -> bytes:
    try:
        mode, key = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"cannot read the key file {path}: {error.strerror}", field="credentials_key_file"
        ) from error
    if mode & 0o077:
        raise SettingsError(
            f"the key file {path} can be read by others; run chmod 600 on it", field="credentials_key_file"
        )
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"the key file {path} must hold {_KEY_BYTES} bytes", field="credentials_key_file")
    return key


class Sealer:
    """Seals and opens credentials; the key file is read with the first of them."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file

    def seal(self, credentials: Credentials, tenant_id: UUID, destination_id: UUID) -> bytes | None:
        """The encrypted form; None when there is nothing to keep secret."""
        if not credentials:
            return None
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- needed by few servers

        nonce = secrets.token_bytes(_NONCE_BYTES)
        data = msgspec.json.encode(credentials)
        bound = tenant_id.bytes + destination_id.bytes
        return nonce + AESGCM(read_or_make_key(self._key_file)).encrypt(nonce, data, bound)

    def open(self, sealed: bytes | None, tenant_id: UUID, destination_id: UUID) -> Credentials:
        """The credentials; StoreError when the key is not the one they were sealed with."""
        if sealed is None:
            return {}
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- as above
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- as above

        nonce, data = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            bound = tenant_id.bytes + destination_id.bytes
            opened = AESGCM(_read_key(self._key_file)).decrypt(nonce, data, bound)
        except InvalidTag:
            raise StoreError(
                f"the credentials of destination {destination_id} were sealed with another key; set them again"
            ) from None
        return msgspec.json.decode(opened, type=dict[str, str])
