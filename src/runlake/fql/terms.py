"""The text of ``search`` to the terms that all must be found."""

from __future__ import annotations

import re

from runlake.fql.bound import Phrase, Prefix, SearchTerm, Substring, Word

_CHUNK = re.compile(r'"(?P<phrase>[^"]*)"|(?P<plain>\S+)')
_WORD = re.compile("[0-9A-Za-z\u0080-\U0010ffff]+")


def read_terms(text: str) -> tuple[SearchTerm, ...]:
    """
    The terms in order, without repeats; none for blank text.

    - ``"two words"`` in double quotes is a phrase;
    - ``word*`` is a prefix, and with a star in front, text anywhere;
    - ``gpt-4``, words joined by other characters, is a phrase;
    - anything else is a word, without the punctuation around it.

    Text without a single word is looked for as it stands.
    """
    found = (_quoted_term(chunk["phrase"]) or _plain_term(chunk["plain"]) for chunk in _CHUNK.finditer(text.lower()))
    terms = tuple(dict.fromkeys(term for term in found if term is not None))
    bare = text.strip().lower()
    return terms or ((Substring(text=bare),) if bare else ())


def split_terms(text: str) -> list[tuple[str, bool]]:
    """The stretches of the text that become terms, as written, and whether each is a phrase in quotes."""
    chunks = ((chunk["phrase"], chunk["plain"]) for chunk in _CHUNK.finditer(text))
    return [(plain, False) if phrase is None else (phrase, True) for phrase, plain in chunks]


def _quoted_term(phrase: str | None) -> SearchTerm | None:
    if phrase is None or not phrase.strip():
        return None
    phrase = phrase.strip()
    if _WORD.fullmatch(phrase):
        return Word(text=phrase)
    return Phrase(text=phrase) if _WORD.search(phrase) else Substring(text=phrase)


def _plain_term(chunk: str | None) -> SearchTerm | None:
    words = list(_WORD.finditer(chunk or ""))
    if chunk is None or not words:
        return None
    if chunk.startswith("*"):
        return Substring(text=chunk.strip("*"))
    if chunk.endswith("*"):
        stem = chunk.rstrip("*")
        return Prefix(text=stem) if _WORD.fullmatch(stem) else Substring(text=stem)
    core = chunk[words[0].start() : words[-1].end()]
    return Word(text=core) if len(words) == 1 else Phrase(text=core)
