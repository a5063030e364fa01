"""Search-bar tokens to the unbound tree of the filter language; each function's docstring is its production.

Total, like the parser of filters: any text gives a tree, None or a ``FilterError`` with one problem. The bar has no
functions, so a field decides what a value means; fields and what may be asked of them are therefore checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from runlake.fql.ast import (
    And,
    BooleanValue,
    Comparison,
    Expr,
    Function,
    Not,
    NumberValue,
    Or,
    TextValue,
    Value,
)
from runlake.fql.bar_lexer import BarKind, BarToken, Bounds, Operand, tokenize_bar
from runlake.fql.bar_pairs import gather_entries, nest_pairs
from runlake.fql.bar_subject import SIGNS, Presence, Subject, Text, find_subject, negated
from runlake.fql.fields import nearest_name
from runlake.fql.numeric import read_number
from runlake.fql.parser import MAX_DEPTH
from runlake.fql.source import Source, Span, quoted

PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""Bare text that is a number where the field takes one; anything else, such as ``007``, stays text."""

_THREAD_FIELDS = (
    "num_errored_turns",
    "thread_duration",
    "trace_latency_p50",
    "trace_latency_p99",
    "turn_count",
)
_ENDS = (BarKind.END, BarKind.BROKEN, BarKind.RPAREN, BarKind.CLOSE_GROUP, BarKind.OR)
_TEXT = (BarKind.WORD, BarKind.PHRASE)
_INFIX = re.compile(r"(?P<field>[A-Za-z_][\w.]*)(?P<sign>>=|<=|!=|==|=|>|<|~)(?P<value>.+)", re.DOTALL)
_INFIX_SIGNS = {"=": "", "==": "", "!=": ""}


def parse_bar(text: str) -> Expr | None:
    """The tree of a search, or None for text that is empty or blank: no condition.

    bar = [ or ]
    """
    reader = _Reader(Source(text))
    if reader.at(BarKind.END):
        return None
    expr = _parse_or(reader)
    if not reader.at(BarKind.END):
        reader.fail(f"{reader.current.kind} closes nothing that was opened")
    return expr


class _Reader:
    """The tokens, how far they are read, and how deep."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = tokenize_bar(source)
        self.index = 0
        self.depth = 0
        self.in_group = False

    @property
    def current(self) -> BarToken:
        return self.tokens[self.index]

    def at(self, *kinds: BarKind) -> bool:
        """Whether the current token is of one of the kinds."""
        return self.current.kind in kinds

    def step(self) -> BarToken:
        """Step over the current token; the last one stays."""
        token = self.current
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return token

    def skip(self, kind: BarKind) -> bool:
        """Step over the current token if it is of the kind; whether it was."""
        if self.current.kind is not kind:
            return False
        self.step()
        return True

    def fail(
        self,
        message: str,
        *,
        span: Span | None = None,
        code: str = "syntax",
        suggestion: str | None = None,
        expected: tuple[str, ...] = (),
    ) -> NoReturn:
        """Raise for a place, or for the current token; a broken token there speaks for itself."""
        if span is None and self.at(BarKind.BROKEN):
            raise self.source.error(self.current.span, code="syntax", message=self.current.text)
        place = span or self.current.span
        raise self.source.error(place, code=code, message=message, suggestion=suggestion, expected=expected)

    @contextmanager
    def nested(self) -> Iterator[None]:
        """One level deeper."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH} levels", code="limit")
        yield
        self.depth -= 1

    def since(self, start: Span) -> Span:
        """The span from a place to the last token read."""
        return start.to(self.tokens[self.index - 1].span)


def _parse_or(reader: _Reader) -> Expr:
    """Conditions of which one must hold; the loosest.

    or = and { "OR" and }
    """
    start = reader.current.span
    children = [_parse_and(reader)]
    while reader.skip(BarKind.OR):
        children.append(_parse_and(reader))
    return children[0] if len(children) == 1 else Or(children=tuple(children), span=reader.since(start))


