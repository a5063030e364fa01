"""The filter language: text to a typed tree. No I/O, no column names, no statements.

text -> ``lexer`` -> ``parser`` -> unbound tree (``ast``) -> ``bind`` -> bound tree (``bound``)

The search bar is a second way in and out: text -> ``bar_lexer`` -> ``bar_parser`` -> the same unbound tree.
"""

from __future__ import annotations

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
    "Mode",
    "Expr",
    "BoundExpr",
]


def read_filter(text: str, *, field: str = "filter", mode: Mode = Mode.LENIENT) -> BoundExpr | None:
    """Parse and bind in one go; None for text that is empty or blank. ``field`` is named in the error."""
    try:
        expr = parse_filter(text)
        return None if expr is None else bind_filter(expr, text, mode=mode)
    except FilterError as error:
        raise FilterError(error.diagnostics, field=field) from error


def read_bar(text: str, *, field: str = "search", mode: Mode = Mode.LENIENT) -> BoundExpr | None:
    """As ``read_filter``, for the text of a search bar; the strict mode speaks of the filter that it stands for."""
    try:
        expr = parse_bar(text)
        if expr is None:
            return None
        bound = bind_filter(expr, text)
    except FilterError as error:
        raise FilterError(error.diagnostics, field=field) from error
    return bound if mode is Mode.LENIENT else read_filter(print_filter(expr), field=field, mode=mode)
