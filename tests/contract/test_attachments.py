"""Attachments over HTTP: links that need no key, bind one file, expire, and cannot be made to run anything."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import httpx
import pytest

HTML = b"<script>alert(1)</script>"
NAMES = [
    "plain.txt",
    "../../etc/passwd",
    "/absolute",
    "..\\windows",
    "ünïcode 漢字 🗼",
    'quote"; filename="evil.html',
    "new\tline %2e%2e?x=1&y=2#z",
    "n" * 400,
    ".",
]


def send(url: str, *files: tuple[str, str, bytes], verb: str = "post", run_id: str | None = None) -> str:
    """One finished run with files, as multipart; returns its id."""
    run_id = run_id or str(uuid.uuid4())
    run = b'{"name":"n","run_type":"chain","start_time":"2026-11-23T10:00:00Z","end_time":"2026-11-23T10:00:01Z"}'
    parts = [(f"{verb}.{run_id}", "application/json", run)]
    parts += [(f"attachment.{run_id}.{name}", kind, data) for name, kind, data in files]
    body = b"".join(
        b'--B\r\nContent-Disposition: form-data; name="%s"\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s\r\n'
        % (name.replace("\\", "\\\\").replace('"', '\\"').encode(), kind.encode(), len(data), data)
        for name, kind, data in parts
    )
    headers = {"content-type": "multipart/form-data; boundary=B"}
    answer = httpx.post(f"{url}/runs/multipart", content=body + b"--B--\r\n", headers=headers)
    assert answer.status_code == 202, answer.text
    return run_id


def links(url: str, run_id: str) -> dict[str, Any]:
    found = httpx.get(f"{url}/runs/{run_id}").raise_for_status().json()["s3_urls"]
    return {name.removeprefix("attachment."): value for name, value in (found or {}).items()}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_comes_back_with_its_bytes(live_server: str, name: str) -> None:
    (found,) = links(live_server, send(live_server, (name, "text/plain", b"seen"))).items()
    assert found[0] == name
    answer = httpx.get(found[1]["presigned_url"])
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"seen", "text/plain")
    saved_as = answer.headers["content-disposition"]
    assert not {"/", "\\", "\r", "\n", "\t"} & set(saved_as.replace("inline", "").replace("attachment", ""))
    assert saved_as.count('"') == 2


def test_a_page_of_another_sender_cannot_run_here(live_server: str) -> None:
    found = links(live_server, send(live_server, ("page", "text/html", HTML), ("drawing", "image/svg+xml", HTML)))
    for link in found.values():
        answer = httpx.get(link["presigned_url"])
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["content-disposition"].startswith("attachment;")


def test_a_type_that_is_none_is_served_as_bytes(live_server: str) -> None:
    (link,) = links(live_server, send(live_server, ("a", "text", b"x"))).values()
    assert httpx.get(link["presigned_url"]).headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("asked", "status", "content", "where"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-500", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, None, None),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
    ],
)
def test_ranges(live_server: str, asked: str, status: int, content: bytes | None, where: str | None) -> None:
    (link,) = links(live_server, send(live_server, ("a", "text/plain", b"0123456789"))).values()
    answer = httpx.get(link["presigned_url"], headers={"range": asked})
    assert answer.status_code == status
    assert answer.headers.get("content-range") == where
    assert content is None or answer.content == content


def test_an_unchanged_file_is_not_sent_again(live_server: str) -> None:
    (link,) = links(live_server, send(live_server, ("a", "text/plain", b"x"))).values()
    tag = httpx.get(link["presigned_url"]).headers["etag"]
    assert httpx.get(link["presigned_url"], headers={"if-none-match": tag}).status_code == 304


def test_an_empty_file_and_a_large_one(live_server: str) -> None:
    large = bytes(range(256)) * 20_000
    found = links(live_server, send(live_server, ("empty", "text/plain", b""), ("large", "video/mp4", large)))
    assert httpx.get(found["empty"]["presigned_url"]).content == b""
    assert httpx.get(found["large"]["presigned_url"]).content == large
    assert found["large"]["size_bytes"] == len(large)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b"},
        {"tenant": str(uuid.UUID(int=5))},
        {"expires": "9999999999"},
        {"signature": ""},
        {"signature": "é"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_link_opens_nothing(live_server: str, change: dict[str, str]) -> None:
    run_id = send(live_server, ("a", "text/plain", b"x"), ("b", "text/plain", b"y"))
    place = urlsplit(links(live_server, run_id)["a"]["presigned_url"])
    query = {name: values[0] for name, values in parse_qs(place.query).items()} | change
    answer = httpx.get(urlunsplit(place._replace(query=urlencode(query))))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_link_for_one_run_does_not_open_another(live_server: str) -> None:
    first, second = (send(live_server, ("a", "text/plain", b"x")) for _ in range(2))
    url = links(live_server, first)["a"]["presigned_url"]
    assert httpx.get(url.replace(first, second)).status_code == 403


def test_files_come_by_patches_and_pages_too(live_server: str) -> None:
    run_id = send(live_server, ("a", "text/plain", b"x"))
    send(live_server, ("b", "text/plain", b"y"), verb="patch", run_id=run_id)
    assert sorted(links(live_server, run_id)) == ["a", "b"]
    body = {"id": [run_id], "select": ["s3_urls"]}
    (listed,) = httpx.post(f"{live_server}/runs/query", json=body).raise_for_status().json()["runs"]
    assert sorted(listed["s3_urls"]) == ["attachment.a", "attachment.b"]


def test_a_run_without_files_says_so(live_server: str) -> None:
    assert httpx.get(f"{live_server}/runs/{send(live_server)}").json()["s3_urls"] is None
