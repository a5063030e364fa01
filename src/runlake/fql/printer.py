"""Tree to canonical text: double quotes, JSON escapes, one space after each comma.

Parsing what is printed gives an equal tree. Text is printed as it is, control characters excepted.
"""

from __future__ import annotations

import json
import re
from typing import assert_never

from runlake.fql.ast import (
    And,
    BooleanValue,
    Comparison,
    Expr,
    FieldPath,
    ListValue,
    Not,
    NullValue,
    NumberValue,
    ObjectValue,
    Or,
    Related,
    TextValue,
    Value,
)

_BARE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE_SEGMENT = re.compile(r"[A-Za-z0-9_]+")
_UNPRINTED = re.compile("[\x7f-\x9f\u2028\u2029]")


def print_filter(expr: Expr) -> str:
    """The canonical text of the tree."""
    match expr:
        case And(children=children):
            return f"and({', '.join(map(print_filter, children))})"
        case Or(children=children):
            return f"or({', '.join(map(print_filter, children))})"
        case Not(child=child):
            return f"not({print_filter(child)})"
        case Comparison(function=function, field=path, value=value):
            arguments = print_value(value) if path is None else f"{print_field(path)}, {print_value(value)}"
            return f"{function}({arguments})"
        case Related(axis=axis, child=child, count=count):
            relation = f"{axis}({print_filter(child)})"
            return relation if count is None else f"count({relation}, {count.function}, {count.number})"
        case _:
            assert_never(expr)


def print_value(value: Value) -> str:
    """The canonical text of one value."""
    match value:
        case TextValue(value=text):
            return print_text(text)
        case NumberValue(value=number):
            return str(number)
        case BooleanValue(value=flag):
            return "true" if flag else "false"
        case NullValue():
            return "null"
        case ListValue(items=items):
            return f"[{', '.join(map(print_value, items))}]"
        case ObjectValue(members=members):
            return f"{{{', '.join(f'{print_text(key)}: {print_value(item)}' for key, item in members)}}}"
        case _:
            assert_never(value)


def print_field(path: FieldPath) -> str:
    """The path with its parts bare where they can be; a first part that cannot be bare puts all in quotes."""
    first, *rest = path.segments
    if not _BARE_NAME.fullmatch(first):
        return print_text(str(path))
    return ".".join([first, *(part if _BARE_SEGMENT.fullmatch(part) else print_text(part) for part in rest)])


def print_text(text: str) -> str:
    """Text in double quotes, with the escapes of JSON."""
    escaped = json.dumps(text, ensure_ascii=False)
    return _UNPRINTED.sub(lambda found: f"\\u{ord(found.group()):04x}", escaped)
