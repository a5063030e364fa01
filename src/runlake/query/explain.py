"""How a filter is understood and what it becomes, step by step: words, tree, typed tree, SQL with its values.

For ``runlake explain`` and for a query that asks for it. Values show as they were sent, so an explanation goes to the
one who asked and to no log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from runlake.fql import Mode, bind_filter, parse_filter, print_filter
from runlake.fql.lexer import TokenKind, tokenize
from runlake.fql.source import Source
from runlake.query.index_use import IndexUse, read_index_use
from runlake.query.plan import near, plan_page
from runlake.query.request import QueryLimits, RunQuery
from runlake.query.scope import tables_at
from runlake.store.engine import Engine, QueryStats, Statement
from runlake.store.moment import Moment

_NOBODY: Final = UUID(int=0)
_INDENT: Final = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterExplanation:
    """One filter through every phase; each part is text for people. ``statement`` lists runs, newest first."""

    canonical: str
    tokens: str
    tree: str
    bound: str
    statement: Statement
    stats: QueryStats | None = None

    def render(self) -> str:
        """All of it as one text."""
        parts = [
            ("filter", self.canonical),
            ("tokens", self.tokens),
            ("tree", self.tree),
            ("typed tree", self.bound),
            ("statement", render_statement(self.statement)),
        ]
        if self.stats is not None:
            parts.append(("cost", render_stats(self.stats)))
        return "\n\n".join(f"{title}\n{_indented(text)}" for title, text in parts)


def explain_filter(
    text: str,
    *,
    mode: Mode = Mode.LENIENT,
    engine: Engine | None = None,
    tenant_id: UUID = _NOBODY,
    sessions: tuple[UUID, ...] = (_NOBODY,),
    moment: Moment | None = None,
) -> FilterExplanation | None:
    """The explanation of a filter, None for blank text; FilterError where it cannot be read.

    With an engine the statement runs, and the explanation says what it cost.
    """
    expr = parse_filter(text)
    if expr is None:
        return None
    bound = bind_filter(expr, text, mode=mode)
    query = RunQuery(tenant_id=tenant_id, sessions=sessions, filter=bound)
    moment = moment or Moment(visible_version=2**63 - 1)
    statement = plan_page(query, moment, QueryLimits(), rows=query.page_rows).statement
    return FilterExplanation(
        canonical=print_filter(expr),
        tokens=" ".join(token_text(text)),
        tree="\n".join(_tree_lines(expr)),
        bound="\n".join(_tree_lines(bound)),
        statement=statement,
        stats=None if engine is None else engine.select(statement).stats,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementReport:
    """One statement of a query: its text with values and settings, and what it cost where it was run."""

    table: str
    sql: str
    rows_read: int | None = None
    bytes_read: int | None = None
    elapsed_ms: float | None = None
    indexes: tuple[IndexUse, ...] = ()

    def render(self) -> str:
        """All of it as text; what is not SQL is in comments."""
        lines = [self.sql]
        if self.rows_read is not None and self.bytes_read is not None and self.elapsed_ms is not None:
            lines.append(f"-- {render_stats(QueryStats(self.rows_read, self.bytes_read, self.elapsed_ms))}")
        lines += [f"-- {use.name} leaves {use.blocks_left} of {use.blocks} blocks" for use in self.indexes]
        return "\n".join(lines)


def explain_query(query: RunQuery, moment: Moment, limits: QueryLimits, *, engine: Engine | None = None) -> str:
    """The statements of a page as text, and what each cost when an engine is there to run it."""
    return "\n\n".join(report.render() for report in report_statements(query, moment, limits, engine=engine))


def report_statements(
    query: RunQuery, moment: Moment, limits: QueryLimits, *, engine: Engine | None = None
) -> tuple[StatementReport, ...]:
    """The statements of a page, one a table; with an engine they are run, and their indexes looked up."""
    reports = []
    for table in tables_at(near(query, moment)):
        statement = plan_page(query, moment, limits, rows=query.page_rows, table=table).statement
        report = StatementReport(table=table.value, sql=render_statement(statement))
        if engine is not None:
            stats = engine.select(statement).stats
            report = StatementReport(
                table=report.table,
                sql=report.sql,
                rows_read=stats.rows_read,
                bytes_read=stats.bytes_read,
                elapsed_ms=round(stats.elapsed_ms, 3),
                indexes=read_index_use(engine, statement),
            )
        reports.append(report)
    return tuple(reports)


def token_text(text: str) -> Iterator[str]:
    """The tokens as written."""
    for token in tokenize(Source(text)):
        if token.kind is not TokenKind.END:
            yield text[token.span.start : token.span.end]


def render_statement(statement: Statement) -> str:
    """SQL, its settings, and one line for each value."""
    settings = ", ".join(f"{name} = {value!r}" for name, value in statement.settings.items())
    sql = statement.sql + (f"\nSETTINGS {settings}" if settings else "")
    values = [f"-- {param.name} {param.type} = {param.value!s}" for param in statement.params]
    return "\n".join([sql, *values])


def render_stats(stats: QueryStats) -> str:
    """Rows, bytes and time in one line."""
    return f"{stats.rows_read} rows and {stats.bytes_read} bytes read in {stats.elapsed_ms:.1f} ms"


def _tree_lines(node: object, name: str = "", depth: int = 0) -> Iterator[str]:
    """A tree of frozen nodes, one node or value a line; places in the text are left out."""
    label = f"{name}: " if name else ""
    if is_dataclass(node) and not isinstance(node, type):
        yield f"{_INDENT * depth}{label}{type(node).__name__}"
        for attribute in fields(node):
            if attribute.compare:
                yield from _tree_lines(getattr(node, attribute.name), attribute.name, depth + 1)
    elif isinstance(node, tuple) and any(is_dataclass(item) for item in node):
        yield f"{_INDENT * depth}{label}"
        for item in node:
            yield from _tree_lines(item, "", depth + 1)
    else:
        yield f"{_INDENT * depth}{label}{_value(node)}"


def _value(node: object) -> str:
    if isinstance(node, Enum):
        return str(node.value)
    if isinstance(node, tuple):
        return "[" + ", ".join(_value(item) for item in node) + "]"
    return repr(node) if isinstance(node, str) else str(node)


def _indented(text: str) -> str:
    return "\n".join(f"{_INDENT}{line}" for line in text.splitlines())
