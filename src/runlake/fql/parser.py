"""Tokens to the unbound tree, by recursive descent; each function's docstring is its production.

Total: any text gives a tree, None or a ``FilterError`` with one problem. Knows no field; what is written about a
field that does not exist, or with a value of the wrong type, is for ``bind`` to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from runlake.fql import lookalikes
from runlake.fql.ast import (
    And,
    BooleanValue,
    Comparison,
    CountTest,
    Expr,
    FieldPath,
    Function,
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
from runlake.fql.axes import Axis
from runlake.fql.lexer import Token, TokenKind, tokenize
from runlake.fql.lookalikes import Hint
from runlake.fql.numeric import read_number
from runlake.fql.source import Source, Span, quoted

MAX_DEPTH = 64
"""How deep calls, lists and objects may be nested, counted together."""

MAX_COUNT = 1_000_000_000
"""The largest number that ``count`` compares with."""

MAX_LIST_ITEMS = 1000
"""The most items of one list."""

_FUNCTIONS = {function.value: function for function in Function}
_AXES = {axis.value: axis for axis in Axis}
_COUNT_FUNCTIONS = {
    function.value: function
    for function in (Function.EQ, Function.NEQ, Function.GT, Function.GTE, Function.LT, Function.LTE)
}
_LITERAL_NAMES = {"true": True, "false": False, "null": None, "none": None}


def parse_filter(text: str) -> Expr | None:
    """The tree of a filter, or None for text that is empty or blank: no filter.

    filter = [ expr ]
    """
    reader = _Reader(Source(text))
    if reader.at(TokenKind.END):
        return None
    expr = _parse_expr(reader)
    if not reader.at(TokenKind.END):
        reader.fail(lookalikes.after_expression(reader.tokens, reader.index, nested=False))
    return expr


def parse_object(text: str) -> ObjectValue:
    """The JSON object that is the whole text; the carrier of ``has(metadata, '{...}')``."""
    reader = _Reader(Source(text))
    value = _parse_object(reader)
    reader.take(TokenKind.END)
    return value


class _Reader:
    """The tokens, how far they are read, and how deep."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self.index = 0
        self.depth = 0

    @property
    def current(self) -> Token:
        return self.tokens[self.index]

    @property
    def ahead(self) -> Token:
        return self.tokens[min(self.index + 1, len(self.tokens) - 1)]

    def at(self, kind: TokenKind) -> bool:
        """Whether the current token is of the kind."""
        return self.current.kind is kind

    def take(self, *kinds: TokenKind) -> Token:
        """Step over the current token, which must be of one of the kinds."""
        token = self.current
        if token.kind not in kinds:
            wanted = " or ".join(kinds)
            self.fail(Hint(message=f"expected {wanted}, not {self.describe(token)}", expected=kinds))
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return token

    def skip(self, kind: TokenKind) -> bool:
        """Step over the current token if it is of the kind; whether it was."""
        if not self.at(kind):
            return False
        self.take(kind)
        return True

    def describe(self, token: Token) -> str:
        """A token for the second half of "expected this, not that"."""
        if token.kind is TokenKind.END:
            return token.kind
        written = token.text if token.kind is TokenKind.STRING else self.source.fragment(token.span)
        return quoted(written)

    def fail(self, hint: Hint, *, at: Token | None = None) -> NoReturn:
        """Raise for the token; a broken token at the place speaks for itself."""
        token = at or self.current
        if token.kind is TokenKind.BROKEN:
            raise self.source.error(token.span, code="syntax", message=token.text)
        raise self.source.error(
            token.span,
            code=hint.code,
            message=hint.message,
            expected=hint.expected,
            suggestion=hint.suggestion,
        )

    @contextmanager
    def nested(self) -> Iterator[None]:
        """One level deeper."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(Hint(code="limit", message=f"nested deeper than {MAX_DEPTH} levels"))
        yield
        self.depth -= 1

    def since(self, start: Token) -> Span:
        """The span from a token to the last one read."""
        return start.span.to(self.tokens[self.index - 1].span)


def _parse_expr(reader: _Reader) -> Expr:
    """One condition of any kind.

    expr = logical | comparison | relation | count
    """
    name = reader.current
    if name.kind is not TokenKind.NAME or reader.ahead.kind is not TokenKind.LPAREN:
        reader.fail(lookalikes.instead_of_call(reader.tokens, reader.index))
    with reader.nested():
        if name.text in ("and", "or", "not"):
            return _parse_logical(reader)
        if name.text in _AXES:
            return _parse_relation(reader)
        if name.text == "count":
            return _parse_count(reader)
        return _parse_comparison(reader)


def _parse_logical(reader: _Reader) -> Expr:
    """A call that joins or negates conditions.

    logical = ( "and" | "or" ) "(" expr { "," expr } ")" | "not" "(" expr ")"
    """
    name = reader.take(TokenKind.NAME)
    reader.take(TokenKind.LPAREN)
    if reader.at(TokenKind.RPAREN):
        reader.fail(Hint(message=f"{name.text}(...) needs at least one condition"))
    children = [_parse_expr(reader)]
    while reader.skip(TokenKind.COMMA):
        if name.text == "not":
            reader.fail(Hint(message="not(...) takes one condition", suggestion="not(or(...))"))
        children.append(_parse_expr(reader))
    if not reader.at(TokenKind.RPAREN):
        reader.fail(lookalikes.after_expression(reader.tokens, reader.index, nested=True))
    reader.take(TokenKind.RPAREN)
    span = reader.since(name)
    if name.text == "not":
        return Not(child=children[0], span=span)
    return (And if name.text == "and" else Or)(children=tuple(children), span=span)


def _parse_relation(reader: _Reader) -> Related:
    """A condition that some relative must meet.

    relation = axis "(" expr ")"
    """
    name = reader.take(TokenKind.NAME)
    reader.take(TokenKind.LPAREN)
    if reader.at(TokenKind.RPAREN):
        reader.fail(Hint(message=f"{name.text}(...) needs a condition"))
    child = _parse_expr(reader)
    if reader.at(TokenKind.COMMA):
        message = f"{name.text}(...) takes one condition; the number of those that meet it is for count(...)"
        reader.fail(Hint(message=message, suggestion=f"count({name.text}(...), gte, 2)"))
    if not reader.at(TokenKind.RPAREN):
        reader.fail(lookalikes.after_expression(reader.tokens, reader.index, nested=True))
    reader.take(TokenKind.RPAREN)
    return Related(axis=_AXES[name.text], child=child, span=reader.since(name))


def _parse_count(reader: _Reader) -> Related:
    """How many relatives meet a condition.

    count = "count" "(" relation "," comparator "," digits ")"
    """
    name = reader.take(TokenKind.NAME)
    reader.take(TokenKind.LPAREN)
    if reader.current.text not in _AXES or reader.ahead.kind is not TokenKind.LPAREN:
        axes = tuple(f"{axis}(...)" for axis in Axis)
        message = f"count takes relatives, such as {axes[0]}, not {reader.describe(reader.current)}"
        reader.fail(Hint(message=message, suggestion="count(child(...), gte, 2)", expected=axes))
    with reader.nested():
        relation = _parse_relation(reader)
    reader.take(TokenKind.COMMA)
    start = reader.current
    function = _COUNT_FUNCTIONS.get(start.text)
    if function is None or start.kind not in (TokenKind.NAME, TokenKind.STRING):
        reader.fail(lookalikes.instead_of_comparator(start, tuple(_COUNT_FUNCTIONS)))
    reader.take(start.kind)
    reader.take(TokenKind.COMMA)
    count = CountTest(function=function, number=_parse_amount(reader), span=reader.since(start))
    reader.take(TokenKind.RPAREN)
    return replace(relation, count=count, span=reader.since(name))


def _parse_amount(reader: _Reader) -> int:
    token = reader.current
    number = read_number(token.text) if token.kind is TokenKind.NUMBER else None
    if not isinstance(number, int) or not 0 <= number <= MAX_COUNT:
        reader.fail(Hint(message=f"count compares with a whole number of 0 or more, not {reader.describe(token)}"))
    reader.take(TokenKind.NUMBER)
    return number


def _parse_comparison(reader: _Reader) -> Comparison:
    """A call that compares.

    comparison = function "(" field "," value ")" | "search" "(" [ field "," ] value ")"
    """
    name = reader.take(TokenKind.NAME)
    function = _FUNCTIONS.get(name.text)
    if function is None:
        reader.fail(lookalikes.unknown_function(name.text), at=name)
    reader.take(TokenKind.LPAREN)
    field = None
    if function is not Function.SEARCH or _starts_field(reader):
        field = _parse_field(reader)
        if not reader.at(TokenKind.COMMA):
            reader.fail(lookalikes.after_field(reader.tokens, reader.index, function, str(field)))
        reader.take(TokenKind.COMMA)
    value = _parse_value(reader)
    if not reader.at(TokenKind.RPAREN):
        reader.fail(lookalikes.after_value(reader.tokens, reader.index, function))
    reader.take(TokenKind.RPAREN)
    return Comparison(function=function, field=field, value=value, span=reader.since(name))


def _starts_field(reader: _Reader) -> bool:
    """Whether the first argument of ``search`` is a field: something follows it."""
    if reader.at(TokenKind.NAME):
        return reader.ahead.kind in (TokenKind.COMMA, TokenKind.DOT)
    return reader.at(TokenKind.STRING) and reader.ahead.kind is TokenKind.COMMA


def _parse_field(reader: _Reader) -> FieldPath:
    """The name of a field, dotted or quoted.

    field = name { "." segment } | string
    segment = name | digits | string
    """
    first = reader.current
    if first.kind not in (TokenKind.NAME, TokenKind.STRING):
        reader.fail(lookalikes.instead_of_field(reader.describe(first)))
    reader.take(TokenKind.NAME, TokenKind.STRING)
    if first.kind is TokenKind.STRING:
        segments = first.text.split(".")
    else:
        segments = [first.text]
        while reader.skip(TokenKind.DOT):
            segments.append(reader.take(TokenKind.NAME, TokenKind.STRING).text)
    if "" in segments:
        reader.fail(Hint(message="a field name has no empty parts"), at=first)
    return FieldPath(segments=tuple(segments), span=reader.since(first))


def _parse_value(reader: _Reader) -> Value:
    """One value.

    value = string | number | boolean | null | list | object | bareword
    """
    token = reader.current
    match token.kind:
        case TokenKind.LBRACKET:
            return _parse_list(reader)
        case TokenKind.LBRACE:
            return _parse_object(reader)
        case _:
            value = _scalar_value(token)
    is_call = token.kind is TokenKind.NAME and reader.ahead.kind is TokenKind.LPAREN
    if value is None or is_call:
        reader.fail(lookalikes.instead_of_value(reader.tokens, reader.index, reader.describe(token)))
    reader.take(token.kind)
    return value


def _scalar_value(token: Token) -> Value | None:
    """The value that a single token is, if it is one."""
    match token.kind:
        case TokenKind.STRING | TokenKind.WORD:
            return TextValue(value=token.text, span=token.span)
        case TokenKind.NUMBER:
            number = read_number(token.text)
            return None if number is None else NumberValue(value=number, span=token.span)
        case TokenKind.NAME if token.text.lower() in _LITERAL_NAMES:
            flag = _LITERAL_NAMES[token.text.lower()]
            return NullValue(span=token.span) if flag is None else BooleanValue(value=flag, span=token.span)
        case _:
            return None


def _parse_list(reader: _Reader) -> ListValue:
    """Values in brackets.

    list = "[" [ value { "," value } [ "," ] ] "]"
    """
    start = reader.take(TokenKind.LBRACKET)
    items: list[Value] = []
    with reader.nested():
        while not reader.at(TokenKind.RBRACKET):
            if len(items) == MAX_LIST_ITEMS:
                reader.fail(Hint(code="limit", message=f"the list has more than {MAX_LIST_ITEMS} items"))
            items.append(_parse_value(reader))
            if not reader.skip(TokenKind.COMMA):
                break
    if not reader.at(TokenKind.RBRACKET):
        reader.take(TokenKind.COMMA, TokenKind.RBRACKET)
    reader.take(TokenKind.RBRACKET)
    return ListValue(items=tuple(items), span=reader.since(start))


def _parse_object(reader: _Reader) -> ObjectValue:
    """A JSON object; either kind of quotes will do.

    object = "{" [ string ":" value { "," string ":" value } [ "," ] ] "}"
    """
    start = reader.take(TokenKind.LBRACE)
    members: list[tuple[str, Value]] = []
    with reader.nested():
        while not reader.at(TokenKind.RBRACE):
            key = reader.take(TokenKind.STRING).text
            reader.take(TokenKind.COLON)
            members.append((key, _parse_value(reader)))
            if not reader.skip(TokenKind.COMMA):
                break
    if not reader.at(TokenKind.RBRACE):
        reader.take(TokenKind.COMMA, TokenKind.RBRACE)
    reader.take(TokenKind.RBRACE)
    return ObjectValue(members=tuple(members), span=reader.since(start))
