"""Page tokens: whole or nothing."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlake.errors import CursorError
from runlake.wire.cursor import Cursor, CursorSigner

SIGNER = CursorSigner(b"k" * 32)
CURSOR = Cursor(visible_version=7, start_time=-5, run_id=UUID(int=9))


@given(
    cursor=st.builds(
        Cursor,
        visible_version=st.integers(0, 2**64 - 1),
        start_time=st.integers(-(2**63), 2**63 - 1),
        run_id=st.uuids(),
    ),
    query=st.binary(max_size=40),
)
def test_a_token_gives_back_its_cursor(cursor: Cursor, query: bytes) -> None:
    assert SIGNER.decode(SIGNER.encode(cursor, query=query), query=query) == cursor


def test_a_token_of_another_query_is_named_as_such() -> None:
    token = SIGNER.encode(CURSOR, query=b"this")
    with pytest.raises(CursorError, match="belongs to another query") as caught:
        SIGNER.decode(token, query=b"that")
    assert caught.value.field == "cursor"


def test_a_token_of_another_key_is_not_ours() -> None:
    token = CursorSigner(b"other key").encode(CURSOR, query=b"q")
    with pytest.raises(CursorError, match="not one that this server made"):
        SIGNER.decode(token, query=b"q")


@given(position=st.integers(0, 85), bit=st.integers(0, 5))
def test_a_damaged_token_is_refused(position: int, bit: int) -> None:
    """Whichever bit of the text flips, the cursor is refused or, in the padding of base64, the same."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = SIGNER.encode(CURSOR, query=b"q")
    position %= len(token)
    flipped = alphabet[alphabet.index(token[position]) ^ (1 << bit)]
    damaged = token[:position] + flipped + token[position + 1 :]
    try:
        assert SIGNER.decode(damaged, query=b"q") == CURSOR
    except CursorError:
        return
    assert position == len(token) - 1


@given(text=st.text(max_size=300))
def test_any_text_is_refused_politely(text: str) -> None:
    with pytest.raises(CursorError):
        SIGNER.decode(text, query=b"q")
