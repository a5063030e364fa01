"""The filter language: text to a typed tree. No I/O, no column names, no statements.

text -> ``lexer`` -> ``parser`` -> unbound tree (``ast``) -> ``bind`` -> bound tree (``bound``)

The search bar is a second way in and out: text -> ``bar_lexer`` -> ``bar_parser`` -> the same unbound tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runlake.errors import FilterError
from runlake.fql.ast import Expr
from runlake.fql.bar_parser import parse_bar
from runlake.fql.bar_printer import print_bar
from runlake.fql.bind import Mode, bind_filter
from runlake.fql.bound import BoundExpr
from runlake.fql.parser import parse_filter
from runlake.fql.printer import print_filter

__all__ = [
    "read_filter",
    "read_bar",
    "parse_filter",
    "parse_bar",
    "bind_filter",
    "print_filter",
    "print_bar",
    "bar_to_filter",
    "filter_to_bar",
    "Mode",
    "Expr",
    "BoundExpr",
]


def read_filter(text: str, *, field: str = "filter", mode: Mode = Mode.LENIENT) -> BoundExpr | None:
    """Parse and bind in one go; None for text that is empty or blank. ``field`` is named in the error."""
    with _errors_name(field):
        expr = parse_filter(text)
        return None if expr is None else bind_filter(expr, text, mode=mode)


def read_bar(text: str, *, field: str = "search", mode: Mode = Mode.LENIENT) -> BoundExpr | None:
    """As ``read_filter``, for the text of a search bar; the strict mode speaks of the filter that it stands for."""
    with _errors_name(field):
        expr = parse_bar(text)
        if expr is None:
            return None
        bound = bind_filter(expr, text)
    return bound if mode is Mode.LENIENT else read_filter(print_filter(expr), field=field, mode=mode)


def bar_to_filter(text: str) -> str:
    """The filter that a search stands for; empty for blank text."""
    with _errors_name("search"):
        expr = parse_bar(text)
        if expr is None:
            return ""
        bind_filter(expr, text)
    return print_filter(expr)


def filter_to_bar(text: str) -> str:
    """The search that says the same as a filter; empty for blank text. ``FilterError`` where no search does."""
    with _errors_name("filter"):
        expr = parse_filter(text)
        if expr is None:
            return ""
        bind_filter(expr, text)
        return print_bar(expr, text)


@contextmanager
def _errors_name(field: str) -> Iterator[None]:
    """Errors inside name the field of the request that holds the text."""
    try:
        yield
    except FilterError as error:
        raise FilterError(error.diagnostics, field=field) from error
