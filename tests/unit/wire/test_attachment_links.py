"""Links to attachments: what they name, how long they work, whom they refuse."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from runlake.errors import ForbiddenError
from runlake.wire.attachment_links import AttachmentLinks

TENANT, RUN = UUID(int=1), UUID(int=2)
NOW_S = 1_790_000_000


class Clock:
    us = NOW_S * 1_000_000

    def now_us(self) -> int:
        return self.us


def parts_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_link_works_until_it_expires() -> None:
    clock = Clock()
    links = AttachmentLinks(b"key", now_us=clock.now_us, valid_s=60)
    found = parts_of(links.url("http://localhost:1984/", TENANT, RUN, "a/b c"))
    assert (found["tenant"], found["name"], found["expires"]) == (str(TENANT), "a/b c", str(NOW_S + 60))

    def use() -> None:
        links.check(TENANT, RUN, "a/b c", expires_s=int(found["expires"]), signature=found["signature"])

    use()
    clock.us += 60_000_000
    use()
    clock.us += 1
    with pytest.raises(ForbiddenError, match="has expired"):
        use()


def test_a_link_of_another_server_is_refused() -> None:
    made = AttachmentLinks(b"other", now_us=Clock().now_us, valid_s=60)
    found = parts_of(made.url("http://x", TENANT, RUN, "a"))
    links = AttachmentLinks(b"key", now_us=Clock().now_us, valid_s=60)
    with pytest.raises(ForbiddenError, match="not made by this server"):
        links.check(TENANT, RUN, "a", expires_s=int(found["expires"]), signature=found["signature"])


@pytest.mark.parametrize("public_url", ["https://traces.example/base", "https://traces.example/base/"])
def test_the_public_url_comes_before_how_the_client_came(public_url: str) -> None:
    links = AttachmentLinks(b"key", now_us=Clock().now_us, valid_s=60, public_url=public_url)
    url = links.url("http://localhost:1984/", TENANT, RUN, "a")
    assert url.startswith(f"https://traces.example/base/attachments/{RUN}?")