def _parse_and(reader: _Reader) -> Expr:
    """Conditions that must all hold, with or without the word.

    and = item { [ "AND" ] item }
    """
    start = reader.current.span
    children = [_parse_item(reader)]
    while not reader.at(*_ENDS):
        reader.skip(BarKind.AND)
        children.append(_parse_item(reader))
    if reader.at(BarKind.BROKEN):
        reader.fail("")
    joined = gather_entries(children) if reader.in_group else nest_pairs(children)
    return joined[0] if len(joined) == 1 else And(children=joined, span=reader.since(start))


def _parse_item(reader: _Reader) -> Expr:
    """One condition, perhaps negated.

    item = ( "-" | "NOT" ) item | "(" or ")" | clause | text
    """
    token = reader.current
    if token.kind in (BarKind.MINUS, BarKind.NOT):
        return _parse_negation(reader)
    if token.kind is BarKind.LPAREN:
        return _parse_parens(reader)
    if token.kind is BarKind.FIELD:
        return _parse_clause(reader)
    if token.kind in _TEXT:
        return _parse_text(reader, takes_all=True)
    return _fail_item(reader)


def _fail_item(reader: _Reader) -> NoReturn:
    token = reader.current
    before = reader.tokens[reader.index - 1].kind if reader.index else BarKind.END
    if token.kind is BarKind.END and before in (BarKind.AND, BarKind.OR, BarKind.NOT):
        place = reader.tokens[reader.index - 1].span
        reader.fail(f"{before} needs a condition behind it; as a word to look for it goes in quotes", span=place)
    if token.kind in (BarKind.AND, BarKind.OR):
        message = f"{token.kind} needs a condition on both sides; as a word to look for it goes in quotes"
        reader.fail(message, suggestion=f'"{reader.source.fragment(token.span)}"')
    reader.fail(f"expected a condition such as field:value, not {token.kind}")


def _parse_negation(reader: _Reader) -> Expr:
    """The complement of a condition; a clause turns into its negative form, parentheses keep theirs.

    negation = ( "-" | "NOT" ) item
    """
    sign = reader.step()
    if reader.at(BarKind.FIELD):
        return negated(_parse_clause(reader), reader.since(sign.span))
    if reader.at(*_TEXT):
        child = _parse_text(reader, takes_all=False)
    elif reader.at(BarKind.LPAREN):
        child = _parse_parens(reader)
    else:
        with reader.nested():
            child = _parse_item(reader)
    return Not(child=child, span=reader.since(sign.span))


def _parse_parens(reader: _Reader) -> Expr:
    """Conditions that belong together.

    parens = "(" or ")"
    """
    start = reader.step()
    if reader.at(BarKind.RPAREN):
        reader.fail("there is nothing between the parentheses", span=reader.since(start.span))
    with reader.nested():
        expr = _parse_or(reader)
    if not reader.skip(BarKind.RPAREN):
        reader.fail('this "(" has no ")"', span=start.span)
    return expr


def _parse_text(reader: _Reader, *, takes_all: bool) -> Expr:
    """Words and phrases that stand side by side, to be found anywhere.

    text = { word | phrase }
    """
    start = reader.current.span
    if reader.in_group:
        reader.fail("between the braces stand conditions on feedback, such as correctness.score:>0.5")
    words: list[str] = []
    while reader.at(*_TEXT) and (takes_all or not words):
        _refuse_look_alikes(reader)
        words.append(_search_text(reader, _operand(reader)))
        reader.step()
    span = reader.since(start)
    value = TextValue(value=" ".join(words), span=span)
    return Comparison(function=Function.SEARCH, field=None, value=value, span=span)


def _refuse_look_alikes(reader: _Reader) -> None:
    """Comparisons without a colon, and calls of the filter language, are not words to look for."""
    operand = _operand(reader)
    if operand.is_quoted or operand.is_escaped:
        return
    following = reader.tokens[reader.index + 1]
    if following.kind is BarKind.LPAREN and following.span.start == operand.span.end:
        if operand.text in ("and", "or", "not", *Function):
            reader.fail("this is a filter and not a search, which is written field:value")
        return
    found = _INFIX.fullmatch(operand.text)
    if found is not None and find_subject(tuple(found["field"].split("."))) is not None:
        minus = "-" if found["sign"] == "!=" else ""
        written = f"{minus}{found['field']}:{_INFIX_SIGNS.get(found['sign'], found['sign'])}{found['value']}"
        message = f"a colon stands between a field and what is asked of it: {quoted(written)}"
        reader.fail(message, suggestion=written)


