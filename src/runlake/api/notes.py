"""Notes on an answer as a header, so that its body keeps the shape that clients know (our choice)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from runlake.query.notes import Note

NOTES_HEADER: Final = "X-Runlake-Notes"
MAX_HEADER_CHARS: Final = 4_000
"""Proxies drop answers whose headers are much longer; notes that do not fit are left out."""


def note_headers(notes: Sequence[Note]) -> dict[str, str]:
    """The header with all notes as a JSON list in ASCII; no header without notes."""
    shown = [asdict(note) for note in notes]
    while shown:
        text = json.dumps(shown)
        if len(text) <= MAX_HEADER_CHARS:
            return {NOTES_HEADER: text}
        shown.pop()
    return {}
