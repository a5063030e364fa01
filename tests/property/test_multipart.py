"""Bodies: what is encoded decodes to itself, and no bytes whatever raise anything but a user's error."""

from __future__ import annotations

import contextlib
import gzip
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from runlake.errors import UserError
from runlake.model.run import WriteKind
from runlake.wire.encoding import ACCEPTED_ENCODINGS, decode_body
from runlake.wire.feedback import Receipt, read_feedback
from runlake.wire.multipart import parse_multipart
from runlake.wire.run_writes import read_batch, read_multipart, read_run

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CORPUS = Path(__file__).parents[1] / "corpus" / "wire"
RECEIPT = Receipt(tenant_id=UUID(int=7), now_us=99, new_id=lambda: UUID(int=5))
BOUNDARY = "B0und"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
NAMES = st.text(
    st.characters(exclude_characters='"\\', exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=40
)
TYPES = st.sampled_from(["application/json", "image/png", "text/plain; charset=utf-8"])
TRICKY = st.lists(
    st.sampled_from([b"\r\n", b"\n", b"--", BOUNDARY.encode(), b'{"a":1}', b"\x00\xff", b"Content-Length: 3"]),
    max_size=8,
).map(b"".join)
DATA = st.one_of(st.binary(max_size=60), TRICKY)


@dataclass(frozen=True)
class Sent:
    """A part as it is to be written; ``style`` is where the length stands."""

    name: str
    content_type: str
    data: bytes
    style: str

    def encode(self) -> bytes:
        content_type, extra = self.content_type, ""
        if self.style == "parameter":
            content_type += f"; length={len(self.data)}"
        elif self.style == "header":
            extra = f"Content-Length: {len(self.data)}\r\n"
        head = f'Content-Disposition: form-data; name="{self.name}"\r\nContent-Type: {content_type}\r\n{extra}\r\n'
        return f"--{BOUNDARY}\r\n{head}".encode() + self.data + b"\r\n"


def _is_plain(sent: Sent) -> bool:
    """Whether the data could be told from a boundary line without a length."""
    return sent.style != "none" or f"--{BOUNDARY}".encode() not in sent.data


PARTS = st.builds(Sent, NAMES, TYPES, DATA, st.sampled_from(["header", "parameter", "none"])).filter(_is_plain)


@given(st.lists(PARTS, max_size=6))
def test_decoding_undoes_encoding(parts: list[Sent]) -> None:
    body = b"".join(part.encode() for part in parts) + f"--{BOUNDARY}--\r\n".encode()
    found = [(part.name, part.content_type, part.data) for part in parse_multipart(body, CONTENT_TYPE)]
    assert found == [(part.name, part.content_type, part.data) for part in parts]


@given(st.lists(PARTS, min_size=1, max_size=3), st.data())
def test_a_body_cut_anywhere_is_refused(parts: list[Sent], data: st.DataObject) -> None:
    """No truncated upload is ever taken for a whole one."""
    body = b"".join(part.encode() for part in parts) + f"--{BOUNDARY}--".encode()
    cut = data.draw(st.integers(0, len(body) - 1))
    with contextlib.suppress(UserError):
        parse_multipart(body[:cut], CONTENT_TYPE)
        raise AssertionError(f"taken although cut at {cut}")


@given(st.binary(max_size=200), st.integers(0, 300))
def test_compression_is_undone_within_the_limit(data: bytes, limit_bytes: int) -> None:
    for encoding, packed in (("gzip", gzip.compress(data)), ("zstd", zstd.compress(data)), ("identity", data)):
        try:
            assert decode_body(packed, encoding, limit_bytes=limit_bytes) == data
        except UserError:
            assert len(data) > limit_bytes


def _recorded() -> list[bytes]:
    bodies = []
    for path in sorted(CORPUS.glob("*.body")):
        head = json.loads(path.with_suffix(".json").read_text())
        bodies.append(decode_body(path.read_bytes(), head.get("Content-Encoding"), limit_bytes=1 << 20))
    return bodies


BODIES = _recorded()


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A recorded body with some stretches replaced."""
    body = draw(st.sampled_from(BODIES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 30)))
        body = body[:start] + draw(st.one_of(st.binary(max_size=6), TRICKY)) + body[end:]
    return body


def _boundary_of(body: bytes) -> str:
    first = body[2:34]
    return first.decode() if first.isalnum() else BOUNDARY


@given(st.one_of(st.binary(max_size=300), TRICKY, _damaged()))
def test_no_bytes_raise_anything_but_a_users_error(body: bytes) -> None:
    for encoding in (*ACCEPTED_ENCODINGS, "br"):
        with contextlib.suppress(UserError):
            decode_body(body, encoding, limit_bytes=1000)
    with contextlib.suppress(UserError):
        batch = read_multipart(body, f"multipart/form-data; boundary={_boundary_of(body)}", RECEIPT)
        assert all(isinstance(refusal.error, UserError) for refusal in batch.refused)
    with contextlib.suppress(UserError):
        read_batch(body)
    with contextlib.suppress(UserError):
        read_run(body, WriteKind.PATCH)
    with contextlib.suppress(UserError):
        read_feedback(body, RECEIPT)


@given(st.text(max_size=80))
def test_no_content_type_raises_anything_but_a_users_error(content_type: str) -> None:
    with contextlib.suppress(UserError):
        parse_multipart(BODIES[0], content_type)