def _operand(reader: _Reader) -> Operand:
    operand = reader.current.operand
    if operand is None:
        reader.fail(f"expected a value, not {reader.current.kind}")
    return operand


def _parse_clause(reader: _Reader) -> Expr:
    """A field and what is asked of it.

    clause = field ":" ( "*" | value | "~" value | sign value | range | group )
    """
    field = reader.step()
    if reader.at(BarKind.OPEN_GROUP):
        return _parse_group(reader, field)
    subject = _find_subject(reader, field)
    match reader.current.kind:
        case BarKind.TILDE:
            reader.step()
            return _text_clause(reader, field, subject)
        case BarKind.COMPARE:
            return _order_clause(reader, field, subject)
        case BarKind.RANGE:
            return _range_clause(reader, field, subject)
        case _:
            return _value_clause(reader, field, subject)


def _parse_group(reader: _Reader, field: BarToken) -> Expr:
    """Conditions on feedback; those on one key that are joined speak of one and the same feedback.

    group = "feedback:{" or "}"
    """
    start = reader.step()
    if reader.at(BarKind.CLOSE_GROUP):
        reader.fail("there is nothing between the braces", span=reader.since(field.span))
    reader.in_group = True
    with reader.nested():
        expr = _parse_or(reader)
    reader.in_group = False
    if not reader.skip(BarKind.CLOSE_GROUP):
        reader.fail('this "{" has no "}"', span=start.span)
    return expr


def _find_subject(reader: _Reader, field: BarToken) -> Subject:
    subject = find_subject(field.path)
    if subject is None:
        name = reader.source.fragment(field.span)
        message = f"unknown field {quoted(name)}; text with a colon goes in quotes"
        if name in _THREAD_FIELDS:
            message = f"{quoted(name)} is a field of threads, not of runs"
        reader.fail(message, span=field.span, code="unknown_field", suggestion=nearest_name(name))
    return subject


def _refuse(reader: _Reader, field: BarToken, subject: Subject, what: str) -> NoReturn:
    """The field is known, but this is not asked of it."""
    message = f"{subject.name} takes no {what}; accepted are {', '.join(subject.accepted)}"
    if subject.family == "feedback" and subject.key is not None and subject.equality is None:
        message = f"{subject.name} needs a part: {subject.name}.score:value, .value, .comment or .source"
    reader.fail(message, span=field.span, code="function", expected=subject.accepted)


def _value_clause(reader: _Reader, field: BarToken, subject: Subject) -> Expr:
    """An exact value, a pattern with stars, or a lone star for any value."""
    operand = _operand(reader)
    reader.step()
    span = reader.since(field.span)
    if operand.is_any:
        if subject.presence is Presence.NONE:
            _refuse(reader, field, subject, "star alone, for it is never absent")
        return subject.present(span)
    if operand.stars:
        if Function.LIKE not in subject.functions:
            _refuse(reader, field, subject, "wildcard")
        pattern = TextValue(value=_pattern(operand), span=operand.span)
        return subject.entry((subject.compare(Function.LIKE, pattern, span, head=field.span),), span)
    if subject.equality is None:
        _refuse(reader, field, subject, "exact value")
    value = _read_value(operand, subject)
    return subject.entry((subject.compare(subject.equality, value, span, head=field.span),), span)


