"""Links to attachments: signed, expiring, good for one file of one run or example, used without a key.

Clients fetch them with a plain GET that carries no key (seen in the SDK), so the link itself is the permission. Its
signature covers tenant, run, name and expiry. Runs and examples have a secret each, so that a link to a file of one
never opens a file of the other.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from runlake.errors import ForbiddenError

LINK_KEY: Final = "attachment-links"
"""Name of the secret that signs links."""
EXAMPLE_LINK_KEY: Final = "example-links"
"""As ``LINK_KEY``, for files of examples."""


class AttachmentLinks:
    """Makes and checks links with one secret key.

    ``valid_s`` is how long a new one may be used, ``folder`` the first part of its path.
    """

    def __init__(
        self,
        key: bytes,
        *,
        now_us: Callable[[], int],
        valid_s: int,
        public_url: str | None = None,
        folder: str = "attachments",
    ) -> None:
        self._key = key
        self._now_us = now_us
        self._valid_s = valid_s
        self._public_url = public_url
        self._folder = folder

    def url(self, base_url: str, tenant_id: UUID, run_id: UUID | str, name: str) -> str:
        """An absolute URL; ``base_url`` is how the client reached us, for when no public URL is set."""
        expires_s = self._now_us() // 1_000_000 + self._valid_s
        query = {
            "tenant": str(tenant_id),
            "name": name,
            "expires": str(expires_s),
            "signature": self._sign(tenant_id, str(run_id), name, expires_s),
        }
        return f"{(self._public_url or base_url).rstrip('/')}/{self._folder}/{run_id}?{urlencode(query)}"

    def check(self, tenant_id: UUID, run_id: UUID, name: str, *, expires_s: int, signature: str) -> None:
        """ForbiddenError unless the link was made here, for this file, and has not expired."""
        expected = self._sign(tenant_id, str(run_id), name, expires_s)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise ForbiddenError("this link was not made by this server; list the run again for a new one")
        if self._now_us() > expires_s * 1_000_000:
            raise ForbiddenError("this link has expired; list the run again for a new one")

    def _sign(self, tenant_id: UUID, run_id: str, name: str, expires_s: int) -> str:
        message = msgspec.json.encode((str(tenant_id), run_id, name, expires_s))
        return urlsafe_b64encode(hmac.new(self._key, message, sha256).digest()).rstrip(b"=").decode()
