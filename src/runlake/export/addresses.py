"""Whether an endpoint may be spoken to: an export must not be a way to look into the network a server stands in."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from runlake.errors import DestinationError, InvalidError

_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that a gateway of the network turns into IPv4 (RFC 6052)."""


def check_endpoint(url: str) -> None:
    """InvalidError unless every address of the URL's host is a public one; DestinationError when it has none.

    Called before each use, not only when a destination is made: a name can change its addresses.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, parts.port or 443, proto=socket.IPPROTO_TCP)
    except (OSError, ValueError, UnicodeError):
        raise DestinationError("the destination cannot be reached: its name has no address", transient=True) from None
    for entry in found:
        if not _is_public(str(entry[4][0])):
            raise InvalidError(
                "config.endpoint_url leads to an address of a private network; "
                "its operator can allow that with export_private_endpoints",
                field="config.endpoint_url",
            )


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = _embedded(address) or address
    return address.is_global and not address.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a packet to ``address`` would end at, when it is a mapped or translated one."""
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
