"""A caller's SQL made safe: parsed, held to an allow-list, and written anew by us.

Nothing of the caller's text reaches the engine. Texts become parameters, names are checked and quoted, numbers and
operators come out of the parsed tree, functions and tables must be on a list. What is on no list is refused, so that
what nobody thought of (table functions, settings, formats, other databases) is refused too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runlake.errors import InvalidError
from runlake.store.engine import Params

MAX_SQL_CHARS: Final = 50_000
MAX_NODES: Final = 5_000
"""Longest text and largest tree that is looked at."""

MAX_REPEATS: Final = 100_000
"""Most repetitions, or characters of padding, that a query may write down; the engine takes ten times as many."""

PREFIX: Final = "runlake_"
"""Names of ours in the statement; a caller's name may not begin so."""

_CTE: Final = f"{PREFIX}with_"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_NUMBER: Final = re.compile(r"\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,3})?|\.\d{1,40}")
_CALL: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*\(")
_QUOTED_CALL: Final = re.compile(r'["`]\s*\(')
_STRUCTURE: Final = _words(
    """
    Add Alias And DPipe Array Between Boolean Bracket Case Cast Column CTE DataType DataTypeParam Div Distinct Dot EQ
    Except Exists From GT GTE Group Having ILike Identifier If In Intersect IntDiv Interval Is Join LT LTE
    Lambda Like Limit Literal Mod Mul NEQ Neg Not Null Offset Or Order Ordered Paren Parens Select Star Sub
    Subquery Table TableAlias TryCast Tuple Union Var Where Window WindowSpec With Map
    """
)
"""What a query is built of beside functions, by the parser's names."""

_CLAUSES: Final[Mapping[str, frozenset[str]]] = {
    "Select": frozenset(
        {"with_", "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct"}
        | {"windows", "laterals"}
    ),
    "Table": frozenset({"this", "alias", "joins"}),
    "With": frozenset({"expressions"}),
    "CTE": frozenset({"this", "alias"}),
    "In": frozenset({"this", "expressions", "query"}),
    "Star": frozenset({"except_"}),
}
"""What of the parts that can hold more than they should may be there."""

_WORDS: Final = _words(
    """
    and or not in as on over partition by when then else case between like ilike is exists all any union
    distinct except intersect using values interval select from where having limit offset with join order group
    cast decimal datetime64 array tuple map nullable lowcardinality filter
    """
)
FUNCTIONS: Final = _words(
    """
    count countif uniq uniqexact uniqif uniqexactif sum sumif avg avgif min minif max maxif any anyif anylast
    argmin argmax argminif argmaxif median quantile quantiles quantileexact quantilesexact
    quantileexactinclusive quantileif stddevpop stddevsamp varpop varsamp corr grouparray groupuniqarray
    groupconcat topk summap histogram simplelinearregression row_number rank dense_rank lag lead first_value
    last_value nth_value laginframe leadinframe ntile abs round floor ceil ceiling trunc truncate sqrt cbrt exp
    log log2 log10 ln pow power sign greatest least intdiv modulo plus minus multiply divide negate widthbucket
    isnan isfinite ifnotfinite if multiif coalesce ifnull nullif isnull isnotnull assumenotnull tonullable
    length char_length lengthutf8 lower upper lowerutf8 upperutf8 trim ltrim rtrim substring substr
    substringutf8 left right concat concatwithseparator replace replaceall replaceone replaceregexpall
    replaceregexpone position positionutf8 positioncaseinsensitive startswith endswith like ilike match extract
    extractall splitbychar splitbystring splitbywhitespace reverse reverseutf8 repeat leftpad rightpad format
    tostring hastoken hastokencaseinsensitive toint8 toint16 toint32 toint64 touint8 touint16 touint32 touint64
    tofloat32 tofloat64 todecimal64 todecimal128 toint64orzero toint64ornull tofloat64orzero tofloat64ornull
    touuid touuidornull todate todatetime todatetime64 parsedatetimebesteffort parsedatetimebesteffortornull
    parsedatetime64besteffort cast accuratecastornull now now64 today yesterday toyear tomonth todayofmonth
    todayofweek todayofyear tohour tominute tosecond toweek tounixtimestamp tounixtimestamp64milli
    tounixtimestamp64micro tostartofinterval tostartofminute tostartoffiveminutes tostartoftenminutes
    tostartoffifteenminutes tostartofhour tostartofday tostartofweek tostartofmonth tostartofquarter
    tostartofyear tomonday date_trunc datetrunc datediff date_diff dateadd date_add datesub date_sub adddays
    addhours addminutes addseconds addweeks addmonths subtractdays subtracthours subtractminutes subtractmonths
    formatdatetime totimezone fromunixtimestamp fromunixtimestamp64milli timestamp_trunc array arrayjoin
    arraymap arrayfilter arrayexists arrayall arraycount arraysum arrayavg arraymin arraymax arraysort
    arrayreversesort arraydistinct arrayconcat arrayelement arrayslice arraystringconcat arrayfirst arraylast
    arrayuniq arrayenumerate arrayzip has hasall hasany indexof empty notempty countequal array_agg map mapkeys
    mapvalues mapcontains tuple tupleelement jsonextract jsonextractstring jsonextractint jsonextractuint
    jsonextractfloat jsonextractbool jsonextractraw jsonextractarrayraw jsonextractkeys jsonhas jsonlength
    jsontype jsonextractkeysandvalues simplejsonextractstring simplejsonhas isvalidjson
    """
)
"""Functions that compute from their arguments alone. None of them reads the server, its files, or another place."""


@dataclass(frozen=True, slots=True)
class GuardedSql:
    """A select in our own words; ``tables`` are those that it reads, by the names that stand for them in ``sql``.

    ``grows_texts``: it makes texts that may be far larger than those that it reads.
    """

    sql: str
    tables: frozenset[str]
    grows_texts: bool


def guard_sql(text: str, params: Params, tables: Mapping[str, str]) -> GuardedSql:
    """The one select in ``text``; InvalidError says what is wrong or refused.

    ``tables`` maps the names that a caller may read to the names that stand for them.
    """
    import sqlglot  # noqa: PLC0415 - only those who send SQL pay for its start
    from sqlglot import errors  # noqa: PLC0415 - as above

    if len(text) > MAX_SQL_CHARS:
        raise _refusal(f"query is longer than {MAX_SQL_CHARS} characters")
    try:
        found = [tree for tree in sqlglot.parse(text, read="clickhouse") if tree is not None]
    except (errors.SqlglotError, RecursionError, ValueError) as error:
        raise _refusal(f"query is no SQL that can be read: {_first_line(error)}") from None
    if len(found) != 1 or type(found[0]).__name__ not in {"Select", "Union", "Except", "Intersect", "Subquery"}:
        raise _refusal("query must be a single SELECT")
    return _Guard(params, tables).write(found[0])


class _Guard:
    def __init__(self, params: Params, tables: Mapping[str, str]) -> None:
        self._params = params
        self._tables = tables
        self._read: set[str] = set()

    def write(self, tree: Any) -> GuardedSql:
        from sqlglot import exp  # noqa: PLC0415 - as above

        nodes = list(tree.walk())
        if len(nodes) > MAX_NODES:
            raise _refusal(f"query has more than {MAX_NODES} parts")
        named = {node.alias for node in nodes if isinstance(node, exp.CTE)}
        for node in nodes:
            self._check(node, exp)
        grows_texts = _grows_texts(nodes, exp)
        for node in nodes:
            if isinstance(node, exp.Table):
                self._name_table(node, named, exp)
            elif isinstance(node, exp.CTE):
                # Whatever a caller calls it, and wherever it is named: never the name of a table of ours.
                node.args["alias"].set("this", exp.to_identifier(_CTE + node.alias))
        root = tree.transform(lambda node: self._literal(node, exp))
        sql = root.sql(dialect="clickhouse", identify=True, comments=False, unsupported_level=None)
        for name in _CALL.findall(_without_placeholders(sql)):
            if name.lower() not in FUNCTIONS and name.lower() not in _WORDS:
                raise _refusal(f"function {name[:60]} is not available")
        if _QUOTED_CALL.search(sql):
            raise _refusal("the names of functions are written without quotes")
        if "'" in _without_units(sql) or ";" in sql or "\\" in sql:
            raise _refusal("query holds a text in a place where none may be")
        return GuardedSql(sql, frozenset(self._read), grows_texts)

    def _check(self, node: Any, exp: Any) -> None:
        kind = type(node).__name__
        if kind not in _STRUCTURE and not isinstance(node, exp.Func):
            raise _refusal(f"{kind.upper()} is not available in queries")
        allowed = _CLAUSES.get(kind) or frozenset(node.args)
        for clause, value in node.args.items():
            if value and clause not in allowed:
                raise _refusal(f"{clause.strip('_').upper()} is not available in queries")
        if isinstance(node, exp.Identifier | exp.Var) and not _NAME.fullmatch(str(node.this)):
            raise _refusal(f"{str(node.this)[:60]!r} is no name that can be used here")
        if isinstance(node, exp.Identifier) and str(node.this).lower().startswith(PREFIX):
            raise _refusal(f"names that begin with {PREFIX} are not available")
        if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) and not _NAME.fullmatch(str(node.this)):
            raise _refusal(f"{str(node.this)[:60]!r} is no function")
        if isinstance(node, exp.Literal) and not node.is_string and not _NUMBER.fullmatch(str(node.this)):
            raise _refusal(f"{str(node.this)[:60]!r} is no number that can be used here")

    def _name_table(self, node: Any, named: set[str], exp: Any) -> None:
        if not isinstance(node.this, exp.Identifier) or node.args.get("db") or node.args.get("catalog"):
            raise _refusal(f"only the tables {', '.join(self._tables)} can be read")
        name = str(node.this.this)
        if name in named:
            stands_for = _CTE + name
        elif name in self._tables:
            stands_for = self._tables[name]
            self._read.add(name)
        else:
            raise _refusal(f"there is no table {name[:60]!r}; there are {', '.join(self._tables)}")
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
        node.set("this", exp.to_identifier(stands_for))

    def _literal(self, node: Any, exp: Any) -> Any:
        """Texts become parameters; the number of an interval is a number."""
        if not isinstance(node, exp.Literal) or not node.is_string:
            return node
        if isinstance(node.parent, exp.Interval):
            if not re.fullmatch(r"\d{1,9}", str(node.this)):
                raise _refusal("an interval takes a whole number")
            return exp.Literal.number(str(node.this))
        placeholder = self._params.add("String", str(node.this))
        return exp.Placeholder(
            this=placeholder[1:].partition(":")[0], kind=exp.DataType.build("String", dialect="clickhouse")
        )


