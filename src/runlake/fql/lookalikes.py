"""What people write who know another language: infix logic, brackets, search-bar text, arithmetic.

Each function is asked by the parser at one kind of place and answers with the message for what stands there. None
of them changes what is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from runlake.fql.ast import Function
from runlake.fql.axes import Axis
from runlake.fql.lexer import Token, TokenKind
from runlake.fql.printer import print_text
from runlake.fql.source import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A message for one place; ``suggestion`` is text to write instead."""

    message: str
    suggestion: str | None = None
    expected: tuple[str, ...] = ()
    code: str = "syntax"


_INFIX_COMPARISONS = {
    "=": "eq",
    "==": "eq",
    "!=": "neq",
    "<>": "neq",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "=~": "like",
    "!~": "notlike",
    "~": "like",
}
_INFIX_LOGIC = {"and": "and", "&&": "and", "&": "and", "or": "or", "||": "or", "|": "or"}
_ARITHMETIC = ("+", "-", "*", "/", "%", "^")
_FOREIGN_FUNCTIONS = {
    "ancestors": "ancestor",
    "between": "and(gte(field, low), lte(field, high))",
    "children": "child",
    "contains": 'like(field, "%text%")',
    "descendants": "descendant",
    "does_not_contain": 'notlike(field, "%text%")',
    "endswith": 'like(field, "%text")',
    "ends_with": 'like(field, "%text")',
    "equals": "eq",
    "ge": "gte",
    "icontains": 'like(field, "%text%")',
    "ilike": "like",
    "is_not_null": "neq(field, null)",
    "is_null": "eq(field, null)",
    "json_key": 'eq(input_key, "path")',
    "json_key_search": 'and(eq(input_key, "path"), like(input_value, "%text%"))',
    "le": "lte",
    "match": "like",
    "matches": "like",
    "ne": "neq",
    "not_contains": 'notlike(field, "%text%")',
    "not_ilike": "notlike",
    "not_in": "nin",
    "not_like": "notlike",
    "notin": "nin",
    "regex": "like",
    "regexp": "like",
    "startswith": 'like(field, "text%")',
    "siblings": "sibling",
    "starts_with": 'like(field, "text%")',
}
_CALLABLE = ("and", "or", "not", *Function, *Axis, "count")
_VALUE_KINDS = (TokenKind.STRING, TokenKind.NUMBER, TokenKind.WORD, TokenKind.NAME)


def unknown_function(name: str) -> Hint:
    """For a call of something that is no function."""
    code = "unknown_function"
    if name.lower() in _CALLABLE:
        message = f"function names are lower case: {name.lower()}, not {quoted(name)}"
        return Hint(code=code, message=message, suggestion=name.lower())
    message = f"unknown function {quoted(name)}"
    replacement = _FOREIGN_FUNCTIONS.get(name.lower())
    if replacement is None:
        replacement = next(iter(get_close_matches(name.lower()[:40], _CALLABLE, n=1)), None)
    return Hint(code=code, message=message, suggestion=replacement, expected=_CALLABLE)


def instead_of_call(tokens: Sequence[Token], index: int) -> Hint:
    """For whatever stands where a condition should start."""
    token = tokens[index]
    if token.kind is TokenKind.STRING:
        message = "text alone is no condition; search(...) looks for it"
        return Hint(message=message, suggestion=f"search({print_text(token.text)})")
    if token.kind is TokenKind.OPERATOR and token.text in ("-", "!") and tokens[index + 1].kind is TokenKind.NAME:
        message = f"a condition is negated with not(...), not with {quoted(token.text)}"
        return Hint(message=message, suggestion="not(...)")
    if token.kind is TokenKind.NAME:
        return _name_instead_of_call(tokens, index)
    return Hint(message=f"expected a condition such as eq(field, value), not {_shown(token)}", expected=_CALLABLE)


def _name_instead_of_call(tokens: Sequence[Token], index: int) -> Hint:
    name = tokens[index].text
    if name.lower() in ("and", "or", "not"):
        message = f"{quoted(name)} is a function: {name.lower()}(...)"
        return Hint(message=message, suggestion=f"{name.lower()}(...)")
    end = _end_of_path(tokens, index)
    path = "".join(token.text for token in tokens[index:end])
    match tokens[end].kind:
        case TokenKind.COLON:
            return _search_bar(path, tokens[end + 1 : end + 3])
        case TokenKind.OPERATOR:
            return _infix_comparison(path, tokens[end], tokens[end + 1])
        case TokenKind.LBRACKET:
            return _bracket(path, tokens[end + 1])
        case _:
            message = f"expected a condition such as eq(field, value), not {quoted(path)}"
            return Hint(message=message, expected=_CALLABLE)