def _text_clause(reader: _Reader, field: BarToken, subject: Subject) -> Expr:
    """Words in a field, or text inside one value."""
    operand = _operand(reader)
    if subject.text is Text.NONE:
        _refuse(reader, field, subject, '"~"')
    if subject.text is Text.WORDS:
        value = TextValue(value=_search_text(reader, operand), span=operand.span)
        function = Function.SEARCH
    else:
        if operand.stars or not operand.text.strip():
            reader.fail('behind "~" stands text without wildcards', suggestion=f"{subject.name}:val*")
        value = TextValue(value=f"%{escape_pattern(operand.text)}%", span=operand.span)
        function = Function.LIKE
    reader.step()
    span = reader.since(field.span)
    return subject.entry((subject.compare(function, value, span, head=field.span),), span)


def _order_clause(reader: _Reader, field: BarToken, subject: Subject) -> Expr:
    """A value that is more or less than another."""
    function = SIGNS[reader.current.text]
    if function not in subject.functions:
        _refuse(reader, field, subject, "comparison")
    reader.step()
    value = _read_bound(reader, _operand(reader), subject)
    reader.step()
    span = reader.since(field.span)
    return subject.entry((subject.compare(function, value, span, head=field.span),), span)


def _range_clause(reader: _Reader, field: BarToken, subject: Subject) -> Expr:
    """A value between two others."""
    if Function.GT not in subject.functions:
        _refuse(reader, field, subject, "range")
    bounds = reader.step().bounds
    if bounds is None:
        reader.fail("expected a range")
    _refuse_open_range(reader, bounds, subject)
    span = reader.since(field.span)
    low = _read_bound(reader, bounds.low, subject)
    high = _read_bound(reader, bounds.high, subject)
    return subject.entry(
        (
            subject.compare(Function.GTE if bounds.with_low else Function.GT, low, span, head=field.span),
            subject.compare(Function.LTE if bounds.with_high else Function.LT, high, span, head=field.span),
        ),
        span,
    )


def _refuse_open_range(reader: _Reader, bounds: Bounds, subject: Subject) -> None:
    for end, other, sign in ((bounds.low, bounds.high, "<"), (bounds.high, bounds.low, ">")):
        if end.is_any:
            suggestion = f"{subject.name}:{sign}={reader.source.fragment(other.span)}"
            reader.fail("a range has two ends; for one, compare", span=end.span, suggestion=suggestion)


def _read_bound(reader: _Reader, operand: Operand, subject: Subject) -> Value:
    if operand.stars:
        reader.fail("a wildcard has no order", span=operand.span)
    return _read_value(operand, subject)


def _read_value(operand: Operand, subject: Subject) -> Value:
    """A number or a boolean where the field takes one and the text is bare, else text."""
    text = operand.text
    if operand.is_quoted or operand.is_escaped:
        return TextValue(value=text, span=operand.span)
    if subject.takes_booleans and text.lower() in ("true", "false"):
        return BooleanValue(value=text.lower() == "true", span=operand.span)
    if subject.takes_numbers and PLAIN_NUMBER.fullmatch(text):
        number = read_number(text)
        if number is not None:
            return NumberValue(value=number, span=operand.span)
    return TextValue(value=text, span=operand.span)


def _search_text(reader: _Reader, operand: Operand) -> str:
    """The text for ``search``: quotes, or a backslash before a space or a star, make it a phrase."""
    if '"' in operand.text:
        reader.fail("full text cannot look for a quote", span=operand.span)
    if not operand.text.strip():
        reader.fail("there is nothing to look for", span=operand.span)
    literal_stars = operand.text.count("*") > len(operand.stars)
    is_phrase = operand.is_quoted or literal_stars or any(char.isspace() for char in operand.text)
    return f'"{operand.text}"' if is_phrase else operand.text


def _pattern(operand: Operand) -> str:
    """The pattern of ``like`` for bare text with stars."""
    pieces: list[str] = []
    start = 0
    for star in operand.stars:
        pieces += [escape_pattern(operand.text[start:star]), "%"]
        start = star + 1
    return "".join([*pieces, escape_pattern(operand.text[start:])])


def escape_pattern(text: str) -> str:
    """Text as a part of a pattern that matches it and nothing else."""
    return text.translate(_PATTERN_SIGNS)


_PATTERN_SIGNS = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