def _grows_texts(nodes: Sequence[Any], exp: Any) -> bool:
    """Whether there are calls of ``repeat``, ``leftPad`` or ``rightPad``, each within bounds."""
    growing = [node for node in nodes if isinstance(node, exp.Repeat | exp.Pad)]
    for node in growing:
        _check_growth(node, exp)
    return bool(growing)


def _check_growth(node: Any, exp: Any) -> None:
    name = "repeat" if isinstance(node, exp.Repeat) else "padding"
    count = node.args.get("times") or node.args.get("expression")
    if isinstance(count, exp.Literal) and not count.is_string and float(count.this) > MAX_REPEATS:
        raise _refusal(f"{name} takes a number up to {MAX_REPEATS}, not {str(count.this)[:40]}")
    if any(inner is not node for inner in node.find_all(exp.Repeat, exp.Pad)):
        raise _refusal(f"{name} of what repeat or padding has made is not available; multiply the numbers")


_PLACEHOLDER: Final = re.compile(r"\{\w+: String\}")
_UNIT: Final = re.compile(r"'(second|minute|hour|day|week|month|quarter|year)'", re.IGNORECASE)


def _without_placeholders(sql: str) -> str:
    return _PLACEHOLDER.sub("0", sql)


def _without_units(sql: str) -> str:
    """The parser writes the unit of a date function as text."""
    return _UNIT.sub("", sql)


def _refusal(message: str) -> InvalidError:
    return InvalidError(message, field="query")


def _first_line(error: BaseException) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines() or ["it does not parse"]
    return text[0][:200].rstrip(".")