def after_expression(tokens: Sequence[Token], index: int, *, nested: bool) -> Hint:
    """For whatever follows a complete condition and does not belong there."""
    token = tokens[index]
    logic = _INFIX_LOGIC.get(token.text.lower())
    if logic is not None and token.kind in (TokenKind.NAME, TokenKind.OPERATOR):
        message = f"{quoted(token.text)} does not stand between conditions; write {logic}(first, second)"
        return Hint(message=message, suggestion=f"{logic}(first, second)")
    if token.kind is TokenKind.OPERATOR:
        return Hint(message=f"{quoted(token.text)} does not stand between conditions; write and(first, second)")
    if not nested and token.kind is TokenKind.COMMA:
        message = "several conditions are joined with and(...) or or(...)"
        return Hint(message=message, suggestion="and(first, second)")
    expected = (TokenKind.COMMA, TokenKind.RPAREN) if nested else (TokenKind.END,)
    return Hint(message=f"expected {' or '.join(expected)}, not {_shown(token)}", expected=expected)


def instead_of_field(shown: str) -> Hint:
    """For whatever stands where a field name should."""
    return Hint(message=f"expected a field name, not {shown}", expected=("a field name",))


def after_field(tokens: Sequence[Token], index: int, function: Function, path: str) -> Hint:
    """For whatever follows a field and is not the comma."""
    token = tokens[index]
    match token.kind:
        case TokenKind.LBRACKET:
            return _bracket(path, tokens[index + 1])
        case TokenKind.RPAREN:
            return Hint(message=f"{function} takes a field and a value: {function}(field, value)")
        case TokenKind.OPERATOR:
            return _infix_comparison(path, token, tokens[index + 1])
        case TokenKind.COLON:
            return _search_bar(path, tokens[index + 1 : index + 3])
        case _:
            message = f'expected "," after the field {quoted(path)}, not {_shown(token)}'
            return Hint(message=message, expected=(TokenKind.COMMA,))


def instead_of_value(tokens: Sequence[Token], index: int, shown: str) -> Hint:
    """For whatever stands where a value should."""
    token = tokens[index]
    if token.kind is TokenKind.NAME and tokens[index + 1].kind is TokenKind.LPAREN:
        return Hint(message=f"a value is never computed: {quoted(token.text + '(...)')} is not accepted")
    if token.kind is TokenKind.NAME:
        return Hint(message=f"text needs quotes: {quoted(token.text)}", suggestion=print_text(token.text))
    return Hint(message=f"expected a value, not {shown}", expected=("text", "a number", "true", "false", "null"))


def instead_of_comparator(token: Token, accepted: tuple[str, ...]) -> Hint:
    """For whatever stands in ``count`` where the comparator should."""
    message = f"count compares with one of {', '.join(accepted)}, not {_shown(token)}"
    return Hint(message=message, suggestion=_INFIX_COMPARISONS.get(token.text), expected=accepted)


def after_value(tokens: Sequence[Token], index: int, function: Function) -> Hint:
    """For whatever follows the last value of a call and does not close it."""
    token = tokens[index]
    if token.kind is TokenKind.COMMA:
        most = "at most a field and text" if function is Function.SEARCH else "a field and one value"
        suggestion = f"{function}(field, [...])" if function in (Function.IN, Function.NIN) else None
        return Hint(message=f"{function} takes {most}", suggestion=suggestion)
    if token.kind is TokenKind.OPERATOR and token.text in _ARITHMETIC:
        return Hint(message=f"a value is never computed: {quoted(token.text)} is not accepted")
    return Hint(message=f'expected ")", not {_shown(token)}', expected=(TokenKind.RPAREN,))


def _end_of_path(tokens: Sequence[Token], index: int) -> int:
    """The index behind ``name { "." part }``; the token there exists, for the last one is never a name."""
    end = index + 1
    while tokens[end].kind is TokenKind.DOT and tokens[end + 1].kind in (TokenKind.NAME, TokenKind.STRING):
        end += 2
    return end


def _search_bar(path: str, rest: Sequence[Token]) -> Hint:
    function, value = "eq", rest[0]
    if value.kind is TokenKind.OPERATOR and len(rest) > 1:
        function, value = _INFIX_COMPARISONS.get(value.text, "eq"), rest[1]
    message = f"{quoted(path + ':')} is the spelling of a search bar; a filter is written as {function}(field, value)"
    return Hint(message=message, suggestion=_call(function, path, value))


def _infix_comparison(path: str, operator: Token, value: Token) -> Hint:
    function = _INFIX_COMPARISONS.get(operator.text, "eq")
    message = f"{quoted(operator.text)} does not compare; write {function}(field, value)"
    return Hint(message=message, suggestion=_call(function, path, value))


def _bracket(path: str, key: Token) -> Hint:
    message = f"a field has no brackets; parts are joined with dots: {path}.key"
    known = key.kind in (TokenKind.STRING, TokenKind.NAME, TokenKind.NUMBER)
    bare = key.text.replace("_", "a").isalnum() and key.text.isascii()
    part = key.text if bare else print_text(key.text)
    return Hint(message=message, suggestion=f"{path}.{part}" if known else None)


def _call(function: str, path: str, value: Token) -> str | None:
    if value.kind not in _VALUE_KINDS:
        return None
    shown = value.text if value.kind is TokenKind.NUMBER else print_text(value.text)
    return f"{function}({path}, {shown})"


def _shown(token: Token) -> str:
    return token.kind if token.kind is TokenKind.END else quoted(token.text)
