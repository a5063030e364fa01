"""Which settings require keys, and which names and sites they let a browser use."""

from __future__ import annotations

import pytest

from runlake.config import Settings, load_settings
from runlake.errors import SettingsError
from runlake.wiring.access import browser_rules


def settings(**flags: str) -> Settings:
    return load_settings(flags=flags, environment={})


@pytest.mark.parametrize(
    ("flags", "required"),
    [
        ({}, False),
        ({"host": "127.0.0.1"}, False),
        ({"host": "127.9.9.9"}, False),
        ({"host": "localhost"}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),  # noqa: S104 -- read, not bound
        ({"host": "::"}, True),
        ({"host": "192.168.1.5"}, True),
        ({"host": "lake.corp"}, True),
        ({"public_url": "https://lake.corp"}, True),
        ({"auth": "off", "host": "0.0.0.0"}, False),  # noqa: S104 -- as above
        ({"auth": "required"}, True),
        ({"auth": "auto", "host": "10.0.0.1"}, True),
    ],
)
def test_keys_are_required_unless_only_this_machine_can_connect(flags: dict[str, str], required: bool) -> None:
    assert settings(**flags).keys_required is required


def test_where_no_keys_are_required_only_honest_names_are_answered() -> None:
    rules = browser_rules(settings(allowed_hosts="runlake, Lake.Corp:8080"))
    assert rules.knows_host("runlake:1984")
    assert rules.knows_host("lake.corp")
    assert not rules.knows_host("evil.example")


def test_where_keys_are_required_any_name_will_do() -> None:
    assert browser_rules(settings(auth="required")).knows_host("evil.example")
    assert browser_rules(settings(allowed_hosts="*")).knows_host("evil.example")


def test_the_public_url_is_a_name_and_a_site_of_ours() -> None:
    rules = browser_rules(settings(auth="off", public_url="https://Lake.Corp:8443/api"))
    assert rules.knows_host("lake.corp:8443")
    assert rules.knows_origin("https://lake.corp:8443")
    assert not rules.knows_origin("https://lake.corp")


def test_sites_are_named_as_browsers_name_them() -> None:
    rules = browser_rules(settings(cors_origins="https://App.Corp/, http://localhost:3000"))
    assert rules.knows_origin("https://app.corp")
    assert rules.knows_origin("http://localhost:3000")
    assert not rules.knows_origin("http://localhost:3001")


def test_any_site_may_come_only_where_keys_are_required() -> None:
    assert browser_rules(settings(auth="required", cors_origins="*")).knows_origin("https://any.example")
    with pytest.raises(SettingsError, match="lets every web page read and delete everything"):
        browser_rules(settings(cors_origins="*"))


@pytest.mark.parametrize("site", ["app.corp", "https://", "javascript:alert(1)", "null"])
def test_what_is_no_site_is_refused(site: str) -> None:
    with pytest.raises(SettingsError, match="cors_origins"):
        browser_rules(settings(cors_origins=site))
