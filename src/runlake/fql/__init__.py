"""The filter language: text to a typed tree. No I/O, no column names, no statements.

text -> ``lexer`` -> ``parser`` -> unbound tree (``ast``) -> ``bind`` -> bound tree (``bound``)
"""

from __future__ import annotations

from runlake.errors import FilterError
from runlake.fql.ast import Expr
from runlake.fql.bind import Mode, bind_filter
from runlake.fql.bound import BoundExpr
from runlake.fql.parser import parse_filter
from runlake.fql.printer import print_filter

__all__ = ["read_filter", "parse_filter", "bind_filter", "print_filter", "Mode", "Expr", "BoundExpr"]


def read_filter(text: str, *, field: str = "filter", mode: Mode = Mode.LENIENT) -> BoundExpr | None:
    """Parse and bind in one go; None for text that is empty or blank. ``field`` is named in the error."""
    try:
        expr = parse_filter(text)
        return None if expr is None else bind_filter(expr, text, mode=mode)
    except FilterError as error:
        raise FilterError(error.diagnostics, field=field) from error
