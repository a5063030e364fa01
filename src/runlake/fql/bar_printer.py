"""Tree to the text of a search bar, where a bar can say it.

A tree read from a bar is printed so that reading gives an equal tree. Any other tree is printed in the nearest words
of a bar, and given out only when those words are proved to mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn, assert_never

from runlake.errors import FilterError
from runlake.fql.ast import (
    And,
    BooleanValue,
    Comparison,
    Expr,
    Function,
    ListValue,
    Not,
    NullValue,
    NumberValue,
    ObjectValue,
    Or,
    Related,
    TextValue,
)
from runlake.fql.bar_meaning import normal_form
from runlake.fql.bar_pairs import entry_key, nest_pairs
from runlake.fql.bar_parser import PLAIN_NUMBER, escape_pattern, parse_bar
from runlake.fql.bar_rewording import reword
from runlake.fql.bar_subject import (
    ANY_PATTERN,
    SIGNS,
    Presence,
    Subject,
    Text,
    denied,
    dotted_subject,
    find_subject,
    negated,
    print_quoted,
)
from runlake.fql.bind import bind_filter
from runlake.fql.fields import DottedField, find_pair_part
from runlake.fql.printer import print_filter, print_value
from runlake.fql.source import Source, Span, quoted
from runlake.fql.terms import split_terms
from runlake.fql.vocabulary import PairFamily, PairPart

_SIGN_OF = {function: sign for sign, function in SIGNS.items()}
_BARE_VALUE = re.compile(r"\w[\w./@+-]*")
_UNSAFE = re.compile(r"[^\w./@+-]", re.DOTALL)
_KEYWORDS = ("and", "or", "not")
_LOW = (Function.GT, Function.GTE)
_HIGH = (Function.LT, Function.LTE)

_OR, _AND, _ITEM = 0, 1, 2
"""How tightly the place of a condition binds; what binds less goes in parentheses."""


class _UnsayableError(Exception):
    def __init__(self, part: Expr, reason: str) -> None:
        super().__init__(reason)
        self.part = part
        self.reason = reason


def print_bar(expr: Expr, text: str | None = None) -> str:
    """The search that says the same as a tree; ``text`` is what the tree was parsed from, for the place of an error.

    Raises ``FilterError`` with the code ``unsupported`` for what a bar has no words for, and as ``bind_filter`` does
    for a tree that is no valid filter.
    """
    try:
        printed = _print(expr, _OR)
        again = parse_bar(printed)
        if again != expr and not _means_the_same(expr, again, printed, text):
            _refuse(expr, "its conditions on entries would be grouped in another way")
    except _UnsayableError as unsayable:
        raise _unsupported(unsayable, text) from None
    return printed


def _unsupported(unsayable: _UnsayableError, text: str | None) -> FilterError:
    part = print_filter(unsayable.part)
    source, span = (Source(part), Span(0, len(part))) if text is None else (Source(text), unsayable.part.span)
    message = f"{quoted(part)} cannot be said in a search bar: {unsayable.reason}"
    return source.error(span, code="unsupported", message=message)


def _means_the_same(expr: Expr, again: Expr | None, printed: str, text: str | None) -> bool:
    bound = bind_filter(expr, print_filter(expr) if text is None else text)
    return again is not None and normal_form(bound) == normal_form(bind_filter(again, printed))


def _print(expr: Expr, place: int) -> str:
    match expr:
        case Or(children=(only,)) | And(children=(Or() | And() | Not() as only,)):
            return _print(only, place)
        case Or(children=children):
            return _in_parens(" OR ".join(_print(child, _AND) for child in children), needed=place > _OR)
        case And():
            return _print_and(expr, place)
        case Not(child=child):
            return _print_not(child)
        case Comparison():
            return _print_comparison(expr, place)
        case Related():
            return _refuse(expr, "a bar speaks of one run at a time")
        case _:
            assert_never(expr)


def _in_parens(printed: str, *, needed: bool) -> str:
    return f"({printed})" if needed else printed


def _print_and(expr: And, place: int) -> str:
    clause = _any_key_clause(expr) or _range_clause(expr.children) or _entry_clause(expr)
    if clause is not None:
        return clause
    children = nest_pairs(expr.children)
    if len(children) < len(expr.children):
        return _print(And(children=children, span=expr.span), place)
    if not children:
        raise _UnsayableError(expr, "it asks for nothing")
    if len(children) == 1:
        return _print(children[0], place)
    return _in_parens(" AND ".join(_print(child, _ITEM) for child in children), needed=place > _AND)


def _print_not(child: Expr) -> str:
    """``-clause`` where that is read as this complement, else ``NOT`` and parentheses."""
    reworded = reword(child) if isinstance(child, Comparison) else child
    if isinstance(reworded, Not):
        return "NOT " + _print_not(reworded.child)
    clause = _single_clause(reworded)
    if clause is not None and isinstance(negated(reworded, reworded.span), Not):
        return f"-{clause}"
    return f"NOT ({_print(reworded, _OR)})"


def _single_clause(expr: Expr) -> str | None:
    """The clause that the whole condition is, if it is one."""
    if isinstance(expr, And):
        return _any_key_clause(expr) or _range_clause(expr.children) or _entry_clause(expr)
    if not isinstance(expr, Comparison) or denied(expr) is not None:
        return None
    if expr.field is None:
        words = _words(expr)
        return words[0] if len(words) == 1 else None
    subject = find_subject(expr.field.segments)
    return None if subject is None else _clause(_keyed(subject, expr), expr)


def _print_comparison(comparison: Comparison, place: int) -> str:
    reworded = reword(comparison)
    if reworded != comparison:
        return _print(reworded, place)
    if comparison.field is None:
        return " ".join(_words(comparison)) or _refuse(comparison, "there is nothing to look for")
    subject = find_subject(comparison.field.segments)
    if subject is None:
        return _refuse(comparison, "there is no such field")
    positive = denied(comparison)
    clause = _clause(_keyed(subject, positive or comparison), positive or comparison)
    if clause is None:
        return _refuse(comparison, "a bar asks nothing like it")
    return clause if positive is None else f"-{clause}"


def _refuse(part: Expr, reason: str) -> NoReturn:
    raise _UnsayableError(part, reason)


def _keyed(subject: Subject, comparison: Comparison) -> Subject | Comparison:
    """An equality with a key is the presence of that key; otherwise the field itself."""
    return comparison if entry_key(comparison) is not None else subject


def _clause(subject: Subject | Comparison, comparison: Comparison) -> str | None:
    """One positive comparison with a field; None where a bar has no clause for it."""
    if isinstance(subject, Comparison):
        family, key = entry_key(subject) or (PairFamily.METADATA, "")
        return f"{dotted_subject(DottedField(family=family, key=key, part=_whole(family))).name}:*"
    value, function = comparison.value, comparison.function
    if function is Function.NEQ and isinstance(value, NullValue):
        return f"{subject.name}:*" if subject.presence is Presence.VALUE else None
    if function is Function.LIKE and isinstance(value, TextValue):
        return f"{subject.name}:{_print_pattern(value.value, subject, comparison)}"
    if function is Function.SEARCH and isinstance(value, TextValue):
        words = _words(comparison)
        return f"{subject.name}:~{words[0]}" if len(words) == 1 else None
    if function in _SIGN_OF:
        return f"{subject.name}:{_SIGN_OF[function]}{_print_operand(comparison, subject)}"
    return f"{subject.name}:{_print_operand(comparison, subject)}" if function is subject.equality else None


def _whole(family: PairFamily) -> PairPart | None:
    return None if family is PairFamily.FEEDBACK else PairPart.VALUE


def _any_key_clause(expr: And) -> str | None:
    """``metadata:*``: the bag has some entry."""
    match expr.children:
        case (Comparison(function=Function.LIKE, field=path, value=TextValue(value=pattern)),) if path is not None:
            target = find_pair_part(path.segments)
            is_any = target is not None and target.part is PairPart.KEY and pattern == ANY_PATTERN
            subject = find_subject((_BAG_FIELDS[target.family],)) if target is not None and is_any else None
            return None if subject is None else f"{subject.name}:*"
    return None


_BAG_FIELDS = {
    PairFamily.METADATA: "metadata",
    PairFamily.INPUT: "inputs",
    PairFamily.OUTPUT: "outputs",
    PairFamily.FEEDBACK: "feedback",
}


def _range_clause(children: Sequence[Expr], subject: Subject | None = None) -> str | None:
    """``field:[low TO high]`` for two comparisons with one field; the subject is looked up where none is given."""
    match children:
        case (Comparison(function=first, field=path) as low, Comparison(function=second, field=other) as high):
            if first not in _LOW or second not in _HIGH or path is None or path != other:
                return None
        case _:
            return None
    subject = subject or find_subject(path.segments)
    if subject is None or subject.path != path.segments:
        return None
    brackets = ("[" if first is Function.GTE else "{", "]" if second is Function.LTE else "}")
    return f"{subject.name}:{brackets[0]}{_print_operand(low, subject)} TO {_print_operand(high, subject)}{brackets[1]}"


def _entry_clause(expr: And) -> str | None:
    """Conditions on one entry: a clause with the path of its key, or braces where a feedback must meet several."""
    key = entry_key(expr.children[0]) if len(expr.children) > 1 else None
    if key is None:
        return None
    clauses = _entry_tests(*key, expr.children[1:])
    if clauses is None:
        return None
    if len(clauses) == 1:
        return clauses[0]
    if key[0] is not PairFamily.FEEDBACK:
        return None
    prefix = f"{PairFamily.FEEDBACK}."
    return f"{PairFamily.FEEDBACK}:{{{' AND '.join(clause.removeprefix(prefix) for clause in clauses)}}}"


def _entry_tests(family: PairFamily, key: str, tests: Sequence[Expr]) -> list[str] | None:
    clauses: list[str] = []
    index = 0
    while index < len(tests):
        test = tests[index]
        target = find_pair_part(test.field.segments) if isinstance(test, Comparison) and test.field else None
        if not isinstance(test, Comparison) or target is None or denied(test) is not None:
            return None
        if target.family is not family or target.part is PairPart.KEY:
            return None
        subject = dotted_subject(DottedField(family=family, key=key, part=target.part))
        pair = _range_clause(tests[index : index + 2], subject)
        clause = pair or _clause(subject, test)
        if clause is None:
            return None
        clauses.append(clause)
        index += 1 if pair is None else 2
    return clauses


def _words(comparison: Comparison) -> list[str]:
    """The terms of full text as words and phrases of a bar."""
    value = comparison.value
    text = value.value if isinstance(value, TextValue) else print_value(value)
    words = []
    for term, is_phrase in split_terms(text):
        bare = term if is_phrase else term.strip('"')
        if '"' in bare:
            raise _UnsayableError(comparison, "full text of a bar cannot look for a quote")
        if bare.strip():
            words.append(print_quoted(bare) if is_phrase else _print_word(bare))
    return words


def _print_word(word: str) -> str:
    first = "\\" if word.lower() in _KEYWORDS or word.startswith("-") else ""
    return first + "*".join(_escaped(part) for part in word.split("*"))


def _escaped(text: str) -> str:
    """Bare text with a backslash before whatever means something in a bar."""
    return _UNSAFE.sub(r"\\\g<0>", text)


def _print_pattern(pattern: str, subject: Subject, part: Expr) -> str:
    """A pattern as bare text with stars, or behind ``~`` where it is text anywhere in a value."""
    pieces = _pattern_pieces(pattern, part)
    literal = pieces[1] if len(pieces) == 3 and not pieces[0] and not pieces[2] else ""  # noqa: PLR2004 - star, text, star
    if subject.text is Text.INSIDE and literal.strip() and pattern == f"%{escape_pattern(literal)}%":
        return "~" + (literal if _BARE_VALUE.fullmatch(literal) else print_quoted(literal))
    if len(pieces) == 1:
        raise _UnsayableError(part, "a bar has patterns with stars only")
    return "*".join(map(_escaped, pieces))


def _pattern_pieces(pattern: str, part: Expr) -> list[str]:
    """The literal texts between the wildcards."""
    pieces = [""]
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            pieces.append("")
        elif character == "_":
            raise _UnsayableError(part, "a bar has no sign for any one character")
        else:
            pieces[-1] += next(characters, "\\") if character == "\\" else character
    return pieces


def _print_operand(comparison: Comparison, subject: Subject) -> str:
    value = comparison.value
    match value:
        case NumberValue() if subject.takes_numbers:
            number = print_value(value)
            if PLAIN_NUMBER.fullmatch(number) is None:
                raise _UnsayableError(comparison, "its number has no plain spelling")
            return number
        case BooleanValue() if subject.takes_booleans:
            return print_value(value)
        case TextValue(value=text):
            return _print_text(text, subject)
        case NumberValue() | BooleanValue():
            return _print_text(print_value(value), subject)
        case NullValue() | ListValue() | ObjectValue():
            raise _UnsayableError(comparison, "a bar has no such value")
        case _:
            assert_never(value)


def _print_text(text: str, subject: Subject) -> str:
    """Bare where nothing else could be read from it."""
    is_number = subject.takes_numbers and PLAIN_NUMBER.fullmatch(text)
    is_boolean = subject.takes_booleans and text.lower() in ("true", "false")
    return text if _BARE_VALUE.fullmatch(text) and not is_number and not is_boolean else print_quoted(text)
