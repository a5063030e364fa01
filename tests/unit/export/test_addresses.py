"""Which endpoints an export may speak to."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from runlake.errors import DestinationError, InvalidError
from runlake.export.addresses import check_endpoint


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def resolve(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 -- compared, not bound
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
def test_an_address_of_the_inner_network_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolving_to(monkeypatch, "93.184.216.34", address)
    with pytest.raises(InvalidError, match="private network") as caught:
        check_endpoint("https://store.example.com")
    assert caught.value.field == "config.endpoint_url"


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_a_public_address_is_accepted(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolving_to(monkeypatch, address)
    check_endpoint("https://store.example.com:9000/path")


@pytest.mark.parametrize("url", ["http://2130706433/", "http://0x7f.1/", "http://[::1]:9000", "http://localhost"])
def test_other_spellings_of_loopback_do_not_pass(url: str) -> None:
    with pytest.raises((InvalidError, DestinationError)):
        check_endpoint(url)


def test_a_name_without_an_address_may_have_one_later() -> None:
    with pytest.raises(DestinationError) as caught:
        check_endpoint("https://nowhere.invalid")
    assert caught.value.transient
